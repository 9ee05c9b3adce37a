package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"hinomi/internal/model"
)

// TestCompareBothWays compares what compare() counts inside of scans with what it
// counts over whole traces.
func TestCompareBothWays(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(41, 42))
			s := &weighted{open(t), map[string]float64{}}
			for n := range 3 {
				td := randomTraces(rnd, 25)
				headSampled(rnd, td)
				for i, rs := range td.ResourceSpans().All() {
					for _, ss := range rs.ScopeSpans().All() {
						if i%3 == 0 {
							ss.Scope().Attributes().PutInt("v", int64(i%2))
						}
						for j, sp := range ss.Spans().All() {
							// Several appends have the same ids, of which whole traces keep one.
							id := sp.TraceID()
							id[13] = byte(n + 1)
							sp.SetTraceID(id)
							if rnd.IntN(2) == 0 {
								s.set(id, sp.SpanID(), float64(1+i%5+j))
							}
						}
					}
				}
				if _, err := s.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
					t.Fatal(err)
				}
			}
			eng, err := New(Options{Store: s})
			if err != nil {
				t.Fatal(err)
			}
			lines := func(m *metrics, p *MetricsPipeline, expr FieldExpr, flat bool) []string {
				set, err := m.compare(p, expr, flat)
				if err != nil {
					t.Fatal(p, err)
				}
				var out []string
				for _, s := range set {
					out = append(out, fmt.Sprint(s.Labels, s.Values))
				}
				slices.Sort(out)
				return out
			}
			compared := 0
			for range 60 {
				q := "{ " + randomCondition(rnd, 1, false) + " } | compare({ " + randomCondition(rnd, 1, false) + " }, 1000)"
				parsed, err := ParseQuery(q)
				if err != nil {
					continue
				}
				p := parsed.Metrics.(*MetricsPipeline)
				w, err := MetricsRequest{Start: scriptZero.Add(-time.Hour), End: scriptZero.Add(time.Hour), Step: 45 * time.Minute}.window()
				if err != nil {
					t.Fatal(err)
				}
				push, err := eng.pusher(context.Background(), model.ScopeAll(), w.start, w.end, parsed)
				if err != nil {
					t.Fatal(err)
				}
				m := &metrics{e: eng, ctx: context.Background(), scope: model.ScopeAll(), w: w, push: push}
				expr, flat := flatten(p.Pipe)
				if !flat {
					continue
				}
				got, want := lines(m, p, expr, true), lines(m, p, expr, false)
				if !slices.Equal(got, want) || m.res.Partial {
					t.Fatalf("%s\nin scans\n  %s\nover traces\n  %s", q, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
				}
				compared += len(got)
			}
			if compared < 1000 {
				t.Errorf("only %d series were compared", compared)
			}
		})
	}
}
