package logstore

import (
	"context"

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
	w := wireMapper{mapper: s.mapper(s.NewBuilder(), &res), scope: scope}
	if !otlpwire.Walk(body, &w) {
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

// wireMapper puts the records of an encoded request into a builder.
type wireMapper struct {
	mapper
	scope   model.Scope
	attrs   [][]byte // KeyValues of the record, reused
	owner   resourceInfo
	refused string // why the resource is out of scope, empty when it is not
	stream  string
	library string // the instrumentation scope
}

// Resource implements otlpwire.Visitor.
func (w *wireMapper) Resource(raw []byte) bool {
	info := w.store.known.resources.Get(raw, knownResourceOf)
	if info == nil {
		return false
	}
	w.owner, w.refused = info.resourceInfo, ""
	product, err := w.scope.WriteProduct(info.claimed)
	if err != nil {
		w.refused = outOfScope(info.claimed, err)
	}
	w.owner.product = product
	return true
}

// Scope implements otlpwire.Visitor.
func (w *wireMapper) Scope(raw []byte) bool {
	info := w.store.known.scopes.Get(raw, knownScopeOf)
	if info == nil {
		return false
	}
	w.stream, w.library = w.owner.stream, info.json
	if info.loki {
		w.stream = w.owner.allLabels
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
	attributes := w.attrs[:0]
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
			attributes = append(attributes, f.Bytes)
		case 8:
			r.flags = uint32(f.Int)
		case 9:
			if r.trace, ok = otlpwire.ID(&f, 16); !ok {
				return r, false
			}
		case 10:
			if r.span, ok = otlpwire.ID(&f, 8); !ok {
				return r, false
			}
		case 11:
			r.observed = f.Int
		case 12:
			r.event = f.Text()
		}
	}
	w.attrs = attributes
	return r, true
}

// Record implements otlpwire.Visitor.
func (w *wireMapper) Record(raw []byte) bool {
	rec, ok := w.read(raw)
	if !ok {
		return false
	}
	if w.refused != "" {
		w.res.Reject(store.RejectOutOfScope, 1, w.refused)
		return w.wellFormed(&rec)
	}
	row := row{ts: int64(rec.time), observed: int64(rec.observed), severity: int64(rec.severity), flags: int64(rec.flags),
		sevText: rec.sevText, event: rec.event, trace: rec.trace, span: rec.span}
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
	if !w.begin(&w.owner, w.stream, w.library, &row) {
		return w.wellFormed(&rec)
	}
	if !otlpwire.SetAttributes(w.b, w.attrs, &w.buf) {
		return false
	}
	w.end()
	return true
}

// wellFormed tells whether pdata accepts a record that is not stored.
func (w *wireMapper) wellFormed(rec *wireRecord) bool {
	if rec.body.Kind == otlpwire.Complex {
		if _, ok := decodeRecord(otlpwire.AppendBytes(nil, 5, rec.rawBody)); !ok {
			return false
		}
	}
	for _, a := range w.attrs {
		_, v, ok := otlpwire.KeyValue(a)
		if ok && v.Kind == otlpwire.Complex {
			_, ok = otlpwire.DecodeAttribute(a)
		}
		if !ok {
			return false
		}
	}
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
	res, ok := otlpwire.DecodeResource(raw)
	if !ok {
		return nil
	}
	info := &knownResource{resourceInfo: resourceColumns(res)}
	if v, ok := res.Get(model.ResourceProduct); ok {
		info.claimed = v.AsString()
	}
	return info
}

func knownScopeOf(raw []byte) *knownScope {
	scope, ok := otlpwire.DecodeScope(raw)
	if !ok {
		return nil
	}
	return &knownScope{json: scopeJSON(scope), loki: scope.Name() == LokiScope}
}
