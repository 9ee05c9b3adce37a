package longterm

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"hinomi/internal/store/metricstore/downsample"
)

// The world of TestFifteenMonths: 1,000 series, sampled every half hour at
// first, every ten minutes in the last 90 days and every five in the last 15.
const (
	worldDays  = 456
	worldBlock = 28 * day
	worldEnd   = worldDays * day
)

func worldInterval(t int64) int64 {
	switch age := worldEnd - t; {
	case age <= 15*day:
		return 5 * minute
	case age <= 90*day:
		return 10 * minute
	default:
		return 30 * minute
	}
}

// noise is the same number in [0, 1) for the same arguments.
func noise(a, b int64) float64 {
	x := uint64(a)*0x9e3779b97f4a7c15 + uint64(b)*0xbf58476d1ce4e5b9
	x ^= x >> 31
	x *= 0x94d049bb133111eb
	x ^= x >> 29
	return float64(x>>11) / (1 << 53)
}

// worldSeries generates its samples as they are read.
type worldSeries struct {
	labels labels.Labels
	id     int64
	kind   string
	// The state goes from block to block.
	value     float64
	histogram *histogram.FloatHistogram
}

func world() []*worldSeries {
	var out []*worldSeries
	add := func(n int, kind, name string, more ...string) {
		for i := range n {
			kv := append([]string{labels.MetricName, name, "i", fmt.Sprint(i), "group", fmt.Sprint(i % 20)}, more...)
			out = append(out, &worldSeries{labels: labels.FromStrings(kv...), id: int64(len(out)), kind: kind})
		}
	}
	add(500, "counter", "requests_total")
	add(460, "gauge", "temperature")
	add(40, "histogram", "latency")
	return out
}

// block are the samples of [from, from+worldBlock).
func (w *worldSeries) block(from int64) (out []downsample.Sample) {
	offset := 1 + w.id*7%100*second // no two series are scraped at the same time
	for t := from; t < from+worldBlock && t < worldEnd; t += worldInterval(t) {
		at := begin + t + offset
		s := downsample.Sample{Time: at}
		load := float64(worldInterval(t)/minute) * (1 + 0.5*math.Sin(float64(t)/float64(day)*2*math.Pi)) * (0.8 + 0.4*noise(w.id, t))
		reset := noise(w.id+1_000_000, t) < 0.0007 // about once a month
		switch w.kind {
		case "gauge":
			s.Value = 20 + 10*noise(w.id, t)
		case "counter":
			if reset {
				w.value = 0
			}
			w.value += math.Round(100 * load)
			s.Value = w.value
		default:
			if reset || w.histogram == nil {
				w.histogram = &histogram.FloatHistogram{
					Schema: 1, ZeroThreshold: 0.001, PositiveSpans: []histogram.Span{{Offset: -3, Length: 8}}, PositiveBuckets: make([]float64, 8),
				}
			}
			h := w.histogram.Copy()
			for i := range h.PositiveBuckets {
				n := math.Round(load * 10 * noise(int64(i), w.id))
				h.PositiveBuckets[i] += n
				h.Count += n
				h.Sum += n * math.Pow(2, float64(i-3)/2)
			}
			w.histogram, s.Hist = h, h
		}
		out = append(out, s)
	}
	return out
}

func writeWorld(t testing.TB, dir string) {
	series := world()
	for from := int64(0); from < worldEnd; from += worldBlock {
		var part []storage.Series
		for _, w := range series {
			part = append(part, &storage.SeriesEntry{Lset: w.labels, SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator {
				return newListIterator(w.block(from), nil)
			}})
		}
		if _, err := tsdb.CreateBlock(part, dir, 4*worldBlock, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFifteenMonths writes 15 months of 1,000 series, downsamples them, drops
// what the default retentions drop, and asks raw samples and what is left the
// same questions.
func TestFifteenMonths(t *testing.T) {
	raw := newRaw(t, nil, 0, func(dir string) { writeWorld(t, dir) })
	now := begin + worldEnd
	raw.settled = now
	s := openLong(t, raw, now)
	step(t, s)
	raw.hidden = now - 15*day // the retention of raw samples
	step(t, s)                // that of 5 minutes is in force by now
	if got := []int{len(s.of(downsample.FiveMinutes)), len(s.of(downsample.OneHour))}; got[0] < 12 || got[0] > 30 || got[1] < 16 || got[1] > 46 {
		t.Errorf("%v blocks: they are not merged", got)
	}
	for _, r := range resolutions {
		oldest := s.of(r.millis)[0].meta().MinTime
		if keeps := (now - oldest) / day; keeps < s.o.retention(r.millis)/day-1 || keeps > s.o.retention(r.millis)/day+r.group {
			t.Errorf("%s reaches back %d days", r.name, keeps)
		}
	}

	e := newEngine(t)
	in := func(q, group string) string { return strings.ReplaceAll(q, "$", `{group="`+group+`"}`) }
	type span struct {
		name           string
		from, to, step int64
	}
	everything := span{"15 months by the day", begin + 2*day, now, day}
	spans := []span{
		everything,
		{"90 days by 6 hours", now - 90*day, now, 6 * hour},
		{"border of 1h and 5m", now - 95*day, now - 85*day, hour},
		{"border of 5m and raw", now - 18*day, now - 13*day, hour},
	}
	for _, sp := range spans {
		for q, bound := range map[string]float64{
			// These are exact: ranges begin and end with windows.
			"sum_over_time(temperature$[1d])": 1e-9, "min_over_time(temperature$[6h])": 0, "max_over_time(temperature$[1d])": 0,
			"sum(max_over_time(requests_total$[1d]))": 1e-9, "last_over_time(requests_total$[1d])": 0,
			// The true increase at the ends of a range is known to within one window
			// and one scrape interval, of 24 hours.
			"increase(requests_total$[1d])": 0.03, "sum(rate(requests_total$[1d]))": 0.02,
			"sum by (group) (increase(latency$[1d]))":                                           0.01,
			"histogram_quantile(0.9, sum(rate(latency$[1d])))":                                  0.01,
			"histogram_quantile(0.5, sum(rate(latency$[7d])))":                                  0.01,
			"sum_over_time(temperature$[1d] offset 1d)":                                         1e-9,
			"sum(increase(requests_total$[1d])) / sum(increase(requests_total$[1d] offset 1d))": 0.02,
		} {
			q := in(q, "7")
			want, _ := answers(t, e, raw.all(), q, sp.from, sp.to, sp.step)
			got, notes := answers(t, e, queryable(s), q, sp.from, sp.to, sp.step)
			worst := compare(t, sp.name+": "+q, got, want, bound)
			if exact := bound <= 1e-9; exact && len(notes) > 0 {
				t.Errorf("%s: %s is exact but has notes %q", sp.name, q, notes)
			}
			t.Logf("%s: %s: %d answers, off by at most %.2g", sp.name, q, len(want), worst)
		}
	}
	want, _ := answers(t, e, raw.all(), "sum(increase(requests_total[7d]))", everything.from, everything.to, 7*day)
	got, _ := answers(t, e, queryable(s), "sum(increase(requests_total[7d]))", everything.from, everything.to, 7*day)
	compare(t, "all series", got, want, 0.005)
}
