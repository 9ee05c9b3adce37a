package longterm

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"hinomi/internal/store/metricstore/downsample"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

func name(n string, kv ...string) labels.Labels {
	return labels.FromStrings(append([]string{labels.MetricName, n}, kv...)...)
}

// smallSet is three days of samples by the half minute, off the grid by 7 s.
func smallSet() []storage.Series {
	to := begin + 3*day
	var out []storage.Series
	for i := range int64(3) {
		id := fmt.Sprint(i)
		out = append(out,
			// Reset every 7 hours and 13 minutes, in the middle of a window.
			floats(name("requests_total", "i", id), begin+7*second, to, 30*second, func(t int64) float64 {
				return float64((t-begin)%(7*hour+13*minute)) / 1000 * float64(i+1)
			}),
			floats(name("temperature", "i", id), begin+7*second, to, 30*second, func(t int64) float64 {
				return 20 + 5*math.Sin(float64(t-begin)/float64(3*hour)) + float64(t%7)*float64(i)
			}),
			histograms(name("latency", "i", id), begin+7*second, to, 30*second, func(t int64) *histogram.FloatHistogram {
				return tsdbutil.GenerateTestFloatHistogram(((t - begin) % (5*hour + 3*minute)) / (30 * second) * (i + 1))
			}))
	}
	return out
}

// TestAnswersFromEachResolution hides raw samples, step by step, and asks the
// same questions of what is left.
func TestAnswersFromEachResolution(t *testing.T) {
	raw := newRaw(t, smallSet(), day)
	now := begin + 4*day
	s := openLong(t, raw, now)
	step(t, s)
	if s.DoneUntil() < begin+3*day {
		t.Fatalf("done until %d", s.DoneUntil())
	}
	e := newEngine(t)
	for _, tt := range []struct {
		what      string
		keep5m    time.Duration
		rawHidden int64
	}{
		{"raw, 5m", 90 * 24 * time.Hour, begin + day + 11*hour + 3*minute},
		{"5m", 90 * 24 * time.Hour, begin + 3*day},
		{"raw, 5m, 1h", 60 * time.Hour, begin + 2*day + 5*hour},
		{"raw, 1h", time.Hour, begin + day + 11*hour},
		{"1h", time.Hour, begin + 3*day},
	} {
		raw.hidden = tt.rawHidden
		s.o.Retention5m = tt.keep5m
		step(t, s)
		from, to := begin+12*hour, begin+2*day+20*hour
		exact := []string{
			"sum_over_time(temperature[2h])", "min_over_time(temperature[1h])", "max_over_time(temperature[3h])",
			`sum_over_time(temperature{__aggregate__="count"}[2h])`, "last_over_time(temperature[1h])", "max_over_time(requests_total[2h])", "min_over_time(requests_total[2h])",
			"sum(sum_over_time(temperature[2h] offset 1h))",
		}
		for _, q := range exact {
			want := q
			if strings.Contains(q, "__aggregate__") {
				want = "count_over_time(temperature[2h])"
			}
			w, _ := answers(t, e, raw.all(), want, from, to, hour)
			g, notes := answers(t, e, queryable(s), q, from, to, hour)
			compare(t, tt.what+": "+q, g, w, 1e-9)
			if len(notes) != 0 {
				t.Errorf("%s: %s is exact but has notes %q", tt.what, q, notes)
			}
		}
		// These grow evenly but for their resets, so that also what happens between
		// the samples of a window follows from its ends.
		for q, bound := range map[string]float64{
			"increase(requests_total[12h])": 0.0005, "rate(requests_total[6h])": 0.0005, "sum(rate(requests_total[6h]))": 0.0005,
			"increase(latency[12h])": 0.0005, "sum(histogram_quantile(0.9, rate(latency[6h])))": 0.0005,
		} {
			w, _ := answers(t, e, raw.all(), q, from, to, hour)
			g, _ := answers(t, e, queryable(s), q, from, to, hour)
			t.Logf("%s: %s differs by at most %.5f", tt.what, q, compare(t, tt.what+": "+q, g, w, bound))
		}
	}
}

