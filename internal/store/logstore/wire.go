package logstore

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"hinomi/internal/model"
	"hinomi/internal/model/otlpwire"
	"hinomi/internal/store"
)

// AppendWire stores the records of an encoded ExportLogsServiceRequest without
// decoding it into objects first. ok false means that the request is not of the
// plain kind (or not valid): nothing is stored, and AppendLogs has to have it.
// Otherwise it had n records, and result and error are those of AppendLogs. body
// must not change meanwhile; nothing of it is kept.
func (s *Store) AppendWire(ctx context.Context, scope model.Scope, body []byte) (n int, res store.WriteResult, ok bool, err error) {
	w := wireMapper{mapper: mapper{store: s, b: s.NewBuilder(), now: s.now(), res: &res, maxRow: s.Options().MaxRowBytes}, scope: scope}
	if !w.request(body) {
		s.Discard(w.b)
		return 0, store.WriteResult{}, false, nil
	}
	res.Stored = w.b.Len()
	n = res.Stored + res.RejectedTotal()
	if err := s.AppendRequest(ctx, w.b, res); err != nil {
		return n, store.WriteResult{}, true, err
	}
	return n, res, true, nil
}

type wireMapper struct {
	mapper
	scope  model.Scope
	attrs  [][]byte // KeyValues of the record, reused
	groups [][]byte // ScopeLogs of the resource, reused
}

func (w *wireMapper) request(b []byte) (ok bool) {
	var f otlpwire.Field
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok {
			return false
		}
		if f.Num == 1 && (f.Type != otlpwire.Bytes || !w.resourceLogs(f.Bytes)) {
			return false
		}
	}
	return true
}

func (w *wireMapper) resourceLogs(b []byte) (ok bool) {
	var f otlpwire.Field
	var resource []byte
	seen := 0
	groups := w.groups[:0]
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok {
			return false
		}
		if f.Num <= 3 && f.Type != otlpwire.Bytes {
			return false
		}
		switch f.Num {
		case 1:
			resource = f.Bytes
			seen++
		case 2:
			groups = append(groups, f.Bytes)
		}
	}
	w.groups = groups
	if seen > 1 {
		return false
	}
	info := w.store.known.resources.Get(resource, knownResourceOf)
	if info == nil {
		return false
	}
	product, err := w.scope.WriteProduct(info.claimed)
	if err != nil {
		n := 0
		for _, g := range groups {
			k, ok := countRecords(g)
			if !ok {
				return false
			}
			n += k
		}
		w.res.Reject(store.RejectOutOfScope, n, fmt.Sprintf("product %q: %s", info.claimed, err))
		return true
	}
	r := info.resourceInfo
	r.product = product
	for _, g := range groups {
		if !w.scopeLogs(&r, g) {
			return false
		}
	}
	return true
}

// countRecords counts well-formed records.
func countRecords(b []byte) (n int, ok bool) {
	var f otlpwire.Field
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok || f.Num <= 3 && f.Type != otlpwire.Bytes {
			return 0, false
		}
		if f.Num == 2 {
			n++
			if _, ok := new(wireMapper).read(f.Bytes); !ok {
				return 0, false
			}
		}
	}
	return n, true
}

func (w *wireMapper) scopeLogs(r *resourceInfo, b []byte) (ok bool) {
	var f otlpwire.Field
	var scope []byte
	seen := 0
	for rest := b; len(rest) > 0; {
		if rest, ok = otlpwire.Next(rest, &f); !ok || f.Num <= 3 && f.Type != otlpwire.Bytes {
			return false
		}
		if f.Num == 1 {
			scope = f.Bytes
			seen++
		}
	}
	if seen > 1 {
		return false
	}
	info := w.store.known.scopes.Get(scope, knownScopeOf)
	if info == nil {
		return false
	}
	stream := r.stream
	if info.loki {
		stream = r.allLabels
	}
	for len(b) > 0 {
		b, _ = otlpwire.Next(b, &f)
		if f.Num == 2 && !w.logRecord(r, stream, info.json, f.Bytes) {
			return false
		}
	}
	return true
}

// wireRecord is a LogRecord; texts are views.
type wireRecord struct {
	time, observed uint64
	severity       int32
	flags          uint32
	sevText, event string
	trace, span    string
	body           otlpwire.Value
	rawBody        []byte
}

// recordTypes are the wire types of a LogRecord's fields (logs.proto).
var recordTypes = [13]uint8{1: otlpwire.Fixed64, 2: otlpwire.Varint, 3: otlpwire.Bytes, 5: otlpwire.Bytes, 6: otlpwire.Bytes,
	7: otlpwire.Varint, 8: otlpwire.Fixed32, 9: otlpwire.Bytes, 10: otlpwire.Bytes, 11: otlpwire.Fixed64, 12: otlpwire.Bytes}

