package columnar

import (
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"strings"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// part is where rows come from when segments are written: a block of the
// memtable or a row group of a segment that is merged.
type part interface {
	rowCount() int
	// window decodes the rows [lo, hi) of a column, nil when there is none.
	window(name string, lo, hi int) (*store.Vec, error)
	// eachColumn names the columns and in how many rows they have a value.
	eachColumn(fn func(name string, kind store.Kind, present int))
}

// rowRef names a row of a list of parts.
type rowRef struct{ part, row uint32 }

// columnCount is a column of a list of parts.
type columnCount struct {
	name    string
	kind    store.Kind
	present int
}

// columnsOf lists the fixed columns in the schema's order and then the others
// that occur in any part, by name.
func columnsOf(s *Schema, parts []part) []columnCount {
	found := map[string]*columnCount{}
	for _, p := range parts {
		p.eachColumn(func(name string, kind store.Kind, present int) {
			c := found[name]
			if c == nil {
				c = &columnCount{name: strings.Clone(name), kind: kind}
				found[c.name] = c
			}
			c.present += present
		})
	}
	var out []columnCount
	for _, f := range s.Fields {
		out = append(out, columnCount{name: f.Name, kind: f.Kind})
		delete(found, f.Name)
	}
	fixed := len(out)
	for _, c := range found {
		out = append(out, *c)
	}
	slices.SortFunc(out[fixed:], func(a, b columnCount) int { return strings.Compare(a.name, b.name) })
	return out
}

// gatherColumn collects the referenced rows of one column; parts that lack it
// contribute nulls. dense looks for a dictionary where the parts have none.
func gatherColumn(s *Schema, parts []part, refs []rowRef, name string, kind store.Kind, dense bool) (*store.Vec, error) {
	field := s.Index(name)
	g := gatherer{refs: refs, out: &store.Vec{Kind: kind}}
	if err := g.load(parts, name); err != nil {
		return nil, err
	}
	if field < 0 {
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
		plain := name == restColumn || field >= 0 && s.Fields[field].Plain
		g.text(plain, dense && !plain)
	}
	return g.out, nil
}

// gatherer collects the rows refs of one column out of windows of parts.
type gatherer struct {
	vecs  []*store.Vec
	first []uint32 // row of the part at which its window begins
	refs  []rowRef
	out   *store.Vec
}

// load decodes what is referenced of each part.
func (g *gatherer) load(parts []part, name string) error {
	lo, hi := make([]uint32, len(parts)), make([]uint32, len(parts))
	for i := range lo {
		lo[i] = math.MaxUint32
	}
	for _, r := range g.refs {
		lo[r.part], hi[r.part] = min(lo[r.part], r.row), max(hi[r.part], r.row+1)
	}
	g.vecs, g.first = make([]*store.Vec, len(parts)), lo
	for i, p := range parts {
		if hi[i] == 0 {
			continue
		}
		v, err := p.window(name, int(lo[i]), int(hi[i]))
		if err != nil {
			return err
		}
		g.vecs[i] = v
	}
	return nil
}

// each calls set for every row that has a value.
func (g *gatherer) each(set func(i int, v *store.Vec, row uint32)) {
	for i, r := range g.refs {
		v := g.vecs[r.part]
		if v == nil {
			continue
		}
		row := r.row - g.first[r.part]
		if v.Valid != nil && !v.Valid[row] {
			continue
		}
		if g.out.Valid != nil {
			g.out.Valid[i] = true
		}
		set(i, v, row)
	}
}

// text collects strings. With dictionaries in the parts it joins them; of plain
// ones it makes one, when asked, if few of the values are distinct.
func (g *gatherer) text(plain, dense bool) {
	coded, any := false, false
	for _, v := range g.vecs {
		if v != nil {
			any = true
			coded = coded || v.Codes != nil
		}
	}
	if coded && !plain && g.dictionary() {
		if dense {
			g.dropDictionary()
		}
		return
	}
	if !any && !plain {
		g.out.Codes, g.out.Dict = make([]uint32, len(g.refs)), []string{""}
		return
	}
	g.plain()
	if dense {
		if codes, dict := dictionaryOf(g.out.Strs); codes != nil {
			g.out.Codes, g.out.Dict, g.out.Strs = codes, dict, nil
		}
	}
}

// dropDictionary makes ids plain again where storing what differs from the row
// before takes less than entries and codes.
func (g *gatherer) dropDictionary() {
	v := g.out
	if v.Kind != store.KindBytes || len(v.Dict) < dictProbe {
		return
	}
	runs, size := 0, 0
	for i, c := range v.Codes {
		if i == 0 || c != v.Codes[i-1] {
			runs += len(v.Dict[c])
		}
	}
	for _, s := range v.Dict {
		size += len(s)
	}
	if coded := size + len(v.Codes)*bits.Len(uint(len(v.Dict)))/8; runs < coded {
		g.plain()
		v.Codes, v.Dict = nil, nil
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
// part's entry, not for each row. False when most values are distinct.
func (g *gatherer) dictionary() bool {
	const unknown = ^uint32(0)
	d := newDict()
	empty := unknown
	recode := make([][]uint32, len(g.vecs))
	codes := make([]uint32, len(g.refs))
	limit := max(dictProbe, len(g.refs)/2)
	for i, r := range g.refs {
		v := g.vecs[r.part]
		row := r.row - g.first[r.part]
		if v == nil || v.Valid != nil && !v.Valid[row] {
			if empty == unknown {
				empty = d.code("")
			}
			codes[i] = empty
			continue
		}
		if g.out.Valid != nil {
			g.out.Valid[i] = true
		}
		if v.Codes == nil {
			codes[i] = d.code(v.Strs[row])
		} else {
			table := recode[r.part]
			if table == nil {
				table = make([]uint32, len(v.Dict))
				for j := range table {
					table[j] = unknown
				}
				recode[r.part] = table
			}
			c := v.Codes[row]
			if table[c] == unknown {
				table[c] = d.code(v.Dict[c])
			}
			codes[i] = table[c]
		}
		if len(d.list) > limit {
			return false
		}
	}
	if len(d.list) == 0 {
		d.code("")
	}
	g.out.Codes, g.out.Dict = codes, d.list
	return true
}

// maxDictionaryBytes bounds the entries of a dictionary that is made of plain
// text, which other readers read as a whole.
const maxDictionaryBytes = 64 << 20

// dictionaryOf makes a dictionary of texts, nil unless at least every second
// one repeats another. How many are distinct is estimated first, by linear
// counting (Whang et al., 1990), because hashing into a table costs ten times that.
func dictionaryOf(strs []string) (codes []uint32, list []string) {
	if len(strs) < dictProbe {
		return nil, nil
	}
	seed := maphash.MakeSeed()
	m := uint64(1) << bits.Len(uint(4*len(strs)))
	seen := make([]uint64, m/64)
	for _, s := range strs {
		h := maphash.String(seed, s) & (m - 1)
		seen[h/64] |= 1 << (h % 64)
	}
	zero := 0
	for _, w := range seen {
		zero += bits.OnesCount64(^w)
	}
	distinct := float64(m) * math.Log(float64(m)/float64(max(1, zero)))
	if distinct*2 > float64(len(strs)) {
		return nil, nil
	}
	d := &dict{index: make(map[string]uint32, int(distinct*1.1))}
	codes = make([]uint32, len(strs))
	total := 0
	for i, s := range strs {
		known := len(d.list)
		codes[i] = d.code(s)
		if len(d.list) > known {
			if total += len(s); total > maxDictionaryBytes {
				return nil, nil
			}
		}
	}
	return codes, d.list
}

// gather returns the given rows of v, sharing the dictionary.
func gather(v *store.Vec, rows []uint32) store.Vec {
	// One value of a run may be asked for more often than it is there.
	if v.Same && v.Valid == nil && len(rows) <= max(len(v.Codes), len(v.Strs), len(v.Ints), len(v.Floats), len(v.Mixed)) {
		return *window(v, 0, len(rows))
	}
	out := parquetio.Gather(v, rows, 0)
	out.Same = v.Same
	return out
}

// vecBytes estimates the memory of a vector.
func vecBytes(v *store.Vec) int {
	if v.Same {
		return 0
	}
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
