package plan

import "math"

// windower finds the windows that contain a time. Rows come roughly in order of
// time, so it remembers between which times the answer stays the same and
// divides only when a row leaves them.
type windower struct {
	start, step, rng int64
	steps            int
	lo, hi           int64 // first and last are right for lo <= ts <= hi
	first, last      int
}

// alike is the interval around a time whose times are in the same windows.
func (a Aggregate) alike(ts int64) (lo, hi int64) {
	w := newWindower(a)
	if first, last := w.find(ts); first > last {
		return w.between(ts)
	}
	return w.lo, w.hi
}

// between is the interval around a time that no window has.
func (w *windower) between(ts int64) (lo, hi int64) {
	end := w.start + int64(w.steps-1)*w.step
	switch {
	case ts <= w.start-w.rng:
		return math.MinInt64, w.start - w.rng
	case ts > end:
		return end + 1, math.MaxInt64
	}
	// Behind the window that ends last before ts, and up to where the next begins.
	k := (ts - w.start - 1) / w.step
	return w.start + k*w.step + 1, w.start + (k+1)*w.step - w.rng
}

func newWindower(a Aggregate) windower {
	w := windower{start: a.Start, step: a.Step, rng: a.Range, steps: a.Steps(), lo: 1, hi: 0}
	if w.steps == 1 {
		w.step = 0
	}
	return w
}

// at returns the first and last window that contain time ts; first > last when
// none does.
func (w *windower) at(ts int64) (first, last int) {
	if ts >= w.lo && ts <= w.hi {
		return w.first, w.last
	}
	return w.find(ts)
}

func (w *windower) find(ts int64) (first, last int) {
	end := w.start + int64(w.steps-1)*w.step
	if ts <= w.start-w.rng || ts > end {
		return 1, 0
	}
	w.first, w.last = 0, 0
	w.lo, w.hi = w.start-w.rng+1, w.start
	if w.step == 0 {
		return 0, 0
	}
	// The first window is the one that ends at ts or next after it.
	if d := ts - w.start; d > 0 {
		w.first = int((d + w.step - 1) / w.step)
		w.hi = w.start + int64(w.first)*w.step
		w.lo = w.hi - w.step + 1
	}
	// The last window is the one that begins last before ts.
	w.last = min(int((ts-w.start+w.rng-1)/w.step), w.steps-1)
	w.lo = max(w.lo, w.start-w.rng+1+int64(w.last)*w.step)
	until := int64(math.MaxInt64)
	if w.last < w.steps-1 {
		until = w.start - w.rng + int64(w.last+1)*w.step
	}
	w.hi = min(w.hi, until)
	if w.first > w.last { // the range is shorter than the step and ts lies between windows
		w.lo, w.hi = 1, 0
		return 1, 0
	}
	return w.first, w.last
}
