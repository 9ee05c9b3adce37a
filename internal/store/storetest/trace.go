package storetest

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Trace implements store.TraceStore. It rebuilds spans from columns; links are
// left out because no test of the languages reads them.
func (m *Memory) Trace(_ context.Context, scope model.Scope, traceID [16]byte, from, to int64) (ptrace.Traces, store.ScanStats, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	td := ptrace.NewTraces()
	resources := map[string]ptrace.ScopeSpansSlice{}
	scopes := map[string]ptrace.SpanSlice{}
	for _, r := range m.rows {
		if r.text(store.ColTraceID) != string(traceID[:]) || !scope.Allows(r.product()) {
			continue
		}
		if (from != 0 || to != 0) && (r.time() < from || r.time() >= to) {
			continue
		}
		res, inf := r.text(store.ColResource), r.text(store.ColScopeInf)
		if _, ok := resources[res]; !ok {
			rs := td.ResourceSpans().AppendEmpty()
			r.fill(store.Resource, rs.Resource().Attributes())
			resources[res] = rs.ScopeSpans()
		}
		if _, ok := scopes[res+inf]; !ok {
			ss := resources[res].AppendEmpty()
			ss.Scope().SetName(r[store.ColumnRef{Scope: store.Instrumentation, Name: "name"}].Str)
			ss.Scope().SetVersion(r[store.ColumnRef{Scope: store.Instrumentation, Name: "version"}].Str)
			scopes[res+inf] = ss.Spans()
		}
		r.toSpan(scopes[res+inf].AppendEmpty())
	}
	if td.SpanCount() == 0 {
		return td, store.ScanStats{}, store.ErrNotFound
	}
	return td, store.ScanStats{RowsScanned: int64(len(m.rows)), RowsMatched: int64(td.SpanCount())}, nil
}

func (r Row) text(name string) string { return r[store.Col(name)].Str }
func (r Row) int(name string) int64   { return r[store.Col(name)].Int }

func (r Row) toSpan(sp ptrace.Span) {
	var tid pcommon.TraceID
	var sid, pid pcommon.SpanID
	copy(tid[:], r.text(store.ColTraceID))
	copy(sid[:], r.text(store.ColSpanID))
	copy(pid[:], r.text(store.ColParentID))
	sp.SetTraceID(tid)
	sp.SetSpanID(sid)
	sp.SetParentSpanID(pid)
	sp.SetName(r.text(store.ColName))
	sp.SetKind(ptrace.SpanKind(r.int(store.ColKind)))
	sp.Status().SetCode(ptrace.StatusCode(r.int(store.ColStatus)))
	sp.Status().SetMessage(r.text(store.ColStatusMsg))
	sp.TraceState().FromRaw(r.text(store.ColTraceState))
	sp.SetFlags(uint32(r.int(store.ColFlags)))
	sp.SetStartTimestamp(pcommon.Timestamp(r.time()))
	sp.SetEndTimestamp(pcommon.Timestamp(r.time() + r.int(store.ColDuration)))
	r.fill(store.Attr, sp.Attributes())
	var events []struct {
		Ts         int64
		Name       string
		Attributes map[string]any
	}
	if json.Unmarshal([]byte(r.text(store.ColEvents)), &events) != nil {
		return
	}
	for _, e := range events {
		ev := sp.Events().AppendEmpty()
		ev.SetTimestamp(pcommon.Timestamp(e.Ts))
		ev.SetName(e.Name)
		_ = ev.Attributes().FromRaw(e.Attributes)
	}
}

func (r Row) fill(scope store.ColumnScope, m pcommon.Map) {
	for c, v := range r {
		if c.Scope != scope {
			continue
		}
		switch v.Kind {
		case store.KindString:
			m.PutStr(c.Name, v.Str)
		case store.KindInt:
			m.PutInt(c.Name, v.Int)
		case store.KindFloat:
			m.PutDouble(c.Name, v.Flt)
		case store.KindBool:
			m.PutBool(c.Name, v.Int != 0)
		case store.KindBytes:
			m.PutEmptyBytes(c.Name).FromRaw([]byte(v.Str))
		}
	}
}
