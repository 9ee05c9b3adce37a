package tracestore

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// rebuildColumns are all columns, in the order rebuilder.add expects.
var rebuildColumns = []store.ColumnRef{
	colTime:       store.Col(store.ColTime),
	colDuration:   store.Col(store.ColDuration),
	colProduct:    store.Col(store.ColProduct),
	colService:    store.Col(store.ColService),
	colResource:   store.Col(store.ColResource),
	colScope:      store.Col(store.ColScopeInf),
	colTrace:      store.Col(store.ColTraceID),
	colSpan:       store.Col(store.ColSpanID),
	colParent:     store.Col(store.ColParentID),
	colName:       store.Col(store.ColName),
	colKind:       store.Col(store.ColKind),
	colStatus:     store.Col(store.ColStatus),
	colStatusMsg:  store.Col(store.ColStatusMsg),
	colTraceState: store.Col(store.ColTraceState),
	colFlags:      store.Col(store.ColFlags),
	colEvents:     store.Col(store.ColEvents),
	colLinks:      store.Col(store.ColLinks),
	colDropped:    store.Col(colDroppedCounts),
	colAttrs:      store.Col(store.ColAttrs),
}

const colAttrs = colDropped + 1

// rebuilder turns rows back into pdata, one ResourceSpans per resource and one
// ScopeSpans per scope.
type rebuilder struct {
	traces    ptrace.Traces
	resources map[string]ptrace.ResourceSpans
	scopes    map[[2]string]ptrace.ScopeSpans
	spans     int
}

func newRebuilder() *rebuilder {
	return &rebuilder{traces: ptrace.NewTraces(), resources: map[string]ptrace.ResourceSpans{}, scopes: map[[2]string]ptrace.ScopeSpans{}}
}

func (r *rebuilder) add(b *store.Batch) error {
	for i := range b.N {
		ss, err := r.scope(b.Cols[colResource].Str(i), b.Cols[colScope].Str(i))
		if err != nil {
			return err
		}
		if err := fillSpan(ss.Spans().AppendEmpty(), b, i); err != nil {
			return err
		}
		r.spans++
	}
	return nil
}

func (r *rebuilder) scope(resource, scope string) (ptrace.ScopeSpans, error) {
	if ss, ok := r.scopes[[2]string{resource, scope}]; ok {
		return ss, nil
	}
	// The keys outlive the batch, whose strings do not.
	resource, scope = string([]byte(resource)), string([]byte(scope))
	rs, ok := r.resources[resource]
	if !ok {
		rs = r.traces.ResourceSpans().AppendEmpty()
		if err := attrs.Fill(rs.Resource().Attributes(), resource); err != nil {
			return ptrace.ScopeSpans{}, err
		}
		r.resources[resource] = rs
	}
	ss := rs.ScopeSpans().AppendEmpty()
	r.scopes[[2]string{resource, scope}] = ss
	return ss, attrs.FillScope(ss.Scope(), scope)
}

func fillSpan(sp ptrace.Span, b *store.Batch, i int) error {
	str := func(col int) string { return string([]byte(b.Cols[col].Str(i))) }
	num := func(col int) int64 { return b.Cols[col].Ints[i] }
	sp.SetTraceID(traceID(b.Cols[colTrace].Str(i)))
	sp.SetSpanID(spanID(b.Cols[colSpan].Str(i)))
	sp.SetParentSpanID(spanID(b.Cols[colParent].Str(i)))
	sp.SetName(str(colName))
	sp.SetKind(ptrace.SpanKind(num(colKind)))
	sp.SetStartTimestamp(pcommon.Timestamp(num(colTime)))
	sp.SetEndTimestamp(pcommon.Timestamp(num(colTime) + num(colDuration)))
	sp.Status().SetCode(ptrace.StatusCode(num(colStatus)))
	sp.Status().SetMessage(str(colStatusMsg))
	sp.TraceState().FromRaw(str(colTraceState))
	sp.SetFlags(uint32(num(colFlags)))
	if text := b.Cols[colDropped].Str(i); text != "" {
		var a, e, l uint32
		if _, err := fmt.Sscanf(text, "%d,%d,%d", &a, &e, &l); err != nil {
			return fmt.Errorf("dropped counts %q: %w", text, err)
		}
		sp.SetDroppedAttributesCount(a)
		sp.SetDroppedEventsCount(e)
		sp.SetDroppedLinksCount(l)
	}
	if err := attrs.Fill(sp.Attributes(), str(colAttrs)); err != nil {
		return err
	}
	if err := fillEvents(sp.Events(), str(colEvents)); err != nil {
		return err
	}
	return fillLinks(sp.Links(), str(colLinks))
}
