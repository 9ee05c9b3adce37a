package promql_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
	"hinomi/internal/query/promql"
	"hinomi/internal/store/metricstore"
)

// TestCountsAndAveragesOfDownsampledSamples asks for averages over windows with
// different numbers of samples, where an average of averages is wrong.
func TestCountsAndAveragesOfDownsampledSamples(t *testing.T) {
	end := time.Date(2026, 1, 6, 3, 0, 0, 0, time.UTC)
	s, err := metricstore.Open(metricstore.Options{
		Dir: t.TempDir(), Retention: 24 * time.Hour, MinFreeBytes: -1, LongTerm: &metricstore.LongTerm{CPUShare: 1}, Now: func() time.Time { return end },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	// Of each hour: in its first half a sample of 10 every minute, in the second
	// one of 40 every 10 minutes: 30 and 3 samples, the average is 420/33.
	ls := labels.FromStrings(labels.MetricName, "m", "i", "1")
	for at := end.Add(-99 * time.Hour); at.Before(end); at = at.Add(time.Hour) {
		app := s.Appender(context.Background(), model.ScopeAll())
		for m := 1; m <= 60; m++ {
			v := 10.0
			if m > 30 {
				if m%10 != 0 {
					continue
				}
				v = 40
			}
			if _, err := app.Append(0, ls, at.Add(time.Duration(m)*time.Minute).UnixMilli(), v); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		if at.Hour()%6 == 0 {
			if err := s.Compact(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	e, err := promql.New(promql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	ask := func(q storage.Queryable, query string) (values []float64, notes int) {
		t.Helper()
		rq, err := e.NewRangeQuery(context.Background(), q, nil, query, end.Add(-90*time.Hour), end, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		defer rq.Close()
		res := rq.Exec(context.Background())
		m, err := res.Matrix()
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for _, series := range m {
			for _, p := range series.Floats {
				values = append(values, p.F)
			}
		}
		return values, len(res.Warnings)
	}
	check := func(when string) {
		t.Helper()
		for query, want := range map[string]float64{
			"count_over_time(m[2h])": 66, "avg_over_time(m[3h])": 420.0 / 33, "sum(avg_over_time(m[1h])) * 2": 2 * 420.0 / 33,
			"max_over_time(avg_over_time(m[1h])[2h:1h])": 420.0 / 33, "-count_over_time(m[1h] offset 1h)": -33, "sum_over_time(m[1h])": 420,
		} {
			got, notes := ask(s.Queryable(model.ScopeAll()), query)
			if len(got) != 91 || notes != 0 {
				t.Fatalf("%s, %s: %d answers, %d notes", when, query, len(got), notes)
			}
			for _, v := range got {
				if math.Abs(v-want) > 1e-9 {
					t.Fatalf("%s, %s is %v, want %v", when, query, v, want)
				}
			}
		}
	}
	check("raw")
	if err := s.Downsample(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	if until := s.Queryable(model.ScopeAll()).DownsampledUntil(); until < end.Add(-48*time.Hour).UnixMilli() {
		t.Fatalf("raw samples are still there, downsampled until %s", time.UnixMilli(until))
	}
	check("downsampled")
	// Without a name, a division could pair series of different metrics, so that
	// the answer is an estimate and says so.
	if _, notes := ask(s.Queryable(model.ScopeAll()), `avg_over_time({i="1"}[3h])`); notes != 1 {
		t.Errorf("%d notes on an estimate", notes)
	}
}
