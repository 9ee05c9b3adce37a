package traceql

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store/storetest"
)

// TestSpansAroundTheRange: a trace belongs to a range when one of its spans starts
// there; what else the query asks for may lie outside.
func TestSpansAroundTheRange(t *testing.T) {
	td := ptrace.NewTraces()
	add := func(trace, id, parent byte, name string, start time.Duration) {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", "web")
		sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		sp.SetTraceID(pcommon.TraceID{15: trace})
		sp.SetSpanID(pcommon.SpanID{7: id})
		if parent != 0 {
			sp.SetParentSpanID(pcommon.SpanID{7: parent})
		}
		sp.SetName(name)
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(scriptZero.Add(start)))
		sp.SetEndTimestamp(sp.StartTimestamp() + 1000)
	}
	add(1, 1, 0, "root", 0)
	add(1, 2, 1, "child", 5*time.Minute)
	add(1, 3, 2, "leaf", 9*time.Minute)
	add(2, 1, 0, "root", 0) // nothing of it is inside
	add(2, 2, 1, "child", time.Minute)
	mem := storetest.New()
	if _, err := mem.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
		t.Fatal(err)
	}
	eng, err := New(Options{Store: mem})
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string]int{
		`{ name = "child" }`:                          1,
		`{ rootName = "root" && name = "child" }`:     1,
		`{ rootServiceName = "web" }`:                 1,
		`{ name = "root" } > { name = "child" }`:      1,
		`{ name = "root" } && { name = "leaf" }`:      1,
		`{ name = "child" } > { name = "leaf" }`:      1,
		`{ parent.name = "root" && name = "child" }`:  1,
		`{ rootName = "other" && name = "child" }`:    0,
		`{ name = "root" } > { name = "leaf" }`:       0,
		`{ name = "child" } && { name = "nowhere" }`:  0,
		`{ name = "child" } !> { name = "child" }`:    1,
		`{ name = "root" } >> { name =~ "leaf|kid" }`: 1,
	} {
		res, err := eng.Search(context.Background(), model.ScopeAll(), Request{
			Query: q, Start: scriptZero.Add(4 * time.Minute), End: scriptZero.Add(6 * time.Minute),
		})
		if err != nil || len(res.Traces) != want {
			t.Errorf("%s: %d traces, %v, want %d", q, len(res.Traces), err, want)
		}
	}
}
