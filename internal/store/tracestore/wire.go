package tracestore

import (
	"context"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"hinomi/internal/model"
	"hinomi/internal/model/otlpwire"
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// AppendWire stores the spans of an encoded ExportTraceServiceRequest without
// decoding it into objects first. ok false means that the request is not of the
// plain kind (or not valid): nothing is stored, and AppendTraces has to have it.
// Otherwise it had n spans, and result and error are those of AppendTraces. body
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

// wireMapper puts the spans of an encoded request into a builder.
type wireMapper struct {
	mapper
	scope   model.Scope
	attrs   [][]byte // KeyValues of the span, reused
	lists   []byte   // events and links of the span as fields, reused
	owner   resourceInfo
	refused string // why the resource is out of scope, empty when it is not
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
	text := w.store.known.scopes.Get(raw, knownScopeOf)
	if text == nil {
		return false
	}
	w.owner.scope = *text
	return true
}

// spanTypes are the wire types of a Span's fields (trace.proto).
var spanTypes = [17]uint8{1: otlpwire.Bytes, 2: otlpwire.Bytes, 3: otlpwire.Bytes, 4: otlpwire.Bytes, 5: otlpwire.Bytes, 6: otlpwire.Varint,
	7: otlpwire.Fixed64, 8: otlpwire.Fixed64, 9: otlpwire.Bytes, 10: otlpwire.Varint, 11: otlpwire.Bytes, 12: otlpwire.Varint,
	13: otlpwire.Bytes, 14: otlpwire.Varint, 15: otlpwire.Bytes, 16: otlpwire.Fixed32}

func (w *wireMapper) read(b []byte) (x row, ok bool) {
	var f otlpwire.Field
	attributes := w.attrs[:0]
	w.lists = w.lists[:0]
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok {
			return x, false
		}
		if f.Num < uint32(len(spanTypes)) && f.Type != spanTypes[f.Num] {
			return x, false
		}
		ok = true
		switch f.Num {
		case 1:
			x.trace, ok = otlpwire.ID(&f, 16)
		case 2:
			x.span, ok = otlpwire.ID(&f, 8)
		case 3:
			x.state = f.Text()
		case 4:
			x.parent, ok = otlpwire.ID(&f, 8)
		case 5:
			x.name = f.Text()
		case 6:
			x.kind = int64(int32(f.Int))
		case 7:
			x.start = int64(f.Int)
		case 8:
			x.end = int64(f.Int)
		case 9:
			attributes = append(attributes, f.Bytes)
		case 10:
			x.dropped[0] = uint32(f.Int)
		case 11, 13:
			w.lists = otlpwire.AppendBytes(w.lists, f.Num, f.Bytes)
		case 12:
			x.dropped[1] = uint32(f.Int)
		case 14:
			x.dropped[2] = uint32(f.Int)
		case 15:
			ok = status(f.Bytes, &x)
		case 16:
			x.flags = int64(uint32(f.Int))
		}
		if !ok {
			return x, false
		}
	}
	w.attrs = attributes
	return x, true
}

func status(b []byte, x *row) (ok bool) {
	var f otlpwire.Field
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok {
			return false
		}
		switch f.Num {
		case 2:
			x.message = f.Text()
			ok = f.Type == otlpwire.Bytes
		case 3:
			x.status = int64(int32(f.Int))
			ok = f.Type == otlpwire.Varint
		}
		if !ok {
			return false
		}
	}
	return true
}

// Record implements otlpwire.Visitor.
func (w *wireMapper) Record(raw []byte) bool {
	x, ok := w.read(raw)
	if !ok {
		return false
	}
	if w.refused != "" {
		w.res.Reject(store.RejectOutOfScope, 1, w.refused)
		return wellFormed(raw)
	}
	if !w.begin(&w.owner, &x) {
		return wellFormed(raw)
	}
	if len(w.lists) > 0 {
		sp, ok := decodeSpan(w.lists)
		if !ok {
			return false
		}
		w.mapper.lists(sp)
	}
	if !otlpwire.SetAttributes(w.b, w.attrs, &w.buf) {
		return false
	}
	w.end()
	return true
}

// wellFormed tells whether pdata accepts a span that is not stored.
func wellFormed(raw []byte) bool {
	_, ok := decodeSpan(raw)
	return ok
}

// decodeSpan decodes fields of one span with pdata.
func decodeSpan(span []byte) (ptrace.Span, bool) {
	b := otlpwire.AppendBytes(nil, 2, otlpwire.AppendBytes(nil, 2, span))
	req := ptraceotlp.NewExportRequest()
	if req.UnmarshalProto(otlpwire.AppendBytes(nil, 1, b)) != nil {
		return ptrace.Span{}, false
	}
	return req.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0), true
}

// known remembers what encoded resources and scopes became.
type known struct {
	resources otlpwire.Memo[knownResource]
	scopes    otlpwire.Memo[string]
}

type knownResource struct {
	resourceInfo
	claimed string // product
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

func knownScopeOf(raw []byte) *string {
	scope, ok := otlpwire.DecodeScope(raw)
	if !ok {
		return nil
	}
	text := attrs.Scope(scope)
	return &text
}
