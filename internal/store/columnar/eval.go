package columnar

import (
	"slices"

	"hinomi/internal/store"
)

// node is a compiled predicate. It is made once for a scan and used by all of
// its workers.
type node struct {
	op       nodeOp
	children []*node // of nodeAnd and nodeOr cheapest first
	id       int     // of a nodeLeaf, its place in the memos of a row group
	col      store.ColumnRef
	test     test
}

type nodeOp uint8

const (
	nodeTrue nodeOp = iota
	nodeAnd
	nodeOr
	nodeNot
	nodeLeaf
)

// compile turns p into nodes and counts its leaves.
func compile(p store.Pred, leaves *int) *node {
	list := func(op nodeOp, ps []store.Pred) *node {
		n := &node{op: op}
		for _, child := range cheapFirst(ps) {
			n.children = append(n.children, compile(child, leaves))
		}
		return n
	}
	switch p := p.(type) {
	case nil, store.True:
		return &node{op: nodeTrue}
	case store.And:
		return list(nodeAnd, p)
	case store.Or:
		return list(nodeOr, p)
	case store.Not:
		return &node{op: nodeNot, children: []*node{compile(p.P, leaves)}}
	}
	n := &node{op: nodeLeaf, id: *leaves}
	n.col, n.test = leafTest(p)
	*leaves++
	return n
}

// filter returns the rows, ascending, of the given ascending rows that satisfy
// n. It may reuse the memory of rows.
func (u *unit) filter(n *node, rows []uint32) ([]uint32, error) {
	if len(rows) == 0 {
		return rows, nil
	}
	switch n.op {
	case nodeAnd:
		for _, child := range n.children {
			var err error
			if rows, err = u.filter(child, rows); err != nil || len(rows) == 0 {
				return rows, err
			}
		}
	case nodeOr:
		rest := rows
		var hits []uint32
		for _, child := range n.children {
			got, err := u.filter(child, slices.Clone(rest))
			if err != nil {
				return nil, err
			}
			hits = append(hits, got...)
			if rest = subtract(rest, got); len(rest) == 0 {
				break
			}
		}
		slices.Sort(hits)
		return hits, nil
	case nodeNot:
		got, err := u.filter(n.children[0], slices.Clone(rows))
		if err != nil {
			return nil, err
		}
		return subtract(rows, got), nil
	case nodeLeaf:
		return u.leaf(n, rows)
	}
	return rows, nil
}

// remembered is filter, but what was asked before comes from the cache.
func (u *unit) remembered(n *node, rows []uint32) ([]uint32, error) {
	if u.found == nil {
		return u.filter(n, rows)
	}
	seg, group := u.found.seg, u.found.group
	if rows, ok := seg.found(group, u.asked, rows); ok {
		return rows, nil
	}
	rows, err := u.filter(n, rows)
	if err == nil {
		seg.keepFound(group, u.asked, rows)
	}
	return rows, err
}

// subtract returns the elements of a, ascending, that are not in b, ascending.
func subtract(a, b []uint32) []uint32 {
	out := make([]uint32, 0, len(a)-min(len(a), len(b)))
	j := 0
	for _, x := range a {
		for j < len(b) && b[j] < x {
			j++
		}
		if j < len(b) && b[j] == x {
			continue
		}
		out = append(out, x)
	}
	return out
}

// A filter asks whether the scan goes on after endedEvery texts, which costs
// nothing, and before a long text, where a regular expression takes milliseconds.
const (
	endedEvery = 64
	longText   = 64 << 10
)

// leaf filters rows by one column. Dictionary entries are tested once for all
// windows of a row group.
func (u *unit) leaf(n *node, rows []uint32) ([]uint32, error) {
	var v *store.Vec
	var err error
	sparse := u.sparse(rows)
	if sparse {
		v, err = u.rowsVec(n.col, rows)
	} else {
		v, err = u.vec(n.col)
	}
	if err != nil {
		return nil, err
	}
	if v == nil {
		v = &store.Vec{}
	}
	t := &n.test
	ended, texts := error(nil), 0
	// text tests one text, or notes that the scan has ended.
	text := func(kind store.Kind, s string) bool {
		if texts++; texts%endedEvery == 0 || len(s) > longText {
			if ended == nil {
				ended = u.ended()
			}
		}
		return ended == nil && t.text(kind, s)
	}
	var match func(pos int) bool
	switch {
	case v.Codes != nil:
		return u.codes(n, v, rows, sparse, text, &ended)
	case v.Strs != nil:
		match = func(pos int) bool { return text(v.Kind, v.Strs[pos]) }
	case v.Kind == store.KindBool && v.Ints != nil:
		match = func(pos int) bool { return t.truth(v.Ints[pos] != 0) }
	case v.Ints != nil:
		match = func(pos int) bool { return t.whole(v.Ints[pos]) }
	case v.Floats != nil:
		match = func(pos int) bool { return t.float(v.Floats[pos]) }
	case v.Mixed != nil:
		match = func(pos int) bool {
			if s := v.Mixed[pos]; s.Kind == store.KindString || s.Kind == store.KindBytes {
				return text(s.Kind, s.Str)
			}
			return t.value(v.Mixed[pos])
		}
	default:
		match = func(int) bool { return false }
	}
	out := rows[:0]
	for i, row := range rows {
		pos := int(row)
		if sparse {
			pos = i
		}
		hit := t.null
		if !v.Null(pos) {
			hit = match(pos)
		}
		if hit {
			out = append(out, row)
		}
		if ended != nil {
			return nil, ended
		}
	}
	return out, nil
}

// What a leaf knows of a dictionary entry.
const (
	unknown = iota
	no
	yes
)

// codes filters by a dictionary coded column.
func (u *unit) codes(n *node, v *store.Vec, rows []uint32, sparse bool, text func(store.Kind, string) bool, ended *error) ([]uint32, error) {
	known := u.memo.of(n.id, v.Dict)
	out := rows[:0]
	for i, row := range rows {
		pos := int(row)
		if sparse {
			pos = i
		}
		if v.Valid != nil && !v.Valid[pos] {
			if n.test.null {
				out = append(out, row)
			}
			continue
		}
		c := v.Codes[pos]
		k := known[c].Load()
		if k == unknown {
			k = no
			if text(v.Kind, v.Dict[c]) {
				k = yes
			}
			if *ended != nil {
				return nil, *ended
			}
			known[c].Store(k)
		}
		if k == yes {
			out = append(out, row)
		}
	}
	return out, nil
}
