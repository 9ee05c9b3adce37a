package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/tracestore"
)

// benchSpans is what the benchmarks search through.
const benchSpans = 200_000

// benchEngine has benchSpans spans of 20,000 traces in 20 minutes, on disk.
func benchEngine(b *testing.B) *Engine {
	b.Helper()
	eng, err := New(Options{Store: benchStore(b, func() time.Time { return scriptZero.Add(time.Hour) })})
	if err != nil {
		b.Fatal(err)
	}
	return eng
}

func benchStore(b *testing.B, now func() time.Time) *tracestore.Store {
	b.Helper()
	s, err := tracestore.Open(columnar.Options{FS: vfs.NewMem(), Dir: "traces", Now: now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	rnd := rand.New(rand.NewPCG(5, 6))
	const perTrace = 10
	for t := 0; t < benchSpans/perTrace; {
		td := ptrace.NewTraces()
		for range 500 {
			begin := scriptZero.Add(time.Duration(t) * 20 * time.Minute / (benchSpans / perTrace))
			for i := range perTrace {
				rs := td.ResourceSpans().AppendEmpty()
				rs.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", rnd.IntN(20)))
				sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
				sp.SetTraceID(pcommon.TraceID{0: byte(t * 37), 1: byte(t), 2: byte(t >> 8), 15: 1})
				sp.SetSpanID(pcommon.SpanID{0: byte(i + 1), 1: byte(t), 2: byte(t >> 8)})
				if i > 0 {
					sp.SetParentSpanID(pcommon.SpanID{0: byte(rnd.IntN(i) + 1), 1: byte(t), 2: byte(t >> 8)})
				}
				sp.SetName(fmt.Sprint("op-", rnd.IntN(50)))
				sp.SetKind(ptrace.SpanKind(1 + rnd.IntN(5)))
				if rnd.IntN(200) == 0 {
					sp.Status().SetCode(ptrace.StatusCodeError)
				}
				start := begin.Add(time.Duration(i) * time.Millisecond)
				sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
				sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(rnd.ExpFloat64() * float64(20*time.Millisecond)))))
				sp.Attributes().PutStr("user.id", fmt.Sprint("user-", rnd.IntN(50_000)))
				sp.Attributes().PutInt("http.status_code", int64(200+100*rnd.IntN(4)))
			}
			t++
		}
		if _, err := s.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkSearch(b *testing.B) {
	eng := benchEngine(b)
	for name, q := range map[string]string{
		"service+duration": `{ resource.service.name = "service-3" && duration > 50ms }`,
		"attribute":        `{ span.user.id = "user-777" }`,
		"errors":           `{ status = error }`,
		"service+name":     `{ resource.service.name = "service-3" && name = "op-7" }`,
		"structural":       `{ resource.service.name = "service-3" } >> { status = error }`,
		"nothing":          `{ span.user.id = "nobody" }`,
		"aggregate":        `{ resource.service.name = "service-3" } | count() > 5`,
	} {
		b.Run(name, func(b *testing.B) {
			search := func() {
				if _, err := eng.Search(context.Background(), model.ScopeAll(), Request{Query: q, Start: scriptZero, End: scriptZero.Add(time.Hour)}); err != nil {
					b.Fatal(err)
				}
			}
			// The store's page cache takes a page that was read twice.
			for range 3 {
				search()
			}
			b.ReportAllocs()
			for b.Loop() {
				search()
			}
		})
	}
}
