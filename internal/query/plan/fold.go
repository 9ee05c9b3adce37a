package plan

import "math"

// fold is the running state of one window.
type fold struct {
	n        float64 // sum of the weights
	sum      float64
	mean, m2 float64
	min, max float64
}

func (s *fold) add(v, weight float64) {
	if s.n == 0 {
		s.min, s.max = v, v
	}
	s.n += weight
	s.sum += v * weight
	d := v - s.mean
	s.mean += d * weight / s.n
	s.m2 += d * weight * (v - s.mean)
	if v < s.min || math.IsNaN(s.min) {
		s.min = v
	}
	if v > s.max || math.IsNaN(s.max) {
		s.max = v
	}
}

// merge adds the values of another fold.
func (s *fold) merge(o fold) {
	if o.n == 0 {
		return
	}
	if s.n == 0 {
		*s = o
		return
	}
	n, d := s.n+o.n, o.mean-s.mean
	s.m2 += o.m2 + d*d*s.n*o.n/n
	s.mean += d * o.n / n
	s.n, s.sum = n, s.sum+o.sum
	if o.min < s.min || math.IsNaN(s.min) {
		s.min = o.min
	}
	if o.max > s.max || math.IsNaN(s.max) {
		s.max = o.max
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

// maxMerged bounds how many buckets a window is merged from: merging costs that
// much per window.
const maxMerged = 120

// bucketing divides time into what states are kept for. When the range is a
// multiple of the step a bucket is as long as the step and a window is merged from
// the buckets it covers, so that a row costs the same however long the range is;
// else a bucket is a window.
type bucketing struct {
	buckets int
	perWin  int // buckets of a window
	win     windower
}

func newBucketing(a Aggregate) bucketing {
	by := bucketing{perWin: 1}
	if a.Step > 0 && a.Steps() > 1 && a.Range > a.Step && a.Range%a.Step == 0 && a.Range/a.Step <= maxMerged {
		by.perWin = int(a.Range / a.Step)
		a.Start -= int64(by.perWin-1) * a.Step
		a.Range = a.Step
	}
	by.buckets, by.win = a.Steps(), newWindower(a)
	return by
}

// folder keeps one fold per group and bucket.
type folder struct {
	bucketing
	a       Aggregate
	state   [][]fold
	full    bool // the states would pass maxFolds
	weights Weights
}

func newFolder(a Aggregate) *folder {
	return &folder{bucketing: newBucketing(a), a: a, weights: a.weights()}
}

func (c *folder) reserve(groups int) {
	c.full = groups*c.buckets > maxFolds
	for len(c.state) < groups && !c.full {
		c.state = append(c.state, make([]fold, c.buckets))
	}
}

func (c *folder) add(f *Frame, ids []uint32) error {
	if c.full {
		return ErrSampleLimit
	}
	ts, val := f.Cols[c.a.Time].Ints, &f.Cols[c.a.Value]
	byRow, weight := c.weights.of(f)
	for i, id := range ids {
		r := f.Row(i)
		if val.Null(r) {
			continue
		}
		if byRow != nil {
			weight = byRow[r]
		}
		first, last := c.win.at(ts[r])
		for k := first; k <= last; k++ {
			c.state[id][k].add(val.Floats[r], weight)
		}
	}
	return nil
}

func (c *folder) values(group int) []float64 {
	out := make([]float64, c.a.Steps())
	for k := range out {
		var w fold
		for _, b := range c.state[group][k : k+c.perWin] {
			w.merge(b)
		}
		out[k] = w.value(c.a.Op)
	}
	return out
}
