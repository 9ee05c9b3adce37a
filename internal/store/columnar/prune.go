package columnar

import (
	"fmt"
	"sort"
	"strings"

	"github.com/parquet-go/parquet-go"

	"hinomi/internal/store"
)

// prune narrows the rows [lo, hi) of a row group to those that can satisfy p,
// using only the footer, page indexes and filters. lo == hi means none can.
func (s *segment) prune(group int, p store.Pred, lo, hi int) (int, int, error) {
	switch p := p.(type) {
	case store.And:
		for _, child := range p {
			var err error
			if lo, hi, err = s.prune(group, child, lo, hi); err != nil || lo >= hi {
				return lo, lo, err
			}
		}
	case store.Or:
		if len(p) == 0 {
			return lo, lo, nil
		}
		from, to := hi, lo
		for _, child := range p {
			a, b, err := s.prune(group, child, lo, hi)
			if err != nil {
				return lo, lo, err
			}
			if a < b {
				from, to = min(from, a), max(to, b)
			}
		}
		if from >= to {
			return lo, lo, nil
		}
		return from, to, nil
	case store.Cmp:
		return s.pruneCmp(group, p, lo, hi)
	case store.In:
		return s.pruneIn(group, p, lo, hi)
	case store.Exists:
		if p.Col.Scope == store.Attr && !s.hasAttr(p.Col.Name) {
			return lo, lo, nil
		}
	}
	return lo, hi, nil
}

// maxPrunedTexts is how many texts are looked up in the filters of every row
// group. With more of them hardly a group is without one.
const maxPrunedTexts = 256

func (s *segment) pruneIn(group int, p store.In, lo, hi int) (int, int, error) {
	field := s.schema.Index(p.Col.Name)
	if p.Col.Scope != store.Intrinsic || field < 0 || len(p.Texts) > maxPrunedTexts {
		return lo, hi, nil
	}
	or := make(store.Or, len(p.Texts))
	for i, text := range p.Texts {
		or[i] = store.Cmp{Col: p.Col, Op: store.Eq, Val: store.Value{Kind: s.schema.Fields[field].Kind, Str: text}}
	}
	return s.prune(group, or, lo, hi)
}

// hasAttr tells whether any row can have the attribute.
func (s *segment) hasAttr(key string) bool {
	if s.restFull {
		return true
	}
	for kind := range kindSuffix {
		if name := attrColumn(key, kind); name != "" {
			if _, ok := s.columns[name]; ok {
				return true
			}
		}
	}
	return false
}

func (s *segment) pruneCmp(group int, p store.Cmp, lo, hi int) (int, int, error) {
	if p.Col.Scope == store.Attr {
		if !s.hasAttr(p.Col.Name) {
			return lo, lo, nil
		}
		return lo, hi, nil
	}
	if p.Col.Scope != store.Intrinsic || p.Op == store.Ne {
		return lo, hi, nil
	}
	info, ok := s.columns[p.Col.Name]
	field := s.schema.Index(p.Col.Name)
	if !ok || field < 0 || info.kind != p.Val.Kind || info.kind == store.KindBool || info.kind == store.KindFloat {
		return lo, hi, nil
	}
	chunk := s.chunk(group, info.index)
	val := parquet.ByteArrayValue([]byte(p.Val.Str))
	if info.kind == store.KindInt {
		val = parquet.Int64Value(p.Val.Int)
	}
	if p.Op == store.Eq && s.schema.Fields[field].Bloom {
		if f := chunk.BloomFilter(); f != nil {
			ok, err := f.Check(val)
			if err != nil {
				return lo, lo, err
			}
			if !ok {
				return lo, lo, nil
			}
		}
	}
	return s.prunePages(chunk, p, lo, hi)
}

// prunePages drops leading and trailing pages whose bounds exclude p.
func (s *segment) prunePages(chunk *parquet.FileColumnChunk, p store.Cmp, lo, hi int) (int, int, error) {
	index, err := chunk.ColumnIndex()
	if err != nil || index == nil {
		return lo, hi, nil //nolint:nilerr // Without an index nothing is pruned.
	}
	offsets, err := chunk.OffsetIndex()
	if err != nil || offsets == nil {
		return lo, hi, nil //nolint:nilerr // As above.
	}
	n := index.NumPages()
	first := func(page int) int {
		if page >= n {
			return hi
		}
		return int(offsets.FirstRowIndex(page))
	}
	a, b := 0, n
	for a < b && !pageMayMatch(index, a, p) {
		a++
	}
	for b > a && !pageMayMatch(index, b-1, p) {
		b--
	}
	if a == b {
		return lo, lo, nil
	}
	from, to := max(lo, first(a)), hi
	if b < n {
		to = min(hi, first(b))
	}
	if from >= to {
		return lo, lo, nil
	}
	return from, to, nil
}

