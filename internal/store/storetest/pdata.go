package storetest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// streamAttributes are the resource attributes that become Loki stream labels
// for logs that did not come through Loki's push (Loki's own default list).
var streamAttributes = []string{
	"cloud.availability_zone", "cloud.region", "container.name", "deployment.environment",
	"deployment.environment.name", "k8s.cluster.name", "k8s.container.name", "k8s.cronjob.name",
	"k8s.daemonset.name", "k8s.deployment.name", "k8s.job.name", "k8s.namespace.name", "k8s.pod.name",
	"k8s.replicaset.name", "k8s.statefulset.name", "service.instance.id", "service.name", "service.namespace",
}

// AppendLogs implements store.LogStore.
func (m *Memory) AppendLogs(_ context.Context, scope model.Scope, ld plog.Logs) (store.WriteResult, error) {
	var res store.WriteResult
	for _, rl := range ld.ResourceLogs().All() {
		base, ok := resourceRow(scope, rl.Resource(), rl.ScopeLogs().Len(), &res)
		if !ok {
			continue
		}
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				r := base.clone()
				r.scope(sl.Scope())
				r.stream(rl.Resource().Attributes(), sl.Scope().Name() == "loki")
				r.attrs(lr.Attributes())
				r.set(store.ColTime, store.Int(int64(lr.Timestamp())))
				r.set(store.ColObserved, store.Int(int64(lr.ObservedTimestamp())))
				r.set(store.ColTraceID, store.Bytes(id(lr.TraceID())))
				r.set(store.ColSpanID, store.Bytes(id8(lr.SpanID())))
				r.set(store.ColFlags, store.Int(int64(lr.Flags())))
				r.set(store.ColSeverity, store.Int(int64(lr.SeverityNumber())))
				r.set(store.ColSevText, store.Str(lr.SeverityText()))
				r.set(store.ColLevel, store.Str(level(lr)))
				r.set(store.ColBody, store.Str(lr.Body().AsString()))
				r.set(store.ColEvent, store.Str(lr.EventName()))
				m.Add(r)
				res.Stored++
			}
		}
	}
	return res, nil
}

// AppendTraces implements store.TraceStore.
func (m *Memory) AppendTraces(_ context.Context, scope model.Scope, td ptrace.Traces) (store.WriteResult, error) {
	var res store.WriteResult
	for _, rs := range td.ResourceSpans().All() {
		base, ok := resourceRow(scope, rs.Resource(), rs.ScopeSpans().Len(), &res)
		if !ok {
			continue
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				r := base.clone()
				r.scope(ss.Scope())
				r.span(sp)
				m.Add(r)
				res.Stored++
			}
		}
	}
	return res, nil
}

func (r Row) span(sp ptrace.Span) {
	r.attrs(sp.Attributes())
	r.set(store.ColTime, store.Int(int64(sp.StartTimestamp())))
	r.set(store.ColDuration, store.Int(max(0, int64(sp.EndTimestamp())-int64(sp.StartTimestamp()))))
	r.set(store.ColTraceID, store.Bytes(id(sp.TraceID())))
	r.set(store.ColSpanID, store.Bytes(id8(sp.SpanID())))
	r.set(store.ColParentID, store.Bytes(id8(sp.ParentSpanID())))
	r.set(store.ColName, store.Str(sp.Name()))
	r.set(store.ColKind, store.Int(int64(sp.Kind())))
	r.set(store.ColStatus, store.Int(int64(sp.Status().Code())))
	r.set(store.ColStatusMsg, store.Str(sp.Status().Message()))
	r.set(store.ColTraceState, store.Str(sp.TraceState().AsRaw()))
	r.set(store.ColFlags, store.Int(int64(sp.Flags())))
	events := []any{}
	for _, e := range sp.Events().All() {
		events = append(events, map[string]any{"ts": int64(e.Timestamp()), "name": e.Name(), "attributes": e.Attributes().AsRaw()})
	}
	r.set(store.ColEvents, jsonList(events))
	links := []any{}
	for _, l := range sp.Links().All() {
		links = append(links, map[string]any{"trace_id": l.TraceID().String(), "span_id": l.SpanID().String(), "attributes": l.Attributes().AsRaw()})
	}
	r.set(store.ColLinks, jsonList(links))
}

