package traceql

import (
	"strings"

	jsoniter "github.com/json-iterator/go"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// elements are the values of an array attribute. The store renders an array as
// its JSON text and keeps no type, so text that is a JSON array counts as one. Among
// strings the text itself is the last element, so that a string of that shape is
// still found by its whole value.
func (s Static) elements() []Static {
	if s.Type != TypeArray {
		return []Static{s}
	}
	var out []Static
	for _, raw := range splitArray(s.Str) {
		_ = attrs.Each(`{"":`+raw+`}`, func(_ string, v store.Value) bool {
			if e := fromValue(v); e.Type != TypeNil {
				out = append(out, e)
			}
			return true
		})
	}
	if len(out) > 0 && out[0].Type == TypeString {
		out = append(out, strStatic(s.Str))
	}
	return out
}

// Elements are the values of an array; of anything else the value itself.
func (s Static) Elements() []Static {
	list := s.elements()
	if n := len(list); s.Type == TypeArray && n > 0 && list[n-1] == strStatic(s.Str) {
		list = list[:n-1]
	}
	return list
}

// splitArray returns the JSON texts of an array's elements; nil when text is not
// a JSON array.
func splitArray(text string) []string {
	it := jsoniter.ParseString(jsoniter.ConfigDefault, text)
	var out []string
	it.ReadArrayCB(func(it *jsoniter.Iterator) bool {
		out = append(out, string(it.SkipAndReturnBytes()))
		return it.Error == nil
	})
	if it.Error != nil || it.WhatIsNext() != jsoniter.InvalidValue {
		return nil
	}
	return out
}

// isArray tells whether an attribute's text is an array of scalars.
func isArray(text string) bool {
	if !strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]") {
		return false
	}
	parts := splitArray(text)
	for _, p := range parts {
		if p = strings.TrimSpace(p); p == "" || p[0] == '[' || p[0] == '{' {
			return false
		}
	}
	return len(parts) > 0
}