func pageMayMatch(index parquet.ColumnIndex, page int, p store.Cmp) bool {
	if index.NullPage(page) {
		return false
	}
	lo, hi := index.MinValue(page), index.MaxValue(page)
	var below, above int // compare value with min and max
	if p.Val.Kind == store.KindInt {
		below, above = compareInt(p.Val.Int, lo.Int64()), compareInt(p.Val.Int, hi.Int64())
	} else {
		// Text bounds are cut to a length: the max is rounded up by the writer.
		below = strings.Compare(p.Val.Str, bytesString(lo.ByteArray()))
		above = strings.Compare(p.Val.Str, bytesString(hi.ByteArray()))
	}
	switch p.Op {
	case store.Eq:
		return below >= 0 && above <= 0
	case store.Lt:
		return below > 0
	case store.Le:
		return below >= 0
	case store.Gt:
		return above < 0
	case store.Ge:
		return above <= 0
	}
	return true
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// groupSource reads a window of one row group.
type groupSource struct {
	seg    *segment
	group  int
	lo, hi int
}

func (g *groupSource) column(name string) (*store.Vec, error) {
	if !g.seg.wanted(name) {
		return nil, nil
	}
	return g.seg.column(g.group, name, g.lo, g.hi)
}

func (s *segment) wanted(name string) bool {
	_, ok := s.columns[name]
	return ok && (name != restColumn || s.restFull)
}

// rows decodes only the pages that hold the wanted rows.
func (g *groupSource) rows(name string, rows []uint32) (*store.Vec, error) {
	s := g.seg
	if !s.wanted(name) {
		return nil, nil
	}
	info := s.columns[name]
	whole := s.cache.get(cacheKey{s.ID, int32(g.group), int32(info.index)})
	chunk := s.chunk(g.group, info.index)
	offsets, err := chunk.OffsetIndex()
	if whole != nil || err != nil || offsets == nil || offsets.NumPages() <= 1 {
		full, err := g.column(name)
		if err != nil {
			return nil, err
		}
		v := gather(full, rows)
		return &v, nil
	}
	if err := s.verify(g.group, info.index); err != nil {
		return nil, err
	}
	c := colBuilder{kind: info.kind, optional: info.optional}
	total := s.groups[g.group].rows
	for i := 0; i < len(rows); {
		row := int(rows[i]) + g.lo
		page := sort.Search(offsets.NumPages(), func(p int) bool { return int(offsets.FirstRowIndex(p)) > row }) - 1
		first, next := int(offsets.FirstRowIndex(page)), total
		if page+1 < offsets.NumPages() {
			next = int(offsets.FirstRowIndex(page + 1))
		}
		v, err := s.decode(g.group, info, first, next)
		if err != nil {
			return nil, fmt.Errorf("%w: row group %d column %q: %w", errCorrupt, g.group, name, err)
		}
		for ; i < len(rows) && int(rows[i])+g.lo < next; i++ {
			pos := int(rows[i]) + g.lo - first
			if v.Null(pos) {
				continue
			}
			switch info.kind {
			case store.KindInt, store.KindBool:
				c.addInt(i, v.Ints[pos])
			case store.KindFloat:
				c.addFloat(i, v.Floats[pos])
			default:
				c.addStr(i, v.Str(pos))
			}
		}
	}
	return c.finish(len(rows)), nil
}

func (g *groupSource) attrColumns() []string { return g.seg.Attrs }

// blockSource reads a memtable block.
type blockSource struct{ b *block }

func (s blockSource) column(name string) (*store.Vec, error) { return s.b.cols[name], nil }

func (s blockSource) rows(name string, rows []uint32) (*store.Vec, error) {
	v := s.b.cols[name]
	if v == nil {
		return nil, nil
	}
	out := gather(v, rows)
	return &out, nil
}

func (s blockSource) attrColumns() []string {
	var names []string
	for name := range s.b.cols {
		if strings.HasPrefix(name, attrPrefix) {
			names = append(names, name)
		}
	}
	return names
}
