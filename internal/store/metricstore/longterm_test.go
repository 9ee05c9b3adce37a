package metricstore

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"hinomi/internal/model"
)

// fillDays appends samples of value 1 by the minute up to testNow.
func fillDays(t *testing.T, s *Store, days int, series ...labels.Labels) {
	t.Helper()
	start := testNow.Add(-time.Duration(days) * 24 * time.Hour).Truncate(24 * time.Hour)
	for at := start; at.Before(testNow); {
		app := s.Appender(context.Background(), model.ScopeAll())
		for range 240 {
			at = at.Add(time.Minute)
			if !at.Before(testNow) {
				break
			}
			for _, ls := range series {
				if _, err := app.Append(0, ls, at.UnixMilli(), 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := s.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// total is the sum over all samples by series, as sum_over_time over everything sees it.
func total(t *testing.T, s *Store, scope model.Scope) map[string]float64 {
	t.Helper()
	q, err := s.Queryable(scope).Querier(0, math.MaxInt64/2)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := map[string]float64{}
	set := q.Select(context.Background(), true, &storage.SelectHints{Start: 0, End: math.MaxInt64 / 2, Func: "sum_over_time", Range: (24 * time.Hour).Milliseconds()},
		labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".+"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			_, v := it.At()
			out[set.At().Labels().String()] += v
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return out
}

func TestRawSamplesStayUntilTheyAreDownsampled(t *testing.T) {
	dir := t.TempDir()
	now := testNow
	open := func() *Store {
		return openTest(t, dir, func(o *Options) {
			o.Retention, o.LongTerm, o.Now = 24*time.Hour, &LongTerm{CPUShare: 1}, func() time.Time { return now }
		})
	}
	s := open()
	a, b := labels.FromStrings(labels.MetricName, "m"), labels.FromStrings(labels.MetricName, "m", model.ProductLabel, "shop")
	fillDays(t, s, 4, a, b)
	before := total(t, s, model.ScopeAll())
	oldest, err := s.StartTime()
	if err != nil {
		t.Fatal(err)
	}
	if age := testNow.Sub(time.UnixMilli(oldest)); age < 4*24*time.Hour {
		t.Fatalf("raw samples reach back %s only: what is not downsampled was deleted", age)
	}
	if err := s.Downsample(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	if oldest, err = s.StartTime(); err != nil {
		t.Fatal(err)
	}
	if age := testNow.Sub(time.UnixMilli(oldest)); age > 2*24*time.Hour {
		t.Errorf("raw samples still reach back %s: the retention of one day does not work", age)
	}
	after := total(t, s, model.ScopeAll())
	if len(after) != 2 || after[a.String()] != before[a.String()] || after[b.String()] != before[b.String()] || before[a.String()] < 4*1440 {
		t.Errorf("%v before, %v after", before, after)
	}
	if shop := total(t, s, model.ScopeProducts(model.RoleViewer, "shop")); len(shop) != 1 || shop[b.String()] != before[b.String()] {
		t.Errorf("the scope of one product sees %v", shop)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := total(t, open(), model.ScopeAll()); again[a.String()] != before[a.String()] {
		t.Errorf("%v after a restart, want %v", again, before)
	}
}
