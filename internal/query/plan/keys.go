package plan

import (
	"strings"

	"hinomi/internal/store"
)

// grouper numbers the distinct tuples of the key columns. For a dictionary
// coded column the text is looked up once per dictionary entry.
type grouper struct {
	keys  []int
	limit int

	interned []map[string]uint32 // per key column: rendered value -> id
	cache    []dictCache
	single   []uint32            // of one key column: value id -> group+1
	pairs    []map[uint64]uint32 // combines the ids of columns 0..i-1 and i
	groups   [][]store.Value
	buf      []uint32
	ids      []uint32
}

// dictCache maps the codes of one dictionary to ids.
type dictCache struct {
	dict *string
	n    int
	ids  []uint32 // id+1; 0 is not yet looked up
}

const nullID = 0

func newGrouper(keys []int, limit int) *grouper {
	g := &grouper{keys: keys, limit: limit}
	for range keys {
		g.interned = append(g.interned, map[string]uint32{})
		g.pairs = append(g.pairs, map[uint64]uint32{})
	}
	g.cache = make([]dictCache, len(keys))
	return g
}

// assign returns the group of every selected row; valid until the next call.
func (g *grouper) assign(f *Frame) ([]uint32, error) {
	n := f.Rows()
	g.buf = grow(g.buf, n)
	if len(g.keys) == 0 {
		if len(g.groups) == 0 {
			g.groups = append(g.groups, nil)
		}
		clear(g.buf)
		return g.buf, nil
	}
	if len(g.keys) == 1 {
		g.column(0, &f.Cols[g.keys[0]], f, g.buf)
		return g.buf, g.direct(f)
	}
	for k, col := range g.keys {
		g.ids = grow(g.ids, n)
		g.column(k, &f.Cols[col], f, g.ids)
		if err := g.combine(k, f, g.ids); err != nil {
			return nil, err
		}
	}
	return g.buf, nil
}

func grow(b []uint32, n int) []uint32 {
	if cap(b) < n {
		return make([]uint32, n)
	}
	return b[:n]
}

// column fills ids with the interned id of each selected row's value.
func (g *grouper) column(k int, v *store.Vec, f *Frame, ids []uint32) {
	if v.Kind == store.KindNull {
		clear(ids)
		return
	}
	if v.Codes != nil {
		c := &g.cache[k]
		if len(v.Dict) > 0 && (c.dict != &v.Dict[0] || c.n != len(v.Dict)) {
			c.dict, c.n = &v.Dict[0], len(v.Dict)
			c.ids = grow(c.ids, len(v.Dict))
			clear(c.ids)
		}
		for i := range ids {
			r := f.Row(i)
			if v.Valid != nil && !v.Valid[r] {
				ids[i] = nullID
				continue
			}
			code := v.Codes[r]
			if c.ids[code] == 0 {
				c.ids[code] = g.intern(k, v.Dict[code])
			}
			ids[i] = c.ids[code]
		}
		return
	}
	for i := range ids {
		r := f.Row(i)
		switch {
		case v.Null(r):
			ids[i] = nullID
		case v.Strs != nil:
			ids[i] = g.intern(k, v.Strs[r])
		default:
			ids[i] = g.intern(k, v.Value(r).String())
		}
	}
}

// intern returns the id (from 1) of a text in key column k.
func (g *grouper) intern(k int, s string) uint32 {
	if id, ok := g.interned[k][s]; ok {
		return id
	}
	id := uint32(len(g.interned[k]) + 1)
	g.interned[k][strings.Clone(s)] = id
	return id
}

// direct turns the value ids in g.buf into groups when there is one key column.
func (g *grouper) direct(f *Frame) error {
	if n := len(g.interned[0]) + 1; len(g.single) < n {
		g.single = append(g.single, make([]uint32, n-len(g.single))...)
	}
	for i, id := range g.buf {
		gid := g.single[id]
		if gid == 0 {
			if g.limit > 0 && len(g.groups) >= g.limit {
				return &SeriesLimitError{Limit: g.limit}
			}
			g.groups = append(g.groups, g.tuple(f, f.Row(i)))
			gid = uint32(len(g.groups))
			g.single[id] = gid
		}
		g.buf[i] = gid - 1
	}
	return nil
}

// combine joins the group so far (columns before k, in g.buf) with ids. Groups
// of the last column are the result and are bounded by the limit.
func (g *grouper) combine(k int, f *Frame, ids []uint32) error {
	last := k == len(g.keys)-1
	m := g.pairs[k]
	var prevKey uint64
	var prevID uint32
	have := false
	for i, id := range ids {
		key := uint64(id)
		if k > 0 {
			key |= uint64(g.buf[i]) << 32
		}
		if have && key == prevKey {
			g.buf[i] = prevID
			continue
		}
		gid, ok := m[key]
		if !ok {
			gid = uint32(len(m))
			if last && g.limit > 0 && len(m) >= g.limit {
				return &SeriesLimitError{Limit: g.limit}
			}
			m[key] = gid
			if last {
				g.groups = append(g.groups, g.tuple(f, f.Row(i)))
			}
		}
		g.buf[i], prevKey, prevID, have = gid, key, gid, true
	}
	return nil
}

// tuple copies the key values of one row out of the frame.
func (g *grouper) tuple(f *Frame, row int) []store.Value {
	out := make([]store.Value, len(g.keys))
	for k, col := range g.keys {
		out[k] = f.Cols[col].Value(row)
		out[k].Str = strings.Clone(out[k].Str)
	}
	return out
}