// TestNothingIsDoubledAtTheBorder counts every sample at each place that the
// border between raw and downsampled samples can have.
func TestNothingIsDoubledAtTheBorder(t *testing.T) {
	raw := newRaw(t, []storage.Series{floats(name("m"), begin+minute, begin+2*day, minute, func(int64) float64 { return 1 })}, day)
	s := openLong(t, raw, begin+3*day)
	step(t, s)
	e := newEngine(t)
	for _, hidden := range []int64{0, minute, hour - minute, hour, hour + 1, 23 * hour, day - 1, day, day + 1, day + 30*minute, 2 * day} {
		raw.hidden = begin + hidden
		got, _ := answers(t, e, queryable(s), `sum_over_time(m{__aggregate__="count"}[1d])`, begin+day, begin+2*day, hour)
		for k, v := range got {
			if v != 24*60 {
				t.Fatalf("raw hidden up to %d: %s is %v, want 1440", hidden, k, v)
			}
		}
		if len(got) != 25 {
			t.Fatalf("%d answers", len(got))
		}
	}
}

func TestNotesSayWhatAnAnswerIsMadeOf(t *testing.T) {
	raw := newRaw(t, smallSet(), day)
	s := openLong(t, raw, begin+4*day)
	step(t, s)
	raw.hidden = begin + 3*day
	s.o.Retention5m = time.Hour
	step(t, s)
	e := newEngine(t)
	for q, want := range map[string]string{
		"quantile_over_time(0.9, temperature[6h])": "PromQL warning: before 2025-01-04 01:00 UTC there are only 1h aggregates, of which quantile_over_time() cannot be told",
		"changes(temperature[6h])":                 "of which changes() cannot be told",
		"rate(requests_total[5m])":                 "values over 5m0s are spread evenly",
		"sum_over_time(temperature[5m])":           "values over 5m0s are spread evenly",
		"temperature":                              "coarser than the step: gauges are averages",
		"sum(temperature)":                         "coarser than the step",
		"avg_over_time(temperature[6h])":           "name the metric in the selector",
		"sum_over_time(temperature[90m])":          "PromQL info: before 2025-01-04 01:00 UTC there are only 1h aggregates: a range begins and ends with a window",
	} {
		got, notes := answers(t, e, queryable(s), q, begin+day, begin+2*day, 10*minute)
		if len(notes) != 1 || !strings.Contains(notes[0], want) {
			t.Errorf("%s: notes %q, want %q", q, notes, want)
		}
		if len(got) < 3*100 && !strings.HasPrefix(q, "sum(") {
			t.Errorf("%s has only %d answers: a range shorter than a window has gaps", q, len(got))
		}
	}
}

// TestInstantSelection: a gauge is its window's average wherever it is asked, a
// counter its last value, and a series that ended stays away.
func TestInstantSelection(t *testing.T) {
	ended := floats(name("ended"), begin+minute, begin+10*hour+20*minute, minute, func(t int64) float64 {
		if t == begin+10*hour+20*minute {
			return math.Float64frombits(value.StaleNaN)
		}
		return 1
	})
	raw := newRaw(t, []storage.Series{
		ended,
		floats(name("gauge"), begin+minute, begin+day, minute, func(t int64) float64 { return float64((t - begin) / minute) }),
		floats(name("c_total"), begin+minute, begin+day, minute, func(t int64) float64 { return float64((t - begin) / minute) }),
	}, day)
	s := openLong(t, raw, begin+2*day)
	step(t, s)
	raw.hidden = begin + day
	s.o.Retention5m = time.Hour
	step(t, s)
	e := newEngine(t)
	for _, stepMillis := range []int64{minute, 10 * minute, 45 * minute, hour} {
		from, to := begin+2*hour, begin+20*hour
		g, _ := answers(t, e, queryable(s), "gauge", from, to, stepMillis)
		c, _ := answers(t, e, queryable(s), "c_total", from, to, stepMillis)
		n, _ := answers(t, e, queryable(s), "ended", from, to, stepMillis)
		points := 0
		for at := from; at <= to; at += stepMillis {
			points++
			end := (downsample.End(at, hour) - begin) / minute // minutes; the window holds end-59 … end
			if v := g[fmt.Sprintf(`{__name__="gauge"}@%d`, at)]; v != float64(end)-29.5 {
				t.Fatalf("step %d: gauge at minute %d is %v, want %v", stepMillis, (at-begin)/minute, v, float64(end)-29.5)
			}
			if v := c[fmt.Sprintf(`{__name__="c_total"}@%d`, at)]; v != float64(end) {
				t.Fatalf("step %d: counter at minute %d is %v, want %v", stepMillis, (at-begin)/minute, v, end)
			}
			_, there := n[fmt.Sprintf(`{__name__="ended"}@%d`, at)]
			if want := at < begin+10*hour+20*minute; there != want {
				t.Fatalf("step %d: the series that ended is there at minute %d: %t", stepMillis, (at-begin)/minute, there)
			}
		}
		if len(g) != points {
			t.Fatalf("%d points of %d", len(g), points)
		}
	}
}
