package downsample

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Resolutions of the windows.
const (
	FiveMinutes int64 = 5 * 60 * 1000
	OneHour     int64 = 60 * 60 * 1000
)

// Window is what is kept of the samples of one series in one window. A window
// with samples of both kinds makes two of them, in the order of their times.
type Window struct {
	// T is the time of the last sample. It lies in the window, so that the time
	// of an aggregate is a time at which the series had a value.
	T     int64
	Count float64
	// Of floats. Min and Max leave out NaN, unless all are.
	Sum, Min, Max, First, Last float64
	// Increase is the sum of the increases from each sample to the next inside
	// of the window; after a decrease, which is a counter's reset, it is the
	// sample itself. NaN samples are skipped.
	Increase float64
	// H is set for native histograms instead.
	H *Histograms
	// Stale is the time of a stale marker behind the last sample, 0 for none.
	// A window that holds nothing else has a Count of 0.
	Stale int64
}

// Histograms are the aggregates of native histograms. None of them is nil.
type Histograms struct{ Sum, First, Last, Increase *histogram.FloatHistogram }

// End is the end of the window that t is in.
func End(t, resolution int64) int64 {
	e := t - t%resolution
	if e < t {
		e += resolution
	}
	return e
}

// Delta is the increase of a counter from one sample to a later one.
func Delta(from, to float64) float64 {
	switch {
	case math.IsNaN(from) || math.IsNaN(to):
		return 0
	case to < from:
		return to
	default:
		return to - from
	}
}

// DeltaHistogram is Delta for native histograms, in memory of its own.
func DeltaHistogram(from, to *histogram.FloatHistogram) *histogram.FloatHistogram {
	out := to.Copy()
	if to.DetectReset(from) {
		return gauge(out)
	}
	if sub, _, _, err := out.Sub(from); err == nil {
		return gauge(sub)
	}
	// They have no common buckets, so the later one counts from its beginning.
	return gauge(to.Copy())
}

func gauge(h *histogram.FloatHistogram) *histogram.FloatHistogram {
	h.CounterResetHint = histogram.GaugeType
	return h
}

// plus adds b to a, which it may change. Histograms that cannot be added (an
// exponential one and one with custom buckets) leave a as it is.
func plus(a, b *histogram.FloatHistogram) *histogram.FloatHistogram {
	if sum, _, _, err := a.Copy().Add(b); err == nil {
		return gauge(sum)
	}
	return a
}

// FromSamples appends the windows of it to out.
func FromSamples(out []Window, it chunkenc.Iterator, resolution int64) ([]Window, error) {
	b := builder{out: out, resolution: resolution}
	for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
		switch vt {
		case chunkenc.ValFloat:
			t, v := it.At()
			if value.IsStaleNaN(v) {
				b.stale(t)
				continue
			}
			b.float(t, v)
		default:
			t, h := it.AtFloatHistogram(nil)
			if value.IsStaleNaN(h.Sum) {
				b.stale(t)
				continue
			}
			b.histogram(t, h)
		}
	}
	return b.out, it.Err()
}

type builder struct {
	out        []Window
	resolution int64
	end        int64 // of the open window
	open       bool
	previous   float64 // last sample of the open window that is a number
}

// window is the window that a sample at t goes to; fresh when it is its first.
func (b *builder) window(t int64, histograms bool) (w *Window, fresh bool) {
	end := End(t, b.resolution)
	if b.open && end == b.end {
		w = &b.out[len(b.out)-1]
		if w.Count == 0 || (w.H != nil) == histograms {
			fresh = w.Count == 0
			w.T, w.Stale = t, 0
			w.Count++
			return w, fresh
		}
	}
	b.open, b.end = true, end
	b.out = append(b.out, Window{T: t, Count: 1})
	return &b.out[len(b.out)-1], true
}

func (b *builder) stale(t int64) {
	end := End(t, b.resolution)
	if !b.open || end != b.end {
		b.open, b.end = true, end
		b.out = append(b.out, Window{T: t})
	}
	b.out[len(b.out)-1].Stale = t
}

func (b *builder) float(t int64, v float64) {
	w, fresh := b.window(t, false)
	if fresh {
		w.Sum, w.Min, w.Max, w.First, w.Last = v, v, v, v, v
		b.previous = v
		return
	}
	w.Sum += v
	w.Last = v
	w.Min, w.Max = least(w.Min, v), most(w.Max, v)
	if !math.IsNaN(v) {
		w.Increase += Delta(b.previous, v)
		b.previous = v
	}
}

func least(a, b float64) float64 {
	if b < a || math.IsNaN(a) {
		return b
	}
	return a
}

func most(a, b float64) float64 {
	if b > a || math.IsNaN(a) {
		return b
	}
	return a
}

func (b *builder) histogram(t int64, h *histogram.FloatHistogram) {
	w, fresh := b.window(t, true)
	if fresh {
		zero := gauge(h.Copy().Mul(0))
		w.H = &Histograms{Sum: gauge(h.Copy()), First: h.Copy(), Last: h.Copy(), Increase: zero}
		return
	}
	w.H.Sum = plus(w.H.Sum, h)
	w.H.Increase = plus(w.H.Increase, DeltaHistogram(w.H.Last, h))
	w.H.Last = h.Copy()
}

// Combine appends windows of a coarser resolution to out, made from finer
// ones in the order of their times. The coarser one is a multiple of the finer.
func Combine(out, finer []Window, resolution int64) []Window {
	end, open := int64(0), false
	for _, f := range finer {
		e := End(f.T, resolution)
		if open && e == end {
			if w := &out[len(out)-1]; f.Count == 0 {
				w.Stale = f.Stale
				continue
			} else if w.Count == 0 || (w.H == nil) == (f.H == nil) {
				w.add(f)
				continue
			}
		}
		if f.H != nil {
			own := *f.H // what is added to must not be the finer one's
			f.H = &own
		}
		open, end = true, e
		out = append(out, f)
	}
	return out
}

// add makes w cover f too, which follows it and has samples of the same kind.
func (w *Window) add(f Window) {
	if w.Count == 0 {
		if f.H != nil {
			own := *f.H
			f.H = &own
		}
		*w = f
		return
	}
	if w.H != nil {
		w.H.Sum = plus(w.H.Sum, f.H.Sum)
		w.H.Increase = plus(plus(w.H.Increase, DeltaHistogram(w.H.Last, f.H.First)), f.H.Increase)
		w.H.Last = f.H.Last
	} else {
		w.Sum += f.Sum
		w.Min, w.Max = least(w.Min, f.Min), most(w.Max, f.Max)
		w.Increase += Delta(w.Last, f.First) + f.Increase
		w.Last = f.Last
	}
	w.T, w.Stale = f.T, f.Stale
	w.Count += f.Count
}
