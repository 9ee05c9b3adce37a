package tracestore

import (
	"context"
	"fmt"

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
	attrs  [][]byte // KeyValues of the span, reused
	lists  []byte   // events and links of the span as fields, reused
	groups [][]byte // ScopeSpans of the resource, reused
}

func (w *wireMapper) request(b []byte) (ok bool) {
	var f otlpwire.Field
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok {
			return false
		}
		if f.Num == 1 && (f.Type != otlpwire.Bytes || !w.resourceSpans(f.Bytes)) {
			return false
		}
	}
	return true
}

func (w *wireMapper) resourceSpans(b []byte) (ok bool) {
	var f otlpwire.Field
	var resource []byte
	seen := 0
	groups := w.groups[:0]
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok || f.Num <= 3 && f.Type != otlpwire.Bytes {
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
			k, ok := countSpans(g)
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
		if !w.scopeSpans(&r, g) {
			return false
		}
	}
	return true
}

// countSpans counts well-formed spans.
func countSpans(b []byte) (n int, ok bool) {
	var f otlpwire.Field
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok || f.Num <= 3 && f.Type != otlpwire.Bytes {
			return 0, false
		}
		if f.Num == 2 {
			n++
			w := new(wireMapper)
			if _, ok := w.read(f.Bytes); !ok || !w.wellFormed(f.Bytes) {
				return 0, false
			}
		}
	}
	return n, true
}

func (w *wireMapper) scopeSpans(r *resourceInfo, b []byte) (ok bool) {
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
	text := w.store.known.scopes.Get(scope, knownScopeOf)
	if text == nil {
		return false
	}
	r.scope = *text
	for len(b) > 0 {
		b, _ = otlpwire.Next(b, &f)
		if f.Num == 2 && !w.span(r, f.Bytes) {
			return false
		}
	}
	return true
}

// spanTypes are the wire types of a Span's fields (trace.proto).
var spanTypes = [17]uint8{1: otlpwire.Bytes, 2: otlpwire.Bytes, 3: otlpwire.Bytes, 4: otlpwire.Bytes, 5: otlpwire.Bytes, 6: otlpwire.Varint,
	7: otlpwire.Fixed64, 8: otlpwire.Fixed64, 9: otlpwire.Bytes, 10: otlpwire.Varint, 11: otlpwire.Bytes, 12: otlpwire.Varint,
	13: otlpwire.Bytes, 14: otlpwire.Varint, 15: otlpwire.Bytes, 16: otlpwire.Fixed32}

const (
	noTrace = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	noSpan  = "\x00\x00\x00\x00\x00\x00\x00\x00"
)

// id is false when b is no id of n bytes; an id of zeros is empty.
func id(b *otlpwire.Field, n int, none string, out *string) bool {
	if len(b.Bytes) != 0 && len(b.Bytes) != n {
		return false
	}
	if *out = b.Text(); *out == none {
		*out = ""
	}
	return true
}

func (w *wireMapper) read(b []byte) (x row, ok bool) {
	var f otlpwire.Field
	w.attrs, w.lists = w.attrs[:0], w.lists[:0]
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
			ok = id(&f, 16, noTrace, &x.trace)
		case 2:
			ok = id(&f, 8, noSpan, &x.span)
		case 3:
			x.state = f.Text()
		case 4:
			ok = id(&f, 8, noSpan, &x.parent)
		case 5:
			x.name = f.Text()
		case 6:
			x.kind = int64(int32(f.Int))
		case 7:
			x.start = int64(f.Int)
		case 8:
			x.end = int64(f.Int)
		case 9:
			w.attrs = append(w.attrs, f.Bytes)
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

func (w *wireMapper) span(r *resourceInfo, raw []byte) bool {
	x, ok := w.read(raw)
	if !ok {
		return false
	}
	if !w.begin(r, &x) {
		return w.wellFormed(raw)
	}
	if len(w.lists) > 0 {
		sp, ok := decodeSpan(w.lists)
		if !ok {
			return false
		}
		w.mapper.lists(sp)
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
			sp, ok := decodeSpan(otlpwire.AppendBytes(nil, 9, a))
			if !ok {
				return false
			}
			w.buf = w.b.AddAttributes(w.buf, sp.Attributes())
		}
	}
	w.end()
	return true
}

// wellFormed tells whether pdata accepts a span that is not stored.
func (w *wireMapper) wellFormed(raw []byte) bool {
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
	req := ptraceotlp.NewExportRequest()
	if req.UnmarshalProto(otlpwire.AppendBytes(nil, 1, otlpwire.AppendBytes(nil, 1, raw))) != nil {
		return nil
	}
	res := req.Traces().ResourceSpans().At(0).Resource().Attributes()
	info := &knownResource{resourceInfo: resourceColumns(res)}
	if v, ok := res.Get(model.ResourceProduct); ok {
		info.claimed = v.AsString()
	}
	return info
}

func knownScopeOf(raw []byte) *string {
	req := ptraceotlp.NewExportRequest()
	if req.UnmarshalProto(otlpwire.AppendBytes(nil, 1, otlpwire.AppendBytes(nil, 2, otlpwire.AppendBytes(nil, 1, raw)))) != nil {
		return nil
	}
	text := attrs.Scope(req.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Scope())
	return &text
}