func jsonList(l []any) store.Value {
	if len(l) == 0 {
		return store.Str("")
	}
	return store.Str(jsonText(l))
}

func resourceRow(scope model.Scope, res pcommon.Resource, n int, out *store.WriteResult) (Row, bool) {
	claimed := ""
	if v, ok := res.Attributes().Get(model.ResourceProduct); ok {
		claimed = v.AsString()
	}
	product, err := scope.WriteProduct(claimed)
	if err != nil {
		out.Reject(store.RejectOutOfScope, n, err.Error())
		return nil, false
	}
	r := Row{}
	r.set(store.ColProduct, store.Str(product))
	r.set(store.ColResource, store.Str(string(attrs.AppendMap(nil, res.Attributes()))))
	for k, v := range res.Attributes().All() {
		r[store.ColumnRef{Scope: store.Resource, Name: k}] = value(v)
		if k == "service.name" {
			r.set(store.ColService, store.Str(v.AsString()))
		}
	}
	return r, true
}

func (r Row) clone() Row {
	out := make(Row, len(r)+16)
	for k, v := range r {
		out[k] = v
	}
	return out
}

func (r Row) set(name string, v store.Value) { r[store.Col(name)] = v }

func (r Row) scope(s pcommon.InstrumentationScope) {
	r.set(store.ColScopeInf, store.Str(attrs.Scope(s)))
	for k, v := range s.Attributes().All() {
		r[store.ColumnRef{Scope: store.Instrumentation, Name: k}] = value(v)
	}
	if s.Name() != "" {
		r[store.ColumnRef{Scope: store.Instrumentation, Name: "name"}] = store.Str(s.Name())
	}
	if s.Version() != "" {
		r[store.ColumnRef{Scope: store.Instrumentation, Name: "version"}] = store.Str(s.Version())
	}
}

func (r Row) attrs(m pcommon.Map) {
	r.set(store.ColAttrs, store.Str(string(attrs.AppendMap(nil, m))))
	for k, v := range m.All() {
		r[store.ColumnRef{Scope: store.Attr, Name: k}] = value(v)
	}
}

func (r Row) stream(res pcommon.Map, all bool) {
	b := labels.NewBuilder(labels.EmptyLabels())
	for k, v := range res.All() {
		if all || slices.Contains(streamAttributes, k) {
			b.Set(strings.NewReplacer(".", "_", "-", "_", "/", "_").Replace(k), v.AsString())
		}
	}
	ls := b.Labels()
	r.set(store.ColStream, store.Str(ls.String()))
	ls.Range(func(l labels.Label) {
		r[store.ColumnRef{Scope: store.Stream, Name: l.Name}] = store.Str(l.Value)
	})
}

func level(lr plog.LogRecord) string {
	n := lr.SeverityNumber()
	switch {
	case n >= plog.SeverityNumberFatal:
		return "fatal"
	case n >= plog.SeverityNumberError:
		return "error"
	case n >= plog.SeverityNumberWarn:
		return "warn"
	case n >= plog.SeverityNumberInfo:
		return "info"
	case n >= plog.SeverityNumberDebug:
		return "debug"
	case n >= plog.SeverityNumberTrace:
		return "trace"
	}
	return "unknown"
}

func value(v pcommon.Value) store.Value {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return store.Int(v.Int())
	case pcommon.ValueTypeDouble:
		return store.Float(v.Double())
	case pcommon.ValueTypeBool:
		return store.Bool(v.Bool())
	case pcommon.ValueTypeBytes:
		return store.Bytes(v.Bytes().AsRaw())
	case pcommon.ValueTypeEmpty:
		return store.Value{}
	}
	return store.Str(v.AsString())
}

func id(t pcommon.TraceID) []byte {
	if t.IsEmpty() {
		return nil
	}
	return t[:]
}

func id8(t pcommon.SpanID) []byte {
	if t.IsEmpty() {
		return nil
	}
	return t[:]
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(b)
}
