package columnar

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

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

// cheapFirst orders predicates by what a row costs, so that text is searched
// only in rows that nothing else excludes.
func cheapFirst(ps []store.Pred) []store.Pred {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b store.Pred) int { return cmp.Compare(cost(a), cost(b)) })
	return out
}

func cost(p store.Pred) int {
	text := func(c store.ColumnRef) int {
		if c.Scope == store.Intrinsic && c.Name == store.ColBody || c.Name == store.ColAttrs {
			return 20
		}
		if c.Scope == store.Attr {
			return 5
		}
		return 0
	}
	switch p := p.(type) {
	case store.Cmp:
		return 1 + text(p.Col)
	case store.TextEq:
		return 2 + text(p.Col)
	case store.In:
		return 2 + text(p.Col)
	case store.Exists:
		return 1 + text(p.Col)
	case store.Contains:
		return 3 + text(p.Col)
	case store.Match:
		return 6 + 2*text(p.Col)
	case store.Not:
		return cost(p.P)
	case store.And:
		return 1 + sumCost(p)
	case store.Or:
		return 1 + sumCost(p)
	}
	return 0
}

func sumCost(ps []store.Pred) int {
	n := 0
	for _, p := range ps {
		n += cost(p)
	}
	return n
}

// test is a leaf predicate, by the kind of the value it meets.
type test struct {
	null  bool
	text  func(kind store.Kind, s string) bool
	whole func(int64) bool
	float func(float64) bool
	truth func(bool) bool
}

func (t *test) value(v store.Value) bool {
	switch v.Kind {
	case store.KindString, store.KindBytes:
		return t.text(v.Kind, v.Str)
	case store.KindInt:
		return t.whole(v.Int)
	case store.KindFloat:
		return t.float(v.Flt)
	case store.KindBool:
		return t.truth(v.Int != 0)
	}
	return t.null
}

func leafTest(p store.Pred) (store.ColumnRef, test) {
	rendered := func(f func(string) bool) test {
		return test{
			text:  func(_ store.Kind, s string) bool { return f(s) },
			whole: func(x int64) bool { return f(store.Int(x).String()) },
			float: func(x float64) bool { return f(store.Float(x).String()) },
			truth: func(x bool) bool { return f(store.Bool(x).String()) },
		}
	}
	switch p := p.(type) {
	case store.Cmp:
		return p.Col, cmpTest(p)
	case store.Match:
		literals := requiredLiterals(p.Re)
		return p.Col, rendered(func(s string) bool {
			for _, l := range literals {
				if !strings.Contains(s, l) {
					return false
				}
			}
			return p.Re.MatchString(s)
		})
	case store.Contains:
		if p.Fold {
			sub := lowerASCII(p.Sub)
			return p.Col, rendered(func(s string) bool { return containsFold(s, sub) })
		}
		return p.Col, rendered(func(s string) bool { return strings.Contains(s, p.Sub) })
	case store.TextEq:
		t := rendered(func(s string) bool { return s == p.Text })
		t.null = p.Text == ""
		// Numbers are compared as numbers where the text is how they are rendered.
		if n, err := strconv.ParseInt(p.Text, 10, 64); err == nil && store.Int(n).String() == p.Text {
			t.whole = func(x int64) bool { return x == n }
		} else {
			t.whole = func(int64) bool { return false }
		}
		if f, err := strconv.ParseFloat(p.Text, 64); err == nil && f != 0 && !math.IsNaN(f) && store.Float(f).String() == p.Text {
			t.float = func(x float64) bool { return x == f }
		}
		return p.Col, t
	case store.In:
		t := rendered(func(string) bool { return false })
		set := make(map[string]bool, len(p.Texts))
		for _, text := range p.Texts {
			set[text] = true
		}
		t.text = func(_ store.Kind, s string) bool { return set[s] }
		return p.Col, t
	case store.Exists:
		yes := rendered(func(string) bool { return true })
		yes.whole, yes.float, yes.truth = func(int64) bool { return true }, func(float64) bool { return true }, func(bool) bool { return true }
		return p.Col, yes
	}
	never := rendered(func(string) bool { return false })
	return store.ColumnRef{}, never
}

