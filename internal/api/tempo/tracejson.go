package tempo

import (
	"math"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The JSON below is protobuf's own mapping of OTLP, which Tempo uses: ids and
// bytes in base64 (OTLP's JSON has hex), enums by name, 64-bit integers as
// strings, zero values left out.

type object = map[string]any

// put sets a field unless it has its zero value.
func put[T comparable](o object, key string, v T) {
	var zero T
	if v != zero {
		o[key] = v
	}
}

func putList(o object, key string, list []object) {
	if len(list) > 0 {
		o[key] = list
	}
}

func nanos(t pcommon.Timestamp) string {
	if t == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(t), 10)
}

func resourceSpans(td ptrace.Traces) []object {
	out := []object{}
	for _, rs := range td.ResourceSpans().All() {
		res := object{}
		putList(res, "attributes", attributes(rs.Resource().Attributes()))
		put(res, "droppedAttributesCount", rs.Resource().DroppedAttributesCount())
		o := object{"resource": res}
		var scopes []object
		for _, ss := range rs.ScopeSpans().All() {
			scope := object{}
			put(scope, "name", ss.Scope().Name())
			put(scope, "version", ss.Scope().Version())
			putList(scope, "attributes", attributes(ss.Scope().Attributes()))
			s := object{"scope": scope}
			var spans []object
			for _, sp := range ss.Spans().All() {
				spans = append(spans, span(sp))
			}
			putList(s, "spans", spans)
			put(s, "schemaUrl", ss.SchemaUrl())
			scopes = append(scopes, s)
		}
		putList(o, "scopeSpans", scopes)
		put(o, "schemaUrl", rs.SchemaUrl())
		out = append(out, o)
	}
	return out
}

var kindNames = map[ptrace.SpanKind]string{
	ptrace.SpanKindInternal: "SPAN_KIND_INTERNAL", ptrace.SpanKindServer: "SPAN_KIND_SERVER", ptrace.SpanKindClient: "SPAN_KIND_CLIENT",
	ptrace.SpanKindProducer: "SPAN_KIND_PRODUCER", ptrace.SpanKindConsumer: "SPAN_KIND_CONSUMER",
}

var statusCodes = map[ptrace.StatusCode]string{ptrace.StatusCodeOk: "STATUS_CODE_OK", ptrace.StatusCodeError: "STATUS_CODE_ERROR"}

func span(sp ptrace.Span) object {
	o := object{}
	trace, id, parent := sp.TraceID(), sp.SpanID(), sp.ParentSpanID()
	o["traceId"] = trace[:] // encoding/json writes bytes as base64
	o["spanId"] = id[:]
	if !parent.IsEmpty() {
		o["parentSpanId"] = parent[:]
	}
	put(o, "traceState", sp.TraceState().AsRaw())
	put(o, "flags", sp.Flags())
	put(o, "name", sp.Name())
	put(o, "kind", kindNames[sp.Kind()])
	put(o, "startTimeUnixNano", nanos(sp.StartTimestamp()))
	put(o, "endTimeUnixNano", nanos(sp.EndTimestamp()))
	putList(o, "attributes", attributes(sp.Attributes()))
	put(o, "droppedAttributesCount", sp.DroppedAttributesCount())
	var events, links []object
	for _, e := range sp.Events().All() {
		x := object{}
		put(x, "timeUnixNano", nanos(e.Timestamp()))
		put(x, "name", e.Name())
		putList(x, "attributes", attributes(e.Attributes()))
		put(x, "droppedAttributesCount", e.DroppedAttributesCount())
		events = append(events, x)
	}
	putList(o, "events", events)
	put(o, "droppedEventsCount", sp.DroppedEventsCount())
	for _, l := range sp.Links().All() {
		trace, id := l.TraceID(), l.SpanID()
		x := object{"traceId": trace[:], "spanId": id[:]}
		put(x, "traceState", l.TraceState().AsRaw())
		putList(x, "attributes", attributes(l.Attributes()))
		put(x, "droppedAttributesCount", l.DroppedAttributesCount())
		put(x, "flags", l.Flags())
		links = append(links, x)
	}
	putList(o, "links", links)
	put(o, "droppedLinksCount", sp.DroppedLinksCount())
	status := object{}
	put(status, "message", sp.Status().Message())
	put(status, "code", statusCodes[sp.Status().Code()])
	o["status"] = status
	return o
}

func attributes(m pcommon.Map) []object {
	var out []object
	for k, v := range m.All() {
		out = append(out, object{"key": k, "value": anyValue(v)})
	}
	return out
}

func anyValue(v pcommon.Value) object {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return object{"stringValue": v.Str()}
	case pcommon.ValueTypeInt:
		return object{"intValue": strconv.FormatInt(v.Int(), 10)}
	case pcommon.ValueTypeDouble:
		return object{"doubleValue": jsonFloat(v.Double())}
	case pcommon.ValueTypeBool:
		return object{"boolValue": v.Bool()}
	case pcommon.ValueTypeBytes:
		return object{"bytesValue": v.Bytes().AsRaw()}
	case pcommon.ValueTypeSlice:
		vals := []object{}
		for _, x := range v.Slice().All() {
			vals = append(vals, anyValue(x))
		}
		return object{"arrayValue": object{"values": vals}}
	case pcommon.ValueTypeMap:
		vals := attributes(v.Map())
		if vals == nil {
			vals = []object{}
		}
		return object{"kvlistValue": object{"values": vals}}
	}
	return object{}
}

// jsonFloat keeps the floats that JSON lacks as protobuf's mapping does.
func jsonFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}
