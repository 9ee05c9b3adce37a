package columnar

import (
	"hinomi/internal/store"
)

// block is an immutable set of rows, column by column. cols holds every fixed
// column, the dynamic ones that occur, and restColumn when any row has a rest.
type block struct {
	n            int
	minTs, maxTs int64
	bytes        int // approximate memory
	cols         map[string]*store.Vec
}

// vecBytes estimates the memory of a vector.
func vecBytes(v *store.Vec) int {
	n := len(v.Valid) + 4*len(v.Codes) + 8*len(v.Ints) + 8*len(v.Floats)
	for _, s := range v.Dict {
		n += 16 + len(s)
	}
	for _, s := range v.Strs {
		n += 16 + len(s)
	}
	for i := range v.Mixed {
		n += 40 + len(v.Mixed[i].Str)
	}
	return n
}

// gather returns the given rows of v, sharing the dictionary.
func gather(v *store.Vec, rows []uint32) store.Vec {
	out := store.Vec{Kind: v.Kind, Dict: v.Dict}
	if v.Valid != nil {
		out.Valid = make([]bool, len(rows))
		for i, r := range rows {
			out.Valid[i] = v.Valid[r]
		}
	}
	switch {
	case v.Codes != nil:
		out.Codes = make([]uint32, len(rows))
		for i, r := range rows {
			out.Codes[i] = v.Codes[r]
		}
	case v.Strs != nil:
		out.Strs = make([]string, len(rows))
		for i, r := range rows {
			out.Strs[i] = v.Strs[r]
		}
	case v.Ints != nil:
		out.Ints = make([]int64, len(rows))
		for i, r := range rows {
			out.Ints[i] = v.Ints[r]
		}
	case v.Floats != nil:
		out.Floats = make([]float64, len(rows))
		for i, r := range rows {
			out.Floats[i] = v.Floats[r]
		}
	case v.Mixed != nil:
		out.Mixed = make([]store.Value, len(rows))
		for i, r := range rows {
			out.Mixed[i] = v.Mixed[r]
		}
	}
	return out
}

// mergeBlocks joins small blocks into one so that a scan has few units. Rows
// keep their order.
func mergeBlocks(s *Schema, parts []*block) *block {
	refs := make([]rowRef, 0, 1024)
	for i, p := range parts {
		for r := range p.n {
			refs = append(refs, rowRef{uint32(i), uint32(r)})
		}
	}
	return gatherBlocks(s, parts, refs)
}

// rowRef names a row of a list of blocks.
type rowRef struct{ block, row uint32 }

// gatherBlocks makes one block of the referenced rows, in that order.
func gatherBlocks(s *Schema, parts []*block, refs []rowRef) *block {
	out := &block{n: len(refs), cols: map[string]*store.Vec{}}
	for name, kind := range columnKinds(s, parts) {
		v := gatherColumn(s, parts, refs, name, kind)
		out.cols[name] = v
		out.bytes += vecBytes(v)
	}
	for i, ts := range out.cols[s.Time].Ints {
		if i == 0 || ts < out.minTs {
			out.minTs = ts
		}
		if i == 0 || ts > out.maxTs {
			out.maxTs = ts
		}
	}
	return out
}

// columnKinds lists the columns that occur in any part.
func columnKinds(s *Schema, parts []*block) map[string]store.Kind {
	kinds := map[string]store.Kind{}
	for _, f := range s.Fields {
		kinds[f.Name] = f.Kind
	}
	for _, p := range parts {
		for name, v := range p.cols {
			kinds[name] = v.Kind
		}
	}
	return kinds
}

// gatherColumn collects one column; parts that lack it contribute nulls.
func gatherColumn(s *Schema, parts []*block, refs []rowRef, name string, kind store.Kind) *store.Vec {
	field := s.Index(name)
	g := gatherer{vecs: make([]*store.Vec, len(parts)), refs: refs, out: &store.Vec{Kind: kind}}
	for i, p := range parts {
		g.vecs[i] = p.cols[name]
	}
	if field < 0 && name != restColumn {
		g.out.Valid = make([]bool, len(refs))
	}
	switch kind {
	case store.KindInt, store.KindBool:
		g.out.Ints = make([]int64, len(refs))
		g.each(func(i int, v *store.Vec, row uint32) { g.out.Ints[i] = v.Ints[row] })
	case store.KindFloat:
		g.out.Floats = make([]float64, len(refs))
		g.each(func(i int, v *store.Vec, row uint32) { g.out.Floats[i] = v.Floats[row] })
	default:
		if name == restColumn || field >= 0 && s.Fields[field].Plain {
			g.plain()
		} else {
			g.dictionary()
		}
	}
	return g.out
}

// gatherer collects the rows refs of one column out of the vectors of parts.
type gatherer struct {
	vecs []*store.Vec
	refs []rowRef
	out  *store.Vec
}

// each calls set for every row that has a value.
func (g *gatherer) each(set func(i int, v *store.Vec, row uint32)) {
	for i, r := range g.refs {
		v := g.vecs[r.block]
		if v == nil || v.Valid != nil && !v.Valid[r.row] {
			continue
		}
		if g.out.Valid != nil {
			g.out.Valid[i] = true
		}
		set(i, v, r.row)
	}
}

func (g *gatherer) plain() {
	g.out.Strs = make([]string, len(g.refs))
	g.each(func(i int, v *store.Vec, row uint32) {
		if v.Codes != nil {
			g.out.Strs[i] = v.Dict[v.Codes[row]]
		} else {
			g.out.Strs[i] = v.Strs[row]
		}
	})
}

// dictionary joins the parts' dictionaries: a string is hashed once for each
// part's entry, not for each row. When most values are distinct the column
// becomes plain.
func (g *gatherer) dictionary() {
	const unknown = ^uint32(0)
	d := newDict()
	empty := d.code("")
	recode := make([][]uint32, len(g.vecs))
	codes := make([]uint32, len(g.refs))
	for i := range codes {
		codes[i] = empty
	}
	overflow := false
	limit := max(dictProbe, len(g.refs)/2)
	for i, r := range g.refs {
		v := g.vecs[r.block]
		if v == nil || v.Valid != nil && !v.Valid[r.row] {
			continue
		}
		if g.out.Valid != nil {
			g.out.Valid[i] = true
		}
		if v.Codes == nil {
			codes[i] = d.code(v.Strs[r.row])
		} else {
			table := recode[r.block]
			if table == nil {
				table = make([]uint32, len(v.Dict))
				for j := range table {
					table[j] = unknown
				}
				recode[r.block] = table
			}
			c := v.Codes[r.row]
			if table[c] == unknown {
				table[c] = d.code(v.Dict[c])
			}
			codes[i] = table[c]
		}
		if len(d.list) > limit {
			overflow = true
			break
		}
	}
	if overflow {
		g.plain()
		return
	}
	g.out.Codes, g.out.Dict = codes, d.list
}
