package plan

import (
	"errors"
	"math"
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

// maxFolds bounds the states of one aggregation; they take 48 bytes each.
const maxFolds = 2_000_000

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
	if len(c.state)*c.steps > maxFolds {
		return ErrSampleLimit
	}
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
