package promql_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
	"hinomi/internal/query/promql"
	"hinomi/internal/store/metricstore"
)

// BenchmarkQueries asks 100 k series with a quarter of an hour of samples each.
func BenchmarkQueries(b *testing.B) {
	s, err := metricstore.Open(metricstore.Options{Dir: b.TempDir(), MinFreeBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	end := time.Now().Add(-time.Minute)
	refs := make([]storage.SeriesRef, 100_000)
	for round := range 60 {
		app := s.Appender(context.Background(), model.ScopeAll())
		for i := range refs {
			var ls labels.Labels
			if round == 0 {
				ls = labels.FromStrings("__name__", fmt.Sprintf("bench_metric_%d_total", i%20), "cluster", "tokyo-1", "env", "production", "instance", fmt.Sprintf("10.0.%d.%d:9090", i/20%50, i%7),
					"job", "bench", "route", fmt.Sprintf("/api/v1/things/%d", i%200), "le", fmt.Sprint(i/20%10), "series", fmt.Sprint(i))
			}
			if refs[i], err = app.Append(refs[i], ls, end.Add(time.Duration(round-59)*15*time.Second).UnixMilli(), float64(round*(i%50))); err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	e, err := promql.New(promql.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for _, q := range []string{
		`count({job="bench"})`, `sum by (instance) ({__name__="bench_metric_7_total"})`, `sum by (route) (rate({job="bench"}[5m]))`,
		`histogram_quantile(0.99, sum by (le) (rate({__name__=~"bench_metric_[0-9]_total"}[5m])))`, `topk(10, bench_metric_3_total)`,
	} {
		b.Run(q, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				rq, err := e.NewInstantQuery(context.Background(), s.Queryable(model.ScopeAll()), nil, q, end)
				if err != nil {
					b.Fatal(err)
				}
				if res := rq.Exec(context.Background()); res.Err != nil {
					b.Fatal(res.Err)
				}
				rq.Close()
			}
		})
	}
}
