package jaeger

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The JSON of Jaeger's UI, and how OpenTelemetry's spans become it
// (https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/).

type trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []span             `json:"spans"`
	Processes map[string]process `json:"processes"`
	Warnings  []string           `json:"warnings"`
}

type span struct {
	TraceID       string      `json:"traceID"`
	SpanID        string      `json:"spanID"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     uint64      `json:"startTime"` // microseconds
	Duration      uint64      `json:"duration"`  // microseconds
	Tags          []keyValue  `json:"tags"`
	Logs          []logEntry  `json:"logs"`
	ProcessID     string      `json:"processID,omitempty"`
	Warnings      []string    `json:"warnings"`
}

type reference struct {
	RefType string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

type process struct {
	ServiceName string     `json:"serviceName"`
	Tags        []keyValue `json:"tags"`
}

type logEntry struct {
	Timestamp uint64     `json:"timestamp"` // microseconds
	Fields    []keyValue `json:"fields"`
}

type keyValue struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// noService is the name of a process whose resource has none.
const noService = "OTLPResourceNoServiceName"

// traceIDText leaves out the upper half when it is zero, as Jaeger does.
func traceIDText(id [16]byte) string {
	s := hex.EncodeToString(id[:])
	if strings.HasPrefix(s, "0000000000000000") {
		return s[16:]
	}
	return s
}

// convert turns a trace into the UI's JSON. Unless raw it is tidied up as Jaeger
// does: a span that was stored twice is shown once, attributes are sorted, and a span
// whose parent is missing says so.
func convert(td ptrace.Traces, raw bool) trace {
	out := trace{Spans: []span{}, Processes: map[string]process{}}
	ids := map[string]string{} // of processes by what they hold
	stored := map[string]bool{}
	seen := map[string]bool{}
	for _, rs := range td.ResourceSpans().All() {
		p := processOf(rs.Resource(), raw)
		key := fmt.Sprint(p)
		if _, ok := ids[key]; !ok {
			ids[key] = "p" + strconv.Itoa(len(ids)+1)
			out.Processes[ids[key]] = p
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				s := spanOf(sp, ss.Scope(), raw)
				s.ProcessID = ids[key]
				dup := fmt.Sprint(s.SpanID, s.OperationName, s.StartTime, sp.Kind())
				if !raw && seen[dup] {
					continue
				}
				seen[dup], stored[s.SpanID] = true, true
				out.Spans = append(out.Spans, s)
			}
		}
	}
	slices.SortStableFunc(out.Spans, func(a, b span) int { return cmp.Compare(a.StartTime, b.StartTime) })
	if len(out.Spans) > 0 {
		out.TraceID = out.Spans[0].TraceID
	}
	for i, s := range out.Spans {
		for _, ref := range s.References {
			if !raw && ref.RefType == "CHILD_OF" && ref.TraceID == s.TraceID && !stored[ref.SpanID] {
				out.Spans[i].Warnings = append(out.Spans[i].Warnings, fmt.Sprintf("parent span ID=%s is not in the trace; skipping clock skew adjustment", ref.SpanID))
			}
		}
	}
	return out
}

func processOf(res pcommon.Resource, raw bool) process {
	p := process{ServiceName: noService, Tags: []keyValue{}}
	if v, ok := res.Attributes().Get("service.name"); ok {
		p.ServiceName = v.AsString()
	}
	for _, t := range tags(res.Attributes(), raw) {
		if t.Key != "service.name" {
			p.Tags = append(p.Tags, t)
		}
	}
	return p
}

// tags are attributes by name; raw as they lie.
func tags(m pcommon.Map, raw bool) []keyValue {
	out := make([]keyValue, 0, m.Len())
	for k, v := range m.All() {
		out = append(out, tag(k, v))
	}
	if !raw {
		slices.SortStableFunc(out, func(a, b keyValue) int { return cmp.Compare(a.Key, b.Key) })
	}
	return out
}

func spanOf(sp ptrace.Span, scope pcommon.InstrumentationScope, raw bool) span {
	id := sp.SpanID()
	start, end := uint64(sp.StartTimestamp()), uint64(sp.EndTimestamp())
	return span{
		TraceID: traceIDText(sp.TraceID()), SpanID: hex.EncodeToString(id[:]), OperationName: sp.Name(),
		References: references(sp, raw), StartTime: start / 1000, Duration: (max(end, start) - start) / 1000,
		Tags: spanTags(sp, scope, raw), Logs: logs(sp, raw),
	}
}

// references are the parent, then the links. A link to the parent only says what
// kind of parent it is; one to nothing is left out.
func references(sp ptrace.Span, raw bool) []reference {
	out := []reference{}
	parent, trace := sp.ParentSpanID(), sp.TraceID()
	if !parent.IsEmpty() {
		out = append(out, reference{"CHILD_OF", traceIDText(trace), hex.EncodeToString(parent[:])})
	}
	for _, l := range sp.Links().All() {
		id, typ := l.SpanID(), "FOLLOWS_FROM"
		if v, ok := l.Attributes().Get("opentracing.ref_type"); ok && v.AsString() == "child_of" {
			typ = "CHILD_OF"
		}
		switch {
		case !raw && (l.TraceID().IsEmpty() || id.IsEmpty()):
		case !parent.IsEmpty() && l.TraceID() == trace && id == parent:
			out[0].RefType = typ
		default:
			out = append(out, reference{typ, traceIDText(l.TraceID()), hex.EncodeToString(id[:])})
		}
	}
	return out
}

// spanTags are the scope, the attributes and then what OpenTelemetry has as fields.
func spanTags(sp ptrace.Span, scope pcommon.InstrumentationScope, raw bool) []keyValue {
	out := []keyValue{}
	add := func(key, val string) {
		if val != "" {
			out = append(out, keyValue{key, "string", val})
		}
	}
	add("otel.scope.name", scope.Name())
	add("otel.scope.version", scope.Version())
	out = append(out, tags(sp.Attributes(), raw)...)
	add("span.kind", kindName(int64(sp.Kind())))
	switch sp.Status().Code() {
	case ptrace.StatusCodeOk:
		add("otel.status_code", "OK")
	case ptrace.StatusCodeError:
		add("otel.status_code", "ERROR")
		out = append(out, keyValue{"error", "bool", true})
	}
	add("otel.status_description", sp.Status().Message())
	add("w3c.tracestate", sp.TraceState().AsRaw())
	return out
}

// logs are the events; the name is the first field unless an attribute is called
// event.
func logs(sp ptrace.Span, raw bool) []logEntry {
	out := []logEntry{}
	for _, e := range sp.Events().All() {
		l := logEntry{Timestamp: uint64(e.Timestamp()) / 1000, Fields: []keyValue{}}
		if _, ok := e.Attributes().Get("event"); !ok && e.Name() != "" {
			l.Fields = append(l.Fields, keyValue{"event", "string", e.Name()})
		}
		l.Fields = append(l.Fields, tags(e.Attributes(), raw)...)
		out = append(out, l)
	}
	return out
}

// maxSafe is the largest integer that JavaScript keeps exactly.
const maxSafe = 1<<53 - 1

func tag(key string, v pcommon.Value) keyValue {
	switch v.Type() {
	case pcommon.ValueTypeBool:
		return keyValue{key, "bool", v.Bool()}
	case pcommon.ValueTypeInt:
		if n := v.Int(); n > maxSafe || n < -maxSafe {
			return keyValue{key, "int64", strconv.FormatInt(n, 10)}
		}
		return keyValue{key, "int64", v.Int()}
	case pcommon.ValueTypeDouble:
		if f := v.Double(); f-f != 0 {
			return keyValue{key, "string", strconv.FormatFloat(f, 'g', -1, 64)} // JSON has neither NaN nor infinity
		}
		return keyValue{key, "float64", v.Double()}
	case pcommon.ValueTypeBytes:
		return keyValue{key, "binary", v.Bytes().AsRaw()}
	}
	return keyValue{key, "string", v.AsString()}
}
