package metricstore

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"hinomi/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testNow is the clock of the tests, in the past so that nothing depends on today.
var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func openTest(t testing.TB, dir string, change ...func(*Options)) *Store {
	t.Helper()
	o := Options{Dir: dir, Now: func() time.Time { return testNow }, MinFreeBytes: -1}
	for _, c := range change {
		c(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// ms is testNow plus d in milliseconds.
func ms(d time.Duration) int64 { return testNow.Add(d).UnixMilli() }

func mustAppend(t testing.TB, s *Store, scope model.Scope, ls labels.Labels, ts int64, v float64) {
	t.Helper()
	app := s.Appender(context.Background(), scope)
	if _, err := app.Append(0, ls, ts, v); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

type point struct {
	t int64
	v float64
}

// read returns every sample that matches, by series.
func read(t testing.TB, s *Store, scope model.Scope, matchers ...*labels.Matcher) map[string][]point {
	t.Helper()
	q, err := s.Queryable(scope).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if len(matchers) == 0 {
		matchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".+")}
	}
	out := map[string][]point{}
	set := q.Select(context.Background(), true, nil, matchers...)
	for set.Next() {
		it := set.At().Iterator(nil)
		for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
			ts, v := it.At()
			out[set.At().Labels().String()] = append(out[set.At().Labels().String()], point{ts, v})
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
