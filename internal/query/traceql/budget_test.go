package traceql

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

func budgetEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	mem := storetest.New()
	if _, err := mem.AppendTraces(context.Background(), model.ScopeAll(), randomTraces(rand.New(rand.NewPCG(1, 1)), 60)); err != nil {
		t.Fatal(err)
	}
	o.Store = mem
	eng, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

func wholeRange(q string) MetricsRequest {
	return MetricsRequest{Query: q, Start: scriptZero, End: scriptZero.Add(10 * time.Minute), Step: time.Minute}
}

// TestMetricsSayThatTheyArePartial: a used-up budget is no error, and no answer
// that looks complete.
func TestMetricsSayThatTheyArePartial(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		o    Options
		q    string
		text string
	}{
		"rows of a scan":    {Options{Budget: store.Budget{Rows: 40}}, `{ } | rate()`, "budget was used up"},
		"rows of traces":    {Options{Budget: store.Budget{Rows: 40}}, `{ } >> { } | rate()`, "budget was used up"},
		"traces":            {Options{MaxInspected: 5}, `{ } >> { } | rate()`, "more than 5"},
		"spans of traces":   {Options{MaxSpans: 20}, `{ } >> { } | rate()`, "budget was used up"},
		"time":              {Options{Budget: store.Budget{Time: time.Nanosecond}}, `{ } >> { } | rate()`, "budget was used up"},
		"comparison":        {Options{Budget: store.Budget{Rows: 40}}, `{ } | compare({ status = error })`, "budget was used up"},
		"comparison traces": {Options{MaxInspected: 5}, `{ } >> { } | compare({ status = error })`, "more than 5"},
	} {
		res, err := budgetEngine(t, c.o).Metrics(ctx, model.ScopeAll(), wholeRange(c.q))
		if err != nil || !res.Partial || !strings.Contains(res.Message, c.text) {
			t.Errorf("%s: %v, partial %v, %q", name, err, res.Partial, res.Message)
		}
	}
	res, err := budgetEngine(t, Options{}).Metrics(ctx, model.ScopeAll(), MetricsRequest{
		Query: `{ } | rate() by (span:id, name)`, Start: scriptZero, End: scriptZero.Add(10 * time.Minute), Step: time.Minute, MaxSeries: 3,
	})
	if err != nil || !res.Partial || len(res.Series) != 3 || !strings.HasPrefix(res.Message, "Response exceeds maximum series limit of 3") {
		t.Error(err, res.Partial, len(res.Series), res.Message)
	}
}

// TestTooManyPoints: series times steps are bounded before memory is taken.
func TestTooManyPoints(t *testing.T) {
	r := wholeRange(`{ } | rate() by (span:id, trace:id)`)
	r.Step = 60 * time.Millisecond // 10,001 steps and one before: 999 series fit
	eng := budgetEngine(t, Options{})
	if _, err := eng.Metrics(context.Background(), model.ScopeAll(), r); err != nil {
		t.Fatal(err) // there are fewer
	}
	mem := storetest.New()
	if _, err := mem.AppendTraces(context.Background(), model.ScopeAll(), randomTraces(rand.New(rand.NewPCG(2, 2)), 250)); err != nil {
		t.Fatal(err)
	}
	eng, err := New(Options{Store: mem})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Metrics(context.Background(), model.ScopeAll(), r); !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "more than 999 series") {
		t.Error(err)
	}
	r.Query = `{ } | compare({ status = error })`
	if _, err := eng.Metrics(context.Background(), model.ScopeAll(), r); err != nil {
		t.Error(err)
	}
}

func TestMetricsEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, q := range []string{`{ } | rate()`, `{ } >> { } | rate()`, `{ } | compare({ status = error })`} {
		if _, err := budgetEngine(t, Options{}).Metrics(ctx, model.ScopeAll(), wholeRange(q)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// TestFoundEndsSearch: who no longer listens ends the search.
func TestFoundEndsSearch(t *testing.T) {
	gone := errors.New("gone")
	_, err := budgetEngine(t, Options{}).Search(context.Background(), model.ScopeAll(), Request{
		Query: `{ }`, Start: scriptZero, End: scriptZero.Add(time.Hour), Limit: 1000, Found: func(Result) error { return gone },
	})
	if !errors.Is(err, gone) {
		t.Error(err)
	}
}

// TestFoundGivesEachTraceOnce: the parts and the rest are the whole answer.
func TestFoundGivesEachTraceOnce(t *testing.T) {
	eng := budgetEngine(t, Options{})
	r := Request{Query: `{ status = error }`, Start: scriptZero, End: scriptZero.Add(time.Hour), Limit: 40}
	whole, err := eng.Search(context.Background(), model.ScopeAll(), r)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	r.Found = func(res Result) error {
		for _, f := range res.Traces {
			seen[f.TraceID]++
		}
		return nil
	}
	rest, err := eng.Search(context.Background(), model.ScopeAll(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rest.Traces {
		seen[f.TraceID]++
	}
	for _, f := range whole.Traces {
		if seen[f.TraceID] != 1 {
			t.Errorf("trace %s was given %d times", f.TraceID, seen[f.TraceID])
		}
	}
	if len(seen) != len(whole.Traces) || len(seen) < 20 {
		t.Errorf("%d traces in parts, %d whole", len(seen), len(whole.Traces))
	}
}

// TestLog2Quantile goes through the definition of the interpolation: want is the
// ceiling of the share, at least one; the end of a bucket that it fills exactly,
// else between the ends, along the exponent.
func TestLog2Quantile(t *testing.T) {
	for _, c := range []struct {
		q       float64
		buckets []bucketCount
		want    float64
	}{
		{0.5, nil, 0},
		{0, []bucketCount{{4, 1}}, 4},              // one of one
		{1, []bucketCount{{4, 1}, {8, 1}}, 8},      // all
		{0.5, []bucketCount{{4, 1}, {8, 1}}, 4},    // the first bucket exactly
		{0.5, []bucketCount{{8, 4}}, 5.656854},     // 2 of 4 in (4, 8]: 2^2.5
		{0.75, []bucketCount{{4, 2}, {16, 2}}, 8},  // 3 of 4: half of the way from 2^2 to 2^4
		{0.25, []bucketCount{{1024, 8}}, 608.8740}, // 2 of 8: a quarter from 2^9 to 2^10
		{0.9, []bucketCount{{2, 9}, {1024, 1}}, 2}, // 9 of 10
		{2, []bucketCount{{2, 9}}, 0},
	} {
		if got := log2Quantile(c.q, c.buckets); got < c.want-1e-3 || got > c.want+1e-3 {
			t.Errorf("%v of %v: %v, want %v", c.q, c.buckets, got, c.want)
		}
	}
	for v, want := range map[int64]float64{2: 2, 3: 4, 4: 4, 5: 8, 1 << 40: 1 << 40, 1<<40 + 1: 1 << 41} {
		if code, ok := intBucket(v); !ok || bucketEnd(int(code)) != want {
			t.Errorf("bucket of %d ends at %v, want %v", v, bucketEnd(int(code)), want)
		}
	}
	for v, want := range map[float64]float64{0.25: 0.25, 0.3: 0.5, 1: 1, 1.5: 2, 1e300: 0} {
		code, ok := floatBucket(v)
		if end := bucketEnd(int(code)); !ok || end < v || end/2 >= v || v < 2 && end != want {
			t.Errorf("bucket of %v ends at %v", v, end)
		}
	}
	for _, v := range []int64{1, 0, -5} {
		if _, ok := intBucket(v); ok {
			t.Errorf("%d has a bucket", v)
		}
	}
}
