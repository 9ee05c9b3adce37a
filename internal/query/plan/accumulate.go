package plan

import "errors"

// ErrSampleLimit is when an operation that has to keep values keeps too many.
var ErrSampleLimit = errors.New("query keeps too many samples; narrow its selector or its time range")

// accumulator folds rows into per-group window state.
type accumulator interface {
	reserve(groups int)
	add(f *Frame, ids []uint32) error
	// merge adds group from of another accumulator of the same aggregation.
	merge(group int, other accumulator, from int)
	values(group int) []float64
}

func newAccumulator(a Aggregate) accumulator {
	switch a.Op {
	case Count, Bytes:
		return &counter{a: a, steps: a.Steps(), win: newWindower(a), weights: a.weights()}
	case Quantile, First, Last, Increase:
		return newKeeper(a)
	}
	return newFolder(a)
}

// counter counts rows or bytes. A row adds to the difference of the windows it
// enters and leaves, so its cost does not grow with Range/Step.
type counter struct {
	a     Aggregate
	steps int
	win   windower
	rows  [][]int64
	bytes [][]int64
	// more is what rows count in addition to the one that each is, by window; nil
	// for groups of which every row stands for itself. So what is not weighted is
	// counted in integers.
	more    [][]float64
	weights Weights
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
	if byRow, all := c.weights.of(f); byRow != nil || all != 1 {
		c.weigh(f, ids, byRow, all)
	}
	if f.Counts != nil {
		for i, id := range ids {
			if first, last := c.win.at(ts[i]); first <= last {
				c.rows[id][first] += f.Counts[i]
				c.rows[id][last+1] -= f.Counts[i]
			}
		}
		return nil
	}
	if !bytes && f.Sel == nil {
		c.count(ts, ids)
		return nil
	}
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

// weigh adds to more what the rows of a frame stand for beside themselves.
func (c *counter) weigh(f *Frame, ids []uint32, byRow []float64, all float64) {
	ts := f.Cols[c.a.Time].Ints
	for len(c.more) < len(c.rows) {
		c.more = append(c.more, nil)
	}
	for i, id := range ids {
		r := f.Row(i)
		if byRow != nil {
			all = byRow[r]
		}
		if all == 1 {
			continue
		}
		more := c.more[id]
		if more == nil {
			more = make([]float64, c.steps)
			c.more[id] = more
		}
		beside := all - 1
		if f.Counts != nil {
			beside *= float64(f.Counts[r])
		}
		first, last := c.win.at(ts[r])
		for k := first; k <= last; k++ {
			more[k] += beside
		}
	}
}

// count counts all rows of a frame. Neighbours are mostly of one group and of
// the same windows.
func (c *counter) count(ts []int64, ids []uint32) {
	for i := 0; i < len(ids); {
		id := ids[i]
		first, last := c.win.at(ts[i])
		if first > last {
			i++ // Between windows, of which the bounds say nothing.
			continue
		}
		lo, hi := c.win.lo, c.win.hi
		j := i + 1
		for j < len(ids) && ids[j] == id && ts[j] >= lo && ts[j] <= hi {
			j++
		}
		rows := c.rows[id]
		rows[first] += int64(j - i)
		rows[last+1] -= int64(j - i)
		i = j
	}
}

func (c *counter) values(group int) []float64 {
	out := make([]float64, c.steps)
	var rows, bytes int64
	for k := range out {
		rows += c.rows[group][k]
		out[k] = float64(rows)
		if group < len(c.more) && c.more[group] != nil {
			out[k] += c.more[group][k]
		}
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
