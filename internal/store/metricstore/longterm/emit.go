package longterm

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"hinomi/internal/store/metricstore/downsample"
)

// emit turns windows into the samples that the plan wants.
func (p *plan) emit(ws []window, isCounter bool) []downsample.Sample {
	var out []downsample.Sample
	if p.kind == counter {
		c := &chain{}
		for i := range ws {
			out = c.window(out, &ws[i], p.rangeMillis)
		}
		return out
	}
	for i := range ws {
		w := &ws[i]
		if w.Count != 0 {
			out = p.spread(out, w, p.value(w, isCounter))
		}
		if w.Stale != 0 && p.kind == instant {
			out = append(out, downsample.Sample{Time: w.Stale, Value: math.Float64frombits(value.StaleNaN)})
		}
	}
	return out
}

// aggregateOf is the aggregate that a kind takes from a window as it is.
var aggregateOf = map[kind]string{
	count: downsample.Count, presence: downsample.Count, first: downsample.First, last: downsample.Last, sum: downsample.Sum,
	minimum: downsample.Min, maximum: downsample.Max,
}

// value is the sample of a window at its own time.
func (p *plan) value(w *window, isCounter bool) downsample.Sample {
	aggregate, asIs := aggregateOf[p.kind]
	if w.H != nil {
		switch {
		case p.kind == minimum || p.kind == maximum:
			aggregate = downsample.Last
		case p.kind == average, p.kind == instant && w.H.Last.CounterResetHint == histogram.GaugeType:
			return downsample.Sample{Time: w.T, Hist: w.H.Sum.Copy().Div(w.Count)}
		case !asIs:
			aggregate = downsample.Last
		}
		return w.Sample(aggregate)
	}
	switch {
	case asIs:
		return w.Sample(aggregate)
	case p.kind == instant && isCounter:
		return w.Sample(downsample.Last)
	}
	return downsample.Sample{Time: w.T, Value: w.Sum / w.Count}
}

// spread repeats a window's sample within the window where a single one could
// fall between two evaluations. Sums and counts are divided among the copies.
func (p *plan) spread(out []downsample.Sample, w *window, s downsample.Sample) []downsample.Sample {
	if p.kind == presence {
		return append(out, s)
	}
	if p.rangeMillis == 0 {
		return p.spreadInstant(out, w, s)
	}
	if p.rangeMillis >= w.resolution {
		return append(out, s)
	}
	n := (w.T - w.start() + p.rangeMillis - 1) / p.rangeMillis
	if p.kind == sum || p.kind == count {
		if s.Hist != nil {
			s.Hist = s.Hist.Copy().Div(float64(n))
		}
		s.Value /= float64(n)
	}
	for i := n - 1; i >= 0; i-- {
		s.Time = w.T - i*p.rangeMillis
		out = append(out, s)
	}
	return out
}

// spreadInstant makes the value visible at every evaluation inside the window.
// An evaluation takes a sample that is at most lookback old, so half of that
// apart is enough; with a longer step only times are needed at which a range
// query or a subquery evaluates.
func (p *plan) spreadInstant(out []downsample.Sample, w *window, s downsample.Sample) []downsample.Sample {
	const apart = lookback / 2
	start := w.start()
	if p.stepMillis < 2*apart {
		n := (w.T - start - 1) / apart
		if w.T-n*apart > start+1 {
			s.Time = start + 1
			out = append(out, s)
		}
		for i := n; i >= 0; i-- {
			s.Time = w.T - i*apart
			out = append(out, s)
		}
		return out
	}
	// Range queries evaluate at the end minus multiples of the step, subqueries
	// at multiples of it.
	a := w.T - modulo(w.T-p.end, p.stepMillis)
	b := w.T - modulo(w.T, p.stepMillis)
	var times []int64
	for a > start || b > start {
		t := max(a, b)
		if t != w.T && t > start {
			times = append(times, t)
		}
		if a == t {
			a -= p.stepMillis
		}
		if b == t {
			b -= p.stepMillis
		}
	}
	for i := len(times) - 1; i >= 0; i-- {
		s.Time = times[i]
		out = append(out, s)
	}
	s.Time = w.T
	return append(out, s)
}

func modulo(a, b int64) int64 { return ((a % b) + b) % b }

// chain makes a counter without resets out of windows and raw samples that
// follow each other.
type chain struct {
	started bool
	t       int64   // of the last sample
	last    float64 // as it was
	total   float64 // as it is passed on
	h       *chainHistogram
}

type chainHistogram struct{ last, total *histogram.FloatHistogram }

