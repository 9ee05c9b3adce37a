package columnar

import (
	"slices"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// minRun is how many rows a run must have on average: reading row by row is as
// fast below that.
const minRun = 8

// runs are the values of a column, neighbours that are equal told once. Run i
// ends before row ends[i] and starts where the one before ends.
type runs struct {
	ends []uint32
	vec  *store.Vec // a value for each run
}

// at gives a value for each run of a finer division.
func (r runs) at(ends []uint32) *store.Vec {
	if len(ends) == len(r.ends) {
		return r.vec
	}
	rows := make([]uint32, len(ends))
	k := uint32(0)
	for i, end := range ends {
		for r.ends[k] < end {
			k++
		}
		rows[i] = k
	}
	v := gather(r.vec, rows)
	return &v
}

// window is the rows [lo, hi).
func (r runs) window(lo, hi uint32) runs {
	if lo == 0 && r.ends[len(r.ends)-1] == hi {
		return r
	}
	from, _ := slices.BinarySearch(r.ends, lo+1)
	to, _ := slices.BinarySearch(r.ends, hi)
	out := runs{slices.Clone(r.ends[from : to+1]), window(r.vec, from, to+1)}
	for i, end := range out.ends {
		out.ends[i] = min(end, hi) - lo
	}
	return out
}

// joinEnds merges two ascending lists without duplicates.
func joinEnds(a, b []uint32) []uint32 {
	if len(a) == 0 || slices.Equal(a, b) {
		return b
	}
	out := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// runs reads a column of the row group as runs of the rows [lo, hi), through the
// cache; without ends when they would be too short.
func (s *segment) runs(group int, name string, lo, hi int, how *reading) (runs, error) {
	col := s.file.Column(name)
	c := &s.file.Groups[group].Chunks[col]
	n := hi - lo
	var all runs
	var err error
	if v := s.same(group, col, 1); v != nil {
		return runs{[]uint32{uint32(n)}, v}, nil
	}
	kind := s.file.Columns[col].Kind
	switch {
	case c.Nulls == int64(s.groups[group].rows):
		null := colBuilder{kind: kind, optional: true}
		return runs{[]uint32{uint32(n)}, null.finish(1)}, nil
	case kind == store.KindInt && c.Dict == nil && c.Bounded && c.Nulls == 0 && c.MinInt == c.MaxInt:
		return runs{[]uint32{uint32(n)}, &store.Vec{Kind: kind, Ints: []int64{c.MinInt}}}, nil
	}
	info := &s.groups[group]
	bit := uint64(1) << col // 0 beyond the first 64
	if info.mixed.Load()&bit != 0 {
		return runs{}, nil
	}
	key := cacheKey{s.ID, int32(group), int32(col), runsPage}
	if all = s.cache.runs(key); all.ends == nil {
		if all, err = s.readRuns(group, name, how); err != nil {
			return runs{}, err
		}
		if all.ends == nil {
			info.mixed.Or(bit)
			return runs{}, nil
		}
		s.cache.putRuns(key, all)
	}
	if c.Dict != nil {
		v := *all.vec
		if v.Dict, err = s.dictionary(group, col, nil); err != nil {
			return runs{}, err
		}
		all.vec = &v
	}
	return all.window(uint32(lo), uint32(hi)), nil
}

// readRuns decodes a column of a whole row group, window by window.
func (s *segment) readRuns(group int, name string, how *reading) (runs, error) {
	b := runBuilder{limit: s.groups[group].rows / minRun}
	for lo := 0; lo < s.groups[group].rows; lo += parquetio.WindowRows {
		v, err := s.column(group, name, lo, min(lo+parquetio.WindowRows, s.groups[group].rows), how)
		if err != nil {
			return runs{}, err
		}
		if !b.add(v, min(parquetio.WindowRows, s.groups[group].rows-lo)) {
			return runs{}, nil
		}
	}
	return runs{b.ends, &b.vec}, nil
}

// runBuilder finds the runs of a column.
type runBuilder struct {
	limit int
	ends  []uint32
	vec   store.Vec // without the dictionary
}

// add takes n rows more; false when there are too many runs.
func (b *runBuilder) add(v *store.Vec, n int) bool {
	b.vec.Kind = v.Kind
	end := uint32(0)
	if len(b.ends) > 0 {
		end = b.ends[len(b.ends)-1]
	}
	for i := range n {
		end++
		valid := v.Valid == nil || v.Valid[i]
		if last := len(b.ends) - 1; last >= 0 && b.same(last, v, i, valid) {
			b.ends[last] = end
			continue
		}
		if len(b.ends) >= b.limit {
			return false
		}
		b.ends = append(b.ends, end)
		if v.Valid != nil {
			b.vec.Valid = append(b.vec.Valid, valid)
		}
		if v.Codes != nil {
			b.vec.Codes = append(b.vec.Codes, v.Codes[i])
		} else {
			b.vec.Ints = append(b.vec.Ints, v.Ints[i])
		}
	}
	return true
}

// same tells whether row i of v continues a run.
func (b *runBuilder) same(run int, v *store.Vec, i int, valid bool) bool {
	if b.vec.Valid != nil && b.vec.Valid[run] != valid {
		return false
	}
	if !valid {
		return true
	}
	if v.Codes != nil {
		return b.vec.Codes[run] == v.Codes[i]
	}
	return b.vec.Ints[run] == v.Ints[i]
}
