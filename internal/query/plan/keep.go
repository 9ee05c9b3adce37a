package plan

import (
	"cmp"
	"math"
	"slices"
)

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

// increase is what a counter grew in the window: a fall is a restart from zero. The
// growth is not extrapolated to the window's ends, and one sample shows none.
func increase(w []sample) float64 {
	grown := 0.0
	for i := 1; i < len(w); i++ {
		if w[i].val < w[i-1].val {
			grown += w[i].val
		} else {
			grown += w[i].val - w[i-1].val
		}
	}
	return grown
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