func (w *wireMapper) read(b []byte) (r wireRecord, ok bool) {
	var f otlpwire.Field
	w.attrs = w.attrs[:0]
	bodies := 0
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok {
			return r, false
		}
		if f.Num < uint32(len(recordTypes)) && f.Num != 4 && f.Type != recordTypes[f.Num] {
			return r, false
		}
		switch f.Num {
		case 1:
			r.time = f.Int
		case 2:
			r.severity = int32(f.Int)
		case 3:
			r.sevText = f.Text()
		case 5:
			if bodies++; bodies > 1 || !r.body.Merge(f.Bytes) {
				return r, false
			}
			r.rawBody = f.Bytes
		case 6:
			w.attrs = append(w.attrs, f.Bytes)
		case 8:
			r.flags = uint32(f.Int)
		case 9:
			if len(f.Bytes) != 0 && len(f.Bytes) != 16 {
				return r, false
			}
			r.trace = f.Text()
		case 10:
			if len(f.Bytes) != 0 && len(f.Bytes) != 8 {
				return r, false
			}
			r.span = f.Text()
		case 11:
			r.observed = f.Int
		case 12:
			r.event = f.Text()
		}
	}
	return r, true
}

const (
	noTrace = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	noSpan  = "\x00\x00\x00\x00\x00\x00\x00\x00"
)

func (w *wireMapper) logRecord(r *resourceInfo, stream, scope string, raw []byte) bool {
	rec, ok := w.read(raw)
	if !ok {
		return false
	}
	row := row{ts: int64(rec.time), observed: int64(rec.observed), severity: int64(rec.severity), flags: int64(rec.flags),
		sevText: rec.sevText, event: rec.event}
	if rec.trace != noTrace {
		row.trace = rec.trace
	}
	if rec.span != noSpan {
		row.span = rec.span
	}
	switch rec.body.Kind {
	case otlpwire.Empty:
	case otlpwire.Text:
		row.body = rec.body.Text
	default:
		lr, ok := decodeRecord(otlpwire.AppendBytes(nil, 5, rec.rawBody))
		if !ok {
			return false
		}
		row.body = w.body(lr.Body())
	}
	if !w.begin(r, stream, scope, &row) {
		// The row is refused; its attributes must still be well-formed.
		for _, a := range w.attrs {
			if _, v, ok := otlpwire.KeyValue(a); !ok || v.Kind == otlpwire.Complex {
				return false
			}
		}
		return true
	}
	for _, a := range w.attrs {
		key, v, ok := otlpwire.KeyValue(a)
		if !ok {
			return false
		}
		switch v.Kind {
		case otlpwire.Text:
			w.b.AttrStr(key, v.Text)
		case otlpwire.Int:
			w.b.AttrInt(key, v.Int)
		case otlpwire.Double:
			w.b.AttrFloat(key, v.Float)
		case otlpwire.Bool:
			w.b.AttrBool(key, v.Int != 0)
		default:
			lr, ok := decodeRecord(otlpwire.AppendBytes(nil, 6, a))
			if !ok {
				return false
			}
			w.buf = w.b.AddAttributes(w.buf, lr.Attributes())
		}
	}
	w.end()
	return true
}

// decodeRecord decodes fields of one record with pdata.
func decodeRecord(record []byte) (plog.LogRecord, bool) {
	b := otlpwire.AppendBytes(nil, 2, record)
	b = otlpwire.AppendBytes(nil, 2, b)
	req := plogotlp.NewExportRequest()
	if req.UnmarshalProto(otlpwire.AppendBytes(nil, 1, b)) != nil {
		return plog.LogRecord{}, false
	}
	return req.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0), true
}

// knownResource is what all records of a resource share.
type knownResource struct {
	resourceInfo
	claimed string // product
}

type knownScope struct {
	json string
	loki bool
}

// known remembers what encoded resources and scopes became.
type known struct {
	resources otlpwire.Memo[knownResource]
	scopes    otlpwire.Memo[knownScope]
}

func knownResourceOf(raw []byte) *knownResource {
	req := plogotlp.NewExportRequest()
	if req.UnmarshalProto(otlpwire.AppendBytes(nil, 1, otlpwire.AppendBytes(nil, 1, raw))) != nil {
		return nil
	}
	res := req.Logs().ResourceLogs().At(0).Resource().Attributes()
	info := &knownResource{resourceInfo: resourceColumns(res)}
	if v, ok := res.Get(model.ResourceProduct); ok {
		info.claimed = v.AsString()
	}
	return info
}

func knownScopeOf(raw []byte) *knownScope {
	req := plogotlp.NewExportRequest()
	if req.UnmarshalProto(otlpwire.AppendBytes(nil, 1, otlpwire.AppendBytes(nil, 2, otlpwire.AppendBytes(nil, 1, raw)))) != nil {
		return nil
	}
	scope := req.Logs().ResourceLogs().At(0).ScopeLogs().At(0).Scope()
	return &knownScope{json: scopeJSON(scope), loki: scope.Name() == LokiScope}
}
