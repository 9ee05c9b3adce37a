package traceql

import (
	"encoding/json"

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
