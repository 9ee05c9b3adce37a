package columnar

import (
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

// groupSource reads the rows [lo, hi) of one row group.
type groupSource struct {
	seg    *segment
	group  int
	lo, hi int
	whole  dictionaries // when most rows of the row group are read
}

func (g *groupSource) column(name string) (*store.Vec, error) {
	if !g.seg.wanted(g.group, name) {
		return nil, nil
	}
	return g.seg.column(g.group, name, g.lo, g.hi, g.whole)
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
	c := &g.seg.file.Groups[g.group].Chunks[col]
	from, to := c.PagesOf(g.lo, g.hi)
	texts := to-from > 1 || g.whole == nil && len(c.Frames) > 1 && len(rows)*8 < g.hi-g.lo
	if !texts || c.Pages[from].Enc == format.RLEDictionary && len(c.Frames) <= 1 {
		full, err := g.column(name)
		if err != nil || full == nil {
			return nil, err
		}
		v := gather(full, rows)
		return &v, nil
	}
	info := &g.seg.file.Columns[col]
	out := colBuilder{kind: info.Kind, optional: info.Optional, plain: true}
	for i := 0; i < len(rows); {
		row := int(rows[i]) + g.lo
		a, _ := c.PagesOf(row, row+1)
		lo, hi := int(c.Pages[a].First), int(c.Pages[a].First+c.Pages[a].Rows)
		if c.Dict != nil {
			// Only the frames of the wanted rows.
			lo, hi = row, row+1
			for j := i; j < len(rows) && int(rows[j])+g.lo-row < granuleRows; j++ {
				hi = int(rows[j]) + g.lo + 1
			}
		}
		v, err := g.seg.column(g.group, name, lo, hi, g.whole)
		if err != nil {
			return nil, err
		}
		for ; i < len(rows) && int(rows[i])+g.lo < hi; i++ {
			pos := int(rows[i]) + g.lo - lo
			if v.Null(pos) {
				continue
			}
			switch info.Kind {
			case store.KindInt, store.KindBool:
				out.addInt(i, v.Ints[pos])
			case store.KindFloat:
				out.addFloat(i, v.Floats[pos])
			default:
				out.addStr(i, v.Str(pos))
			}
		}
	}
	return out.finish(len(rows)), nil
}

func (g *groupSource) attrColumns() []string { return g.seg.Attrs }

// blockSource reads a memtable block.
type blockSource struct{ b *block }

func (s blockSource) column(name string) (*store.Vec, error) { return s.b.column(name) }

func (s blockSource) rows(name string, rows []uint32) (*store.Vec, error) {
	v, err := s.b.column(name)
	if err != nil || v == nil {
		return nil, err
	}
	out := gather(v, rows)
	return &out, nil
}

func (s blockSource) attrColumns() []string {
	var names []string
	for i := range s.b.cols {
		if isAttr(s.b.cols[i].name) {
			names = append(names, s.b.cols[i].name)
		}
	}
	return names
}
