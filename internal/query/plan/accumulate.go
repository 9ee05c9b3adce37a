package plan

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

// ErrSampleLimit is when an operation that has to keep values keeps too many.
var ErrSampleLimit = errors.New("query keeps too many samples; narrow its selector or its time range")

// accumulator folds rows into per-group window state.
type accumulator interface {
	reserve(groups int)
	add(f *Frame, ids []uint32) error
	values(group int) []float64
}

func newAccumulator(a Aggregate) accumulator {
	switch a.Op {
	case Count, Bytes:
		return &counter{a: a, steps: a.Steps(), win: newWindower(a)}
	case Quantile, First, Last, Increase:
		return &keeper{a: a}
	}
	return &folder{a: a, steps: a.Steps(), win: newWindower(a)}
}

// counter counts rows or bytes. A row adds to the difference of the windows it
// enters and leaves, so its cost does not grow with Range/Step.
type counter struct {
	a     Aggregate
	steps int
	win   windower
	rows  [][]int64
	bytes [][]int64
}

func (c *counter) reserve(groups int) {
	for len(c.rows) < groups {
		c.rows = append(c.rows, make([]int64, c.steps+1))
		if c.a.Op == Bytes {
			c.bytes = append(c.bytes, make([]int64, c.steps+1))
		}
	}
}

func (c *counter) add(f *Frame, ids []uint32) error {
	ts, bytes := f.Cols[c.a.Time].Ints, c.a.Op == Bytes
	for i, id := range ids {
		r := f.Row(i)
		first, last := c.win.at(ts[r])
		if first > last {
			continue
		}
		rows := c.rows[id]
		rows[first]++
		rows[last+1]--
		if bytes {
			n := int64(len(f.Cols[c.a.Value].Str(r)))
			c.bytes[id][first] += n
			c.bytes[id][last+1] -= n
		}
	}
	return nil
}

func (c *counter) values(group int) []float64 {
	out := make([]float64, c.steps)
	var rows, bytes int64
	for k := range out {
		rows += c.rows[group][k]
		out[k] = float64(rows)
		if c.a.Op == Bytes {
			bytes += c.bytes[group][k]
			out[k] = float64(bytes)
		}
		if rows == 0 {
			out[k] = Absent()
		}
	}
	return out
}

// fold is the running state of one window.
type fold struct {
	n        float64
	sum      float64
	mean, m2 float64
	min, max float64
}

func (s *fold) add(v float64) {
	if s.n == 0 {
		s.min, s.max = v, v
	}
	s.n++
	s.sum += v
	d := v - s.mean
	s.mean += d / s.n
	s.m2 += d * (v - s.mean)
	if v < s.min || math.IsNaN(s.min) {
		s.min = v
	}
	if v > s.max || math.IsNaN(s.max) {
		s.max = v
	}
}

func (s *fold) value(op Op) float64 {
	if s.n == 0 {
		return Absent()
	}
	switch op {
	case Avg:
		return s.sum / s.n
	case Min:
		return s.min
	case Max:
		return s.max
	case Stdvar:
		return s.m2 / s.n
	case Stddev:
		return math.Sqrt(s.m2 / s.n)
	}
	return s.sum
}

// folder keeps one fold per group and window.
type folder struct {
	a     Aggregate
	steps int
	win   windower
	state [][]fold
}

func (c *folder) reserve(groups int) {
	for len(c.state) < groups {
		c.state = append(c.state, make([]fold, c.steps))
	}
}

func (c *folder) add(f *Frame, ids []uint32) error {
	ts, val := f.Cols[c.a.Time].Ints, &f.Cols[c.a.Value]
	for i, id := range ids {
		r := f.Row(i)
		if val.Null(r) {
			continue
		}
		first, last := c.win.at(ts[r])
		for k := first; k <= last; k++ {
			c.state[id][k].add(val.Floats[r])
		}
	}
	return nil
}

func (c *folder) values(group int) []float64 {
	out := make([]float64, c.steps)
	for k := range out {
		out[k] = c.state[group][k].value(c.a.Op)
	}
	return out
}

// keeper keeps every value, for operations that need them all or in order.
type keeper struct {
	a       Aggregate
	total   int
	samples [][]sample
}

type sample struct {
	ts  int64
	val float64
}

func (c *keeper) reserve(groups int) {
	for len(c.samples) < groups {
		c.samples = append(c.samples, nil)
	}
}

func (c *keeper) add(f *Frame, ids []uint32) error {
	ts, val := f.Cols[c.a.Time].Ints, &f.Cols[c.a.Value]
	for i, id := range ids {
		r := f.Row(i)
		if val.Null(r) {
			continue
		}
		c.samples[id] = append(c.samples[id], sample{ts[r], val.Floats[r]})
		c.total++
	}
	if c.a.SampleLimit > 0 && c.total > c.a.SampleLimit {
		return ErrSampleLimit
	}
	return nil
}

func (c *keeper) values(group int) []float64 {
	s := c.samples[group]
	slices.SortStableFunc(s, func(a, b sample) int { return cmp.Compare(a.ts, b.ts) })
	out := make([]float64, c.a.Steps())
	lo, hi := 0, 0
	var sorted []float64
	for k := range out {
		t := c.a.Start + int64(k)*c.a.Step
		for hi < len(s) && s[hi].ts <= t {
			hi++
		}
		for lo < hi && s[lo].ts <= t-c.a.Range {
			lo++
		}
		w := s[lo:hi]
		if len(w) == 0 {
			out[k] = Absent()
			continue
		}
		switch c.a.Op {
		case First:
			out[k] = w[0].val
		case Last:
			out[k] = w[len(w)-1].val
		case Increase:
			out[k] = increase(w)
		default:
			sorted = sorted[:0]
			for _, x := range w {
				sorted = append(sorted, x.val)
			}
			slices.Sort(sorted)
			out[k] = quantile(c.a.Param, sorted)
		}
	}
	return out
}

// increase sums the rises of a counter; a fall is a restart from zero.
func increase(w []sample) float64 {
	total := 0.0
	for i := 1; i < len(w); i++ {
		if w[i].val < w[i-1].val {
			total += w[i].val
		} else {
			total += w[i].val - w[i-1].val
		}
	}
	return total
}

// quantile interpolates linearly, as Prometheus does. vals are sorted.
func quantile(q float64, vals []float64) float64 {
	switch {
	case len(vals) == 0 || math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	rank := q * float64(len(vals)-1)
	lo := math.Floor(rank)
	hi := math.Min(float64(len(vals)-1), lo+1)
	w := rank - lo
	return vals[int(lo)]*(1-w) + vals[int(hi)]*w
}
