package downsample

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

func windows(t testing.TB, samples List, resolution int64) []Window {
	t.Helper()
	ws, err := FromSamples(nil, storage.NewListSeriesIteratorWithCopy(samples), resolution)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestWindows(t *testing.T) {
	const m = 60_000
	stale := math.Float64frombits(value.StaleNaN)
	got := windows(t, List{
		{Time: 5 * m, Value: 10},                           // the very end of the window (0, 5]
		{Time: 5*m + 1, Value: 4}, {Time: 6 * m, Value: 9}, // of (5, 10]: a reset, 2 after 9
		{Time: 7 * m, Value: 2}, {Time: 10 * m, Value: 5},
		{Time: 11 * m, Value: math.NaN()}, {Time: 12 * m, Value: 3}, {Time: 13 * m, Value: stale}, // of (10, 15]
		{Time: 21 * m, Value: stale}, // of (20, 25]
		{Time: 22 * m, Value: 7},
	}, FiveMinutes)
	want := []Window{
		{T: 5 * m, Count: 1, Sum: 10, Min: 10, Max: 10, First: 10, Last: 10},
		// 4 to 9 is 5, the reset to 2 is 2, 2 to 5 is 3.
		{T: 10 * m, Count: 4, Sum: 20, Min: 2, Max: 9, First: 4, Last: 5, Increase: 10},
		{T: 12 * m, Count: 2, Sum: math.NaN(), Min: 3, Max: 3, First: math.NaN(), Last: 3, Stale: 13 * m},
		{T: 22 * m, Count: 1, Sum: 7, Min: 7, Max: 7, First: 7, Last: 7},
	}
	if len(got) != len(want) {
		t.Fatalf("%d windows, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if !equal(got[i], want[i], 0) {
			t.Errorf("window %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestHistogramWindows(t *testing.T) {
	h := func(i int64) *histogram.FloatHistogram { return tsdbutil.GenerateTestFloatHistogram(i) }
	ws := windows(t, List{
		{Time: 1000, Hist: h(1)}, {Time: 2000, Hist: h(4)}, {Time: 3000, Hist: h(0)}, {Time: 4000, Hist: h(2)},
		{Time: 5000, Value: 1}, {Time: 6000, Hist: h(3)}, // the kind changes twice
	}, FiveMinutes)
	if len(ws) != 3 || ws[0].H == nil || ws[1].H != nil || ws[2].H == nil || ws[0].Count != 4 || ws[1].Sum != 1 || ws[2].T != 6000 {
		t.Fatalf("%+v", ws)
	}
	w := ws[0]
	// From 1 to 4, then a reset to 0, then to 2.
	wantCount := (h(4).Count - h(1).Count) + h(0).Count + (h(2).Count - h(0).Count)
	if w.H.Increase.Count != wantCount || w.H.Sum.Count != h(1).Count+h(4).Count+h(0).Count+h(2).Count {
		t.Errorf("increase %v, want a count of %v; sum %v", w.H.Increase, wantCount, w.H.Sum)
	}
	if !w.H.First.Equals(h(1)) || !w.H.Last.Equals(h(2)) {
		t.Errorf("first %v, last %v", w.H.First, w.H.Last)
	}
}

// equal compares floats within a relative bound, NaN with NaN.
func equal(a, b Window, bound float64) bool {
	near := func(x, y float64) bool {
		return x == y || math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= bound*max(math.Abs(x), math.Abs(y))
	}
	return a.T == b.T && a.Count == b.Count && a.Stale == b.Stale && (a.H == nil) == (b.H == nil) && near(a.Sum, b.Sum) &&
		near(a.Min, b.Min) && near(a.Max, b.Max) && near(a.First, b.First) && near(a.Last, b.Last) && near(a.Increase, b.Increase) &&
		(a.H == nil || near(a.H.Increase.Count, b.H.Increase.Count) && near(a.H.Sum.Count, b.H.Sum.Count) && a.H.First.Equals(b.H.First) && a.H.Last.Equals(b.H.Last))
}

// FuzzCombine: coarse windows made from fine ones are those of the samples.
func FuzzCombine(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var samples List
		at, v, hist := int64(0), 0.0, rnd.IntN(3) == 0
		for range 400 {
			at += 1 + rnd.Int64N(4*FiveMinutes/2)
			switch rnd.IntN(40) {
			case 0:
				v = 0
			case 1:
				if seed%2 == 0 {
					// Where the kind changes too, a marker between the two may be
					// kept by the coarse window of the first alone.
					continue
				}
				samples = append(samples, Sample{Time: at, Value: math.Float64frombits(value.StaleNaN)})
				continue
			case 2:
				hist = hist != (seed%2 == 0)
			}
			v += float64(rnd.IntN(10))
			if hist {
				samples = append(samples, Sample{Time: at, Hist: tsdbutil.GenerateTestFloatHistogram(int64(v))})
			} else {
				samples = append(samples, Sample{Time: at, Value: v})
			}
		}
		direct := windows(t, samples, OneHour)
		combined := Combine(nil, windows(t, samples, FiveMinutes), OneHour)
		if len(direct) != len(combined) {
			t.Fatalf("%d windows, directly %d", len(combined), len(direct))
		}
		for i := range direct {
			if !equal(direct[i], combined[i], 1e-9) {
				t.Fatalf("window %d is %+v, directly %+v", i, combined[i], direct[i])
			}
		}
	})
}