func cmpTest(p store.Cmp) test {
	no := test{
		text:  func(store.Kind, string) bool { return false },
		whole: func(int64) bool { return false },
		float: func(float64) bool { return false },
		truth: func(bool) bool { return false },
	}
	ok := func(c int) bool {
		switch p.Op {
		case store.Eq:
			return c == 0
		case store.Ne:
			return c != 0
		case store.Lt:
			return c < 0
		case store.Le:
			return c <= 0
		case store.Gt:
			return c > 0
		}
		return c >= 0
	}
	floats := func(a, b float64) bool {
		if math.IsNaN(a) || math.IsNaN(b) {
			return p.Op == store.Ne
		}
		return ok(cmp.Compare(a, b))
	}
	switch p.Val.Kind {
	case store.KindString, store.KindBytes:
		no.text = func(kind store.Kind, s string) bool {
			return kind == p.Val.Kind && ok(strings.Compare(s, p.Val.Str))
		}
	case store.KindInt:
		no.whole = func(x int64) bool { return ok(cmp.Compare(x, p.Val.Int)) }
		no.float = func(x float64) bool { return floats(x, float64(p.Val.Int)) }
	case store.KindFloat:
		no.whole = func(x int64) bool { return floats(float64(x), p.Val.Flt) }
		no.float = func(x float64) bool { return floats(x, p.Val.Flt) }
	case store.KindBool:
		no.truth = func(x bool) bool {
			same := x == (p.Val.Int != 0)
			return p.Op == store.Eq && same || p.Op == store.Ne && !same
		}
	}
	return no
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

// memo remembers, for the windows of one row group, which dictionary entries
// satisfy which leaves. It may be used by several workers.
type memo struct {
	mu     sync.Mutex
	known  []memoLeaf
	mapped map[store.ColumnRef]*mapping
}

// forget drops everything.
func (m *memo) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.known)
	m.mapped = nil
}

// mapping returns what fn makes of a dictionary's entries for a column, once for
// all windows. A nil memo remembers nothing.
func (m *memo) mapping(ref store.ColumnRef, dict []string, fn func(string) store.Value) *mapping {
	if m == nil {
		return newMapping(dict, fn)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if have := m.mapped[ref]; have != nil && len(have.from) == len(dict) && unsafe.SliceData(have.from) == unsafe.SliceData(dict) {
		return have
	}
	if m.mapped == nil {
		m.mapped = map[store.ColumnRef]*mapping{}
	}
	m.mapped[ref] = newMapping(dict, fn)
	return m.mapped[ref]
}

type memoLeaf struct {
	dict  []string
	known []atomic.Uint32
}

// of returns the memo of a leaf for a dictionary, a fresh one when it is not the
// dictionary of before.
func (m *memo) of(leaf int, dict []string) []atomic.Uint32 {
	if m == nil {
		return make([]atomic.Uint32, len(dict))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &m.known[leaf]
	if len(l.dict) != len(dict) || unsafe.SliceData(l.dict) != unsafe.SliceData(dict) {
		*l = memoLeaf{dict, make([]atomic.Uint32, len(dict))}
	}
	return l.known
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// containsFold looks for sub, which is lower case, ignoring ASCII case.
func containsFold(s, sub string) bool {
	if sub == "" {
		return true
	}
	first := sub[0]
	upper := first
	if 'a' <= first && first <= 'z' {
		upper = first - 'a' + 'A'
	}
	for i := 0; i+len(sub) <= len(s); i++ {
		if c := s[i]; c != first && c != upper {
			continue
		}
		if lowerEqual(s[i:i+len(sub)], sub) {
			return true
		}
	}
	return false
}

func lowerEqual(s, lower string) bool {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
