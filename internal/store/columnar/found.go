package columnar

import (
	"hash/maphash"
	"slices"

	"hinomi/internal/store"
)

// A search for few rows reads megabytes to find each: pages and dictionaries of which
// it needs one value. Panels that refresh ask the same again. So the cache keeps, of
// segments, which never change, which rows a window's filter left and their values.

const (
	// maxFound is how many rows of a window, and values of a column in it, are kept.
	maxFound = 128
	// fewRows is the limit of scans that are for few rows.
	fewRows = 1000
	// maxFilterText bounds the description of filters whose rows are kept.
	maxFilterText = 4 << 10
	// foundColumn is the column under which the rows of a filter are cached, and
	// firstValue the page number of the value of a row group's first row.
	foundColumn = -1
	firstValue  = 1 << 24
)

// asked is what a filter is asked about: granules of a window of a row group.
type asked struct {
	filter   string // of the scan, as describe gives it
	granules uint64
	lo, hi   int // rows of the row group
}

// found is which rows of the window, counted from its first, the filter leaves.
type found struct {
	asked
	rows []uint32
}

// describe identifies a filter; "" of one that is not worth keeping.
func describe(p store.Pred) string {
	text, err := marshalPred(p)
	if err != nil || len(text) > maxFilterText {
		return ""
	}
	return string(text)
}

var askedSeed = maphash.MakeSeed()

func (s *segment) askedKey(group int, a asked) cacheKey {
	return cacheKey{s.ID, int32(group), foundColumn, int32(maphash.Comparable(askedSeed, a))}
}

// found returns the rows that a filter left before, in the memory of rows.
func (s *segment) found(group int, a asked, rows []uint32) ([]uint32, bool) {
	e := s.cache.entry(s.askedKey(group, a))
	if e == nil || e.found.asked != a { // another one with the same hash
		return rows, false
	}
	return append(rows[:0], e.found.rows...), true
}

func (s *segment) keepFound(group int, a asked, rows []uint32) {
	if len(rows) <= maxFound {
		s.cache.putFound(s.askedKey(group, a), &found{a, slices.Clone(rows)})
	}
}

func (s *segment) valueKey(group, col int, row uint32) cacheKey {
	return cacheKey{s.ID, int32(group), int32(col), firstValue + int32(row)}
}

// values returns the values of a column in some rows if all of them are kept.
func (s *segment) values(group, col int, rows []uint32) *store.Vec {
	if len(rows) > maxFound {
		return nil
	}
	kind := s.file.Columns[col].Kind
	v := &store.Vec{Kind: kind}
	switch kind {
	case store.KindInt, store.KindBool:
		v.Ints = make([]int64, len(rows))
	case store.KindFloat:
		v.Floats = make([]float64, len(rows))
	default:
		v.Strs = make([]string, len(rows))
	}
	if s.file.Columns[col].Optional {
		v.Valid = make([]bool, len(rows))
	}
	for i, r := range rows {
		e := s.cache.entry(s.valueKey(group, col, r))
		switch {
		case e == nil:
			return nil
		case e.value.Kind == store.KindNull:
			continue
		case v.Ints != nil:
			v.Ints[i] = e.value.Int
		case v.Floats != nil:
			v.Floats[i] = e.value.Flt
		default:
			v.Strs[i] = e.value.Str
		}
		if v.Valid != nil {
			v.Valid[i] = true
		}
	}
	return v
}

func (s *segment) keepValues(group, col int, rows []uint32, v *store.Vec) {
	if len(rows) > maxFound {
		return
	}
	for i, r := range rows {
		s.cache.putValue(s.valueKey(group, col, r), v.Value(i))
	}
}
