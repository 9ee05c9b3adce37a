package columnar

import (
	"fmt"

	"hinomi/internal/store"
)

// groupSource reads the rows [lo, hi) of one row group.
type groupSource struct {
	seg    *segment
	group  int
	lo, hi int
	how    reading
}

func (g *groupSource) bytes() int64 { return g.how.bytes }

func (g *groupSource) column(name string) (*store.Vec, error) {
	if !g.seg.wanted(g.group, name) {
		return nil, nil
	}
	return g.seg.column(g.group, name, g.lo, g.hi, &g.how)
}

// rows decodes only the pages that hold the wanted rows.
func (g *groupSource) rows(name string, rows []uint32) (*store.Vec, error) {
	if !g.seg.wanted(g.group, name) {
		return nil, nil
	}
	col := g.seg.file.Column(name)
	if col < 0 || len(rows) == 0 {
		return g.seg.absent(name, len(rows)), nil
	}
	if v := g.seg.same(g.group, col, len(rows)); v != nil {
		return v, nil
	}
	v, err := g.seg.pick(g.group, col, g.inGroup(rows), &g.how)
	if err != nil {
		return nil, fmt.Errorf("row group %d column %q: %w", g.group, name, err)
	}
	return v, nil
}

// keep leaves the values of rows of a column in the cache.
func (g *groupSource) keep(name string, rows []uint32, v *store.Vec) {
	if col := g.seg.file.Column(name); col >= 0 {
		g.seg.keepValues(g.group, col, g.inGroup(rows), v)
	}
}

// inGroup counts rows from the row group's first.
func (g *groupSource) inGroup(rows []uint32) []uint32 {
	at := make([]uint32, len(rows))
	for i, r := range rows {
		at[i] = r + uint32(g.lo)
	}
	return at
}

func (g *groupSource) attrColumns() []string { return g.seg.Attrs }

// blockSource reads a memtable block.
type blockSource struct {
	b       *block
	decoded int64
}

func (s *blockSource) column(name string) (*store.Vec, error) {
	v, err := s.b.column(name)
	if v != nil {
		s.decoded += int64(vecBytes(v))
	}
	return v, err
}

func (s *blockSource) bytes() int64 { return s.decoded }

func (s *blockSource) rows(name string, rows []uint32) (*store.Vec, error) {
	v, err := s.column(name)
	if err != nil || v == nil {
		return nil, err
	}
	out := gather(v, rows)
	return &out, nil
}

func (s *blockSource) attrColumns() []string {
	var names []string
	for i := range s.b.cols {
		if isAttr(s.b.cols[i].name) {
			names = append(names, s.b.cols[i].name)
		}
	}
	return names
}
