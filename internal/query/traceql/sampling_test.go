package traceql

import (
	"context"
	"encoding/binary"
	"math"
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

// TestMetricsAfterSampling asks before and after the traces of a store are sampled:
// what is kept in any case counts as before, of the others the difference is as
// large as chance makes it.
func TestMetricsAfterSampling(t *testing.T) {
	const share, traces, spans = 0.1, 4000, 3
	clock := scriptZero.Add(30 * time.Minute)
	s, err := tracestore.Open(columnar.Options{FS: vfs.NewMem(), Dir: "traces", Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	rnd := rand.New(rand.NewPCG(31, 32))
	td := ptrace.NewTraces()
	chosen := 0 // traces that may leave
	for range traces {
		var id pcommon.TraceID
		binary.BigEndian.PutUint64(id[:], rnd.Uint64())
		start := scriptZero.Add(time.Duration(rnd.Int64N(int64(20 * time.Minute))))
		failed := rnd.IntN(20) == 0
		if !failed {
			chosen++
		}
		for i := range spans {
			rs := td.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", []string{"web", "cart", "db"}[i])
			sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			sp.SetTraceID(id)
			sp.SetSpanID(pcommon.SpanID{0: byte(i + 1)})
			if i > 0 {
				sp.SetParentSpanID(pcommon.SpanID{0: byte(i)})
			}
			if failed {
				sp.Status().SetCode(ptrace.StatusCodeError)
			}
			sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
			sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(100 * time.Millisecond)))
		}
	}
	if _, err := s.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	eng, err := New(Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	// By how much a count of spans that lie so many in a trace may differ: 4 standard
	// deviations.
	chance := func(perTrace float64) float64 { return 4 * perTrace * math.Sqrt(float64(chosen)*(1-share)/share) }
	queries := map[string]float64{
		`{ } | count_over_time()`:                                             chance(spans),
		`{ } | count_over_time() by (resource.service.name)`:                  chance(1),
		`{ } | count_over_time() by (rootName)`:                               chance(spans),
		`{ } | histogram_over_time(duration)`:                                 chance(spans),
		`{ } | sum_over_time(duration)`:                                       chance(spans) * 0.1,
		`{ } >> { resource.service.name = "db" } | rate()`:                    chance(1) / (20 * 60),
		`{ } | avg_over_time(duration)`:                                       1e-9,
		`{ status = error } | count_over_time() by (name)`:                    1e-9,
		`{ status = error } | quantile_over_time(duration, .5)`:               1e-9,
		`{ } | count_over_time() by (status) | topk(1)`:                       chance(spans),
		`{ status != error } && { kind != server } | max_over_time(duration)`: 1e-9,
	}
	ask := func(q string) []Series {
		res, err := eng.Metrics(context.Background(), model.ScopeAll(), MetricsRequest{Query: q, Start: scriptZero.Add(-1), End: scriptZero.Add(20 * time.Minute), Instant: true})
		if err != nil || res.Partial || len(res.Series) == 0 {
			t.Fatal(q, err, res.Message)
		}
		return res.Series
	}
	before := map[string][]Series{}
	for q := range queries {
		before[q] = ask(q)
	}
	sampler, err := tracestore.NewSampler(tracestore.SamplingPolicy{Grace: time.Hour, Default: share, Errors: 1})
	if err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(4 * time.Hour)
	if err := s.SetPolicy(columnar.Policy{Sampler: sampler}); err != nil {
		t.Fatal(err)
	}
	if err := s.ApplyPolicy(); err != nil {
		t.Fatal(err)
	}
	if left := ask(`{ } | count_over_time() with (extrapolate=false)`)[0].Values[0]; left > traces*spans/4 {
		t.Fatalf("%v of %d spans are left: nothing was sampled", left, traces*spans)
	}
	for q, allowed := range queries {
		after := ask(q)
		if len(after) != len(before[q]) {
			t.Fatalf("%s: %d series, %d before", q, len(after), len(before[q]))
		}
		for i, s := range after {
			if was, is := before[q][i].Values[0], s.Values[0]; math.Abs(is-was) > allowed {
				t.Errorf("%s %v: %v, %v before", q, s.Labels, is, was)
			}
		}
	}
}
