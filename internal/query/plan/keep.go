package plan

import (
	"cmp"
	"math"
	"slices"
)

// keeper keeps every value, for operations that need them all or in order. When
// these are too many for quantiles, it goes on with sketches.
type keeper struct {
	bucketing
	a       Aggregate
	total   int
	samples [][]sample
	sketch  [][]sketch // by group and bucket, nil while every value is kept
}

type sample struct {
	ts  int64
	val float64
}

func newKeeper(a Aggregate) *keeper { return &keeper{bucketing: newBucketing(a), a: a} }

func (c *keeper) reserve(groups int) {
	for len(c.samples) < groups {
		c.samples = append(c.samples, nil)
	}
	for c.sketch != nil && len(c.sketch) < groups {
		c.sketch = append(c.sketch, make([]sketch, c.buckets))
	}
}

func (c *keeper) add(f *Frame, ids []uint32) error {
	ts, val := f.Cols[c.a.Time].Ints, &f.Cols[c.a.Value]
	for i, id := range ids {
		r := f.Row(i)
		if val.Null(r) {
			continue
		}
		if c.sketch != nil {
			c.count(int(id), ts[r], val.Floats[r])
			continue
		}
		c.samples[id] = append(c.samples[id], sample{ts[r], val.Floats[r]})
		c.total++
	}
	return c.bound()
}

// bound keeps to the limit.
func (c *keeper) bound() error {
	if c.a.SampleLimit <= 0 || c.total <= c.a.SampleLimit {
		return nil
	}
	if c.a.Op != Quantile || c.sketch != nil || len(c.samples)*c.buckets > maxFolds {
		return ErrSampleLimit
	}
	c.toSketch()
	return c.bound()
}

// toSketch counts the values that were kept. From then on total is the buckets
// that have a count.
func (c *keeper) toSketch() {
	c.sketch, c.total = [][]sketch{}, 0
	c.reserve(len(c.samples))
	for id, list := range c.samples {
		for _, s := range list {
			c.count(id, s.ts, s.val)
		}
		c.samples[id] = nil
	}
}

func (c *keeper) count(id int, ts int64, v float64) {
	first, last := c.win.at(ts)
	for k := first; k <= last; k++ {
		if c.sketch[id][k] == nil {
			c.sketch[id][k] = sketch{}
		}
		before := len(c.sketch[id][k])
		c.sketch[id][k].add(v)
		c.total += len(c.sketch[id][k]) - before
	}
}

func (c *keeper) merge(group int, other accumulator, from int) {
	o := other.(*keeper)
	if c.sketch == nil && o.sketch != nil {
		c.toSketch()
	}
	if c.sketch == nil {
		c.samples[group] = append(c.samples[group], o.samples[from]...)
		c.total += len(o.samples[from])
		return
	}
	for _, s := range o.samples[from] {
		c.count(group, s.ts, s.val)
	}
	if o.sketch == nil {
		return
	}
	for k, s := range o.sketch[from] {
		if c.sketch[group][k] == nil {
			c.sketch[group][k] = sketch{}
		}
		before := len(c.sketch[group][k])
		c.sketch[group][k].merge(s)
		c.total += len(c.sketch[group][k]) - before
	}
}

func (c *keeper) approximate() bool { return c.sketch != nil }

// sketched is the quantiles of a group's windows.
func (c *keeper) sketched(group int) []float64 {
	out := make([]float64, c.a.Steps())
	for k := range out {
		all := sketch{}
		for _, s := range c.sketch[group][k : k+c.perWin] {
			all.merge(s)
		}
		if out[k] = Absent(); len(all) > 0 {
			out[k] = all.quantile(c.a.Param)
		}
	}
	return out
}

func (c *keeper) values(group int) []float64 {
	if c.sketch != nil {
		return c.sketched(group)
	}
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
