package columnar

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"hinomi/internal/store"
)

// sortKey orders rows: by SortBy, then by time. hi and lo are the rank of the
// text among all, or its first 16 bytes where there are too many of them.
type sortKey struct {
	hi, lo uint64
	ts     int64
	ref    rowRef
}

func compareKeys(a, b sortKey) int {
	switch {
	case a.hi != b.hi:
		return cmp.Compare(a.hi, b.hi)
	case a.lo != b.lo:
		return cmp.Compare(a.lo, b.lo)
	case a.ts != b.ts:
		return cmp.Compare(a.ts, b.ts)
	case a.ref.part != b.ref.part:
		return cmp.Compare(a.ref.part, b.ref.part)
	}
	return cmp.Compare(a.ref.row, b.ref.row)
}

// maxRanked is how many distinct texts are ranked; ids are compared by their
// first bytes instead.
const maxRanked = 1 << 16

// run is the rows of one segment to be written, in order.
type run struct {
	partition    int64
	refs         []rowRef
	minTs, maxTs int64
}

// runsOf returns the rows of parts by partition, each in order, and at most
// maxSegmentRows together. The keys, four times as large, are not kept.
func (t *Table) runsOf(parts []part) ([]run, error) {
	byPartition, err := t.sortRows(parts)
	if err != nil {
		return nil, err
	}
	var out []run
	for partition, keys := range byPartition {
		for keys := range slices.Chunk(keys, maxSegmentRows) {
			r := run{partition: partition, refs: make([]rowRef, len(keys)), minTs: math.MaxInt64, maxTs: math.MinInt64}
			for i, k := range keys {
				r.refs[i] = k.ref
				r.minTs, r.maxTs = min(r.minTs, k.ts), max(r.maxTs, k.ts)
			}
			out = append(out, r)
		}
		delete(byPartition, partition)
	}
	return out, nil
}

// sortRows returns the keys of the rows of parts by partition, each in order.
func (t *Table) sortRows(parts []part) (map[int64][]sortKey, error) {
	times := make([]*store.Vec, len(parts))
	texts := make([]*store.Vec, len(parts))
	rows := 0
	for i, p := range parts {
		n := p.rowCount()
		rows += n
		var err error
		if times[i], err = p.window(t.schema.Time, 0, n); err != nil {
			return nil, err
		}
		if t.schema.SortBy != "" {
			if texts[i], err = p.window(t.schema.SortBy, 0, n); err != nil {
				return nil, err
			}
		}
	}
	ranks := rankTexts(texts)
	byPartition := map[int64][]sortKey{}
	last, list := int64(0), []sortKey(nil)
	for i, p := range parts {
		ts, by := times[i].Ints, texts[i]
		for r := range p.rowCount() {
			k := sortKey{ts: ts[r], ref: rowRef{uint32(i), uint32(r)}}
			switch {
			case by == nil:
			case ranks != nil:
				k.hi = uint64(ranks[i][by.Codes[r]])
			default:
				k.hi, k.lo = prefix16(by.Str(r))
			}
			if at := t.partition(ts[r]); list == nil || at != last {
				if list != nil {
					byPartition[last] = list
				}
				last, list = at, byPartition[at]
				if list == nil && len(byPartition) == 0 {
					list = make([]sortKey, 0, rows) // Most often there is one.
				} else if list == nil {
					list = make([]sortKey, 0, 1024)
				}
			}
			list = append(list, k)
		}
	}
	if list != nil {
		byPartition[last] = list
	}
	for _, keys := range byPartition {
		if !slices.IsSortedFunc(keys, compareKeys) {
			slices.SortFunc(keys, compareKeys)
		}
	}
	return byPartition, nil
}

// rankTexts returns, by part and code, the rank of a text among all; nil when
// there are too many or some part has no dictionary.
func rankTexts(texts []*store.Vec) [][]uint32 {
	rank := map[string]uint32{}
	for _, v := range texts {
		if v == nil || v.Codes == nil {
			return nil
		}
		for _, s := range v.Dict {
			rank[s] = 0
		}
		if len(rank) > maxRanked {
			return nil
		}
	}
	sorted := make([]string, 0, len(rank))
	for s := range rank {
		sorted = append(sorted, s)
	}
	slices.Sort(sorted)
	for i, s := range sorted {
		rank[s] = uint32(i)
	}
	out := make([][]uint32, len(texts))
	for i, v := range texts {
		out[i] = make([]uint32, len(v.Dict))
		for c, s := range v.Dict {
			out[i][c] = rank[s]
		}
	}
	return out
}

func (t *Table) partition(ts int64) int64 {
	width := int64(t.opts.Partition)
	p := ts / width
	if ts < 0 && ts%width != 0 {
		p--
	}
	return p
}

func prefix16(s string) (hi, lo uint64) {
	var b [16]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}
