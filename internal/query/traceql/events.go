package traceql

import (
	"encoding/json"
	"strings"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// parseEvents reads the JSON of store.ColEvents or store.ColLinks.
func parseEvents(text string) []event {
	if text == "" || text == "[]" {
		return nil
	}
	var list []struct {
		Ts         int64           `json:"ts"`
		Name       string          `json:"name"`
		TraceID    string          `json:"trace_id"`
		SpanID     string          `json:"span_id"`
		Attributes json.RawMessage `json:"attributes"`
	}
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	out := make([]event, len(list))
	for i, e := range list {
		out[i] = event{ts: e.Ts, name: e.Name, traceID: e.TraceID, spanID: e.SpanID, attrs: map[string]store.Value{}}
		_ = attrs.Each(string(e.Attributes), func(k string, v store.Value) bool {
			out[i].attrs[k] = v
			return true
		})
	}
	return out
}

// isEventAttribute tells whether an attribute is one of events or links.
func isEventAttribute(a *Attribute) bool {
	return !a.Parent && (a.Scope == ScopeEvent || a.Scope == ScopeLink || strings.HasPrefix(a.Name, "event:") || strings.HasPrefix(a.Name, "link:"))
}

// value is an attribute of an event or a link; nil when it is of the other kind.
func (e event) value(a *Attribute, link bool) Static {
	isLink := a.Scope == ScopeLink || a.Scope == ScopeIntrinsic && strings.HasPrefix(a.Name, "link:")
	switch {
	case isLink != link:
		return Static{}
	case a.Scope == ScopeEvent || a.Scope == ScopeLink:
		return fromValue(e.attrs[a.Name])
	case a.Name == "event:name":
		return strStatic(e.name)
	}
	return Static{} // times and ids have no list
}
