package attrs

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	jsoniter "github.com/json-iterator/go"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"hinomi/internal/store"
)

var api = jsoniter.Config{}.Froze()

// Each calls fn for every member of the JSON object. Objects and arrays arrive
// as KindString with their JSON text. It stops when fn returns false.
func Each(object string, fn func(key string, v store.Value) bool) error {
	if object == "" || object == "{}" {
		return nil
	}
	it := api.BorrowIterator([]byte(object))
	defer api.ReturnIterator(it)
	it.ReadMapCB(func(it *jsoniter.Iterator, key string) bool {
		return fn(key, readScalar(it))
	})
	if it.Error != nil && it.Error.Error() != "EOF" {
		return fmt.Errorf("attributes are not a JSON object: %w", it.Error)
	}
	return nil
}

// Get returns one member of the JSON object.
func Get(object, key string) (store.Value, bool) {
	if !strings.Contains(object, key) && !strings.ContainsAny(key, "\"\\\n\r\t") {
		return store.Value{}, false
	}
	var out store.Value
	found := false
	_ = Each(object, func(k string, v store.Value) bool {
		if k == key {
			out, found = v, true
			return false
		}
		return true
	})
	return out, found && out.Kind != store.KindNull
}

func readScalar(it *jsoniter.Iterator) store.Value {
	switch it.WhatIsNext() {
	case jsoniter.StringValue:
		return store.Str(it.ReadString())
	case jsoniter.NumberValue:
		return number(string(it.ReadNumber()))
	case jsoniter.BoolValue:
		return store.Bool(it.ReadBool())
	case jsoniter.NilValue:
		it.ReadNil()
		return store.Value{}
	}
	raw := string(it.SkipAndReturnBytes())
	if inner, ok := tagged(raw, bytesTag); ok {
		if b, err := base64.StdEncoding.DecodeString(inner); err == nil {
			return store.Bytes(b)
		}
	}
	if inner, ok := tagged(raw, floatTag); ok {
		if f, err := strconv.ParseFloat(inner, 64); err == nil {
			return store.Float(f)
		}
	}
	return store.Str(strings.TrimSpace(raw))
}

func number(text string) store.Value {
	if !strings.ContainsAny(text, ".eE") {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return store.Int(i)
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return store.Str(text)
	}
	return store.Float(f)
}

// tagged recognises {"tag":"inner"}.
func tagged(raw, tag string) (string, bool) {
	raw = strings.TrimSpace(raw)
	inner, ok := strings.CutPrefix(raw, `{"`+tag+`":"`)
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, `"}`)
	return inner, ok && !strings.ContainsAny(inner, `",`)
}

// Fill puts every member of the JSON object into m, with its type.
func Fill(m pcommon.Map, object string) error {
	if object == "" || object == "{}" {
		return nil
	}
	it := api.BorrowIterator([]byte(object))
	defer api.ReturnIterator(it)
	fillMap(it, m)
	if it.Error != nil && it.Error.Error() != "EOF" {
		return fmt.Errorf("attributes are not a JSON object: %w", it.Error)
	}
	return nil
}

// FillValue puts one JSON value into v, with its type.
func FillValue(v pcommon.Value, text string) error {
	it := api.BorrowIterator([]byte(text))
	defer api.ReturnIterator(it)
	fillValue(it, v)
	if it.Error != nil && it.Error.Error() != "EOF" {
		return fmt.Errorf("value is not JSON: %w", it.Error)
	}
	return nil
}

func fillMap(it *jsoniter.Iterator, m pcommon.Map) {
	it.ReadMapCB(func(it *jsoniter.Iterator, key string) bool {
		fillValue(it, m.PutEmpty(key))
		return it.Error == nil
	})
}

func fillValue(it *jsoniter.Iterator, v pcommon.Value) {
	switch it.WhatIsNext() {
	case jsoniter.ObjectValue:
		raw := it.SkipAndReturnBytes()
		if inner, ok := tagged(string(raw), bytesTag); ok {
			if b, err := base64.StdEncoding.DecodeString(inner); err == nil {
				v.SetEmptyBytes().FromRaw(b)
				return
			}
		}
		if inner, ok := tagged(string(raw), floatTag); ok {
			if f, err := strconv.ParseFloat(inner, 64); err == nil {
				v.SetDouble(f)
				return
			}
		}
		sub := api.BorrowIterator(raw)
		fillMap(sub, v.SetEmptyMap())
		api.ReturnIterator(sub)
	case jsoniter.ArrayValue:
		s := v.SetEmptySlice()
		it.ReadArrayCB(func(it *jsoniter.Iterator) bool {
			fillValue(it, s.AppendEmpty())
			return it.Error == nil
		})
	default:
		switch x := readScalar(it); x.Kind {
		case store.KindString:
			v.SetStr(x.Str)
		case store.KindInt:
			v.SetInt(x.Int)
		case store.KindFloat:
			v.SetDouble(x.Flt)
		case store.KindBool:
			v.SetBool(x.Int != 0)
		}
	}
}