// window appends the counter at the window's time and at times on the way there.
func (c *chain) window(out []downsample.Sample, w *window, rangeMillis int64) []downsample.Sample {
	if w.Count == 0 {
		return out
	}
	if w.H != nil {
		return c.histograms(out, w, rangeMillis)
	}
	gain := w.Increase
	switch follows := c.started && c.h == nil; {
	case follows && w.T-c.t <= 2*w.resolution:
		gain += downsample.Delta(c.last, w.First)
		out = c.between(out, w, apart(rangeMillis, floatParts), func(fraction float64) downsample.Sample {
			return downsample.Sample{Value: c.total + gain*fraction}
		})
	case follows:
		c.total += downsample.Delta(c.last, w.First)
		out = begins(out, w, downsample.Sample{Value: c.total}, gain != 0)
	default:
		c.total = w.First
		out = begins(out, w, downsample.Sample{Value: c.total}, gain != 0)
	}
	c.started, c.h = true, nil
	c.t, c.last, c.total = w.T, w.Last, c.total+gain
	return append(out, downsample.Sample{Time: w.T, Value: c.total})
}

// between appends samples between the last one and w, when w is the window that
// follows. One is at the very beginning of w, where an aligned range begins, so
// that the range holds all of the window's increase and nothing is extrapolated;
// the others are a part of the range apart, so that a range that begins anywhere
// else lacks little, and one shorter than a window finds something in it.
func (c *chain) between(out []downsample.Sample, w *window, apart int64, at func(float64) downsample.Sample) []downsample.Sample {
	gap := w.T - c.t
	border := w.start() + 1
	add := func(t int64) {
		s := at(float64(t-c.t) / float64(gap))
		s.Time = t
		out = append(out, s)
	}
	t := c.t + apart
	if border > c.t {
		for ; t < border; t += apart {
			add(t)
		}
		if border < w.T {
			add(border)
		}
		if t == border {
			t += apart
		}
	}
	for ; t < w.T; t += apart {
		add(t)
	}
	return out
}

// begins appends the first value of a window that no other one comes before, at
// the window's beginning: when its first sample came is not known.
func begins(out []downsample.Sample, w *window, s downsample.Sample, grows bool) []downsample.Sample {
	if s.Time = w.start() + 1; !grows || s.Time >= w.T {
		return out
	}
	return append(out, s)
}

// apart is the distance of interpolated samples for ranges of this length.
func apart(rangeMillis, parts int64) int64 {
	const least = 100 * 1000
	return max(1, min(rangeMillis/3, max(rangeMillis/parts, least)))
}

// Interpolated samples in a range, at most. Histograms are dearer.
const (
	floatParts     = 30
	histogramParts = 12
)

func (c *chain) histograms(out []downsample.Sample, w *window, rangeMillis int64) []downsample.Sample {
	if c.started && c.h != nil && w.T-c.t <= 2*w.resolution {
		gain := plus(downsample.DeltaHistogram(c.h.last, w.H.First), w.H.Increase)
		out = c.between(out, w, apart(rangeMillis, histogramParts), func(fraction float64) downsample.Sample {
			return downsample.Sample{Hist: plus(c.h.total, gain.Copy().Mul(fraction))}
		})
		c.h = &chainHistogram{w.H.Last, plus(c.h.total, gain)}
	} else {
		total := w.H.First
		if c.started && c.h != nil {
			total = plus(c.h.total, downsample.DeltaHistogram(c.h.last, w.H.First))
		}
		out = begins(out, w, downsample.Sample{Hist: plus(total, w.H.Increase.Copy().Mul(0))}, w.H.Increase.Count != 0)
		c.h = &chainHistogram{w.H.Last, plus(total, w.H.Increase)}
	}
	c.started, c.t = true, w.T
	return append(out, downsample.Sample{Time: w.T, Hist: c.h.total})
}

// plus is a+b as a counter. What cannot be added starts the counter anew, which
// the engine sees as a reset.
func plus(a, b *histogram.FloatHistogram) *histogram.FloatHistogram {
	out := a.Copy()
	out.CounterResetHint = histogram.UnknownCounterReset
	b = b.Copy()
	b.CounterResetHint = histogram.UnknownCounterReset
	if sum, _, _, err := out.Add(b); err == nil {
		sum.CounterResetHint = histogram.UnknownCounterReset
		return sum
	}
	return b
}

// raw continues the counter with a raw sample.
func (c *chain) raw(it chunkenc.Iterator, vt chunkenc.ValueType) downsample.Sample {
	if vt == chunkenc.ValFloat {
		t, v := it.At()
		if value.IsStaleNaN(v) {
			return downsample.Sample{Time: t, Value: v}
		}
		if c.started && c.h == nil {
			c.total += downsample.Delta(c.last, v)
		} else {
			c.total = v
		}
		c.started, c.h, c.last = true, nil, v
		return downsample.Sample{Time: t, Value: c.total}
	}
	t, h := it.AtFloatHistogram(nil)
	if value.IsStaleNaN(h.Sum) {
		return downsample.Sample{Time: t, Hist: h}
	}
	if c.started && c.h != nil {
		c.h = &chainHistogram{h, plus(c.h.total, downsample.DeltaHistogram(c.h.last, h))}
	} else {
		c.h = &chainHistogram{h, h}
	}
	c.started = true
	return downsample.Sample{Time: t, Hist: c.h.total}
}
