package spanmetrics

import (
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/model/otlpwire"
)

// span is what counting needs of a span. Its texts may be views.
type span struct {
	trace       pcommon.TraceID
	id, parent  pcommon.SpanID
	name, state string
	kind        ptrace.SpanKind
	status      ptrace.StatusCode
	start, end  uint64 // Unix ns
	// attribute returns an attribute as text, "" when there is none.
	attribute func(key string) string
}

func (s *span) seconds() float64 { return float64(max(0, int64(s.end)-int64(s.start))) / 1e9 }

func (s *span) finished() time.Time { return pcommon.Timestamp(s.end).AsTime() }

func decodedSpan(sp ptrace.Span) span {
	return span{
		trace: sp.TraceID(), id: sp.SpanID(), parent: sp.ParentSpanID(), name: sp.Name(), state: sp.TraceState().AsRaw(), kind: sp.Kind(),
		status: sp.Status().Code(), start: uint64(sp.StartTimestamp()), end: uint64(sp.EndTimestamp()),
		attribute: func(key string) string {
			if v, ok := sp.Attributes().Get(key); ok {
				return v.AsString()
			}
			return ""
		},
	}
}

// ObserveWire is Observe for an encoded request that was stored, and is
// therefore well-formed. It keeps nothing of body.
func (g *Generator) ObserveWire(scope model.Scope, body []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.opts.Now()
	eachField(body, func(f *otlpwire.Field) {
		if f.Num == 1 {
			g.wireResource(scope, f.Bytes, now)
		}
	})
}

// eachField calls fn for the fields of a well-formed message.
func eachField(b []byte, fn func(*otlpwire.Field)) {
	var f otlpwire.Field
	var ok bool
	for len(b) > 0 {
		if b, ok = otlpwire.Next(b, &f); !ok {
			return
		}
		fn(&f)
	}
}

func (g *Generator) wireResource(scope model.Scope, resourceSpans []byte, now time.Time) {
	svc := serviceKey{service: "unknown_service"}
	claimed := ""
	eachField(resourceSpans, func(f *otlpwire.Field) {
		if f.Num != 1 {
			return
		}
		claimed, svc.service = resourceOf(f.Bytes)
	})
	if svc.service == "" {
		svc.service = "unknown_service"
	}
	var err error
	if svc.product, err = scope.WriteProduct(claimed); err != nil {
		return // The store refused these spans.
	}
	var w wireSpan
	eachField(resourceSpans, func(f *otlpwire.Field) {
		if f.Num != 2 {
			return
		}
		eachField(f.Bytes, func(f *otlpwire.Field) {
			if f.Num == 2 {
				w.read(f.Bytes)
				g.span(svc, &w.span, now)
			}
		})
	})
}

func resourceOf(resource []byte) (product, service string) {
	attributes := make([][]byte, 0, 16)
	eachField(resource, func(f *otlpwire.Field) {
		if f.Num == 1 {
			attributes = append(attributes, f.Bytes)
		}
	})
	return attributeOf(attributes, model.ResourceProduct), attributeOf(attributes, "service.name")
}

// wireSpan reads spans one after the other.
type wireSpan struct {
	span
	attributes [][]byte
}

func (w *wireSpan) read(b []byte) {
	w.span = span{attribute: w.attribute}
	if w.span.attribute == nil {
		w.span.attribute = func(key string) string { return attributeOf(w.attributes, key) }
	}
	w.attributes = w.attributes[:0]
	eachField(b, func(f *otlpwire.Field) {
		switch f.Num {
		case 1:
			copy(w.trace[:], f.Bytes)
		case 2:
			copy(w.id[:], f.Bytes)
		case 3:
			w.state = f.Text()
		case 4:
			copy(w.parent[:], f.Bytes)
		case 5:
			w.name = f.Text()
		case 6:
			w.kind = ptrace.SpanKind(int32(f.Int))
		case 7:
			w.start = f.Int
		case 8:
			w.end = f.Int
		case 9:
			w.attributes = append(w.attributes, f.Bytes)
		case 15:
			eachField(f.Bytes, func(f *otlpwire.Field) {
				if f.Num == 3 {
					w.status = ptrace.StatusCode(int32(f.Int))
				}
			})
		}
	})
}

// attributeOf returns the first attribute of a name as text. Lists, maps and
// bytes name no peer.
func attributeOf(attributes [][]byte, name string) string {
	for _, a := range attributes {
		key, v, ok := otlpwire.KeyValue(a)
		if !ok || key != name {
			continue
		}
		switch v.Kind {
		case otlpwire.Text:
			return v.Text
		case otlpwire.Int:
			return strconv.FormatInt(v.Int, 10)
		case otlpwire.Bool:
			return strconv.FormatBool(v.Int != 0)
		case otlpwire.Double:
			return pcommon.NewValueDouble(v.Float).AsString()
		}
		return ""
	}
	return ""
}
