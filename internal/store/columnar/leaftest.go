package columnar

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"hinomi/internal/store"
)

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
		var literals []finder
		for _, l := range requiredLiterals(p.Re) {
			literals = append(literals, newFinder(l))
		}
		return p.Col, rendered(func(s string) bool {
			for i := range literals {
				if !literals[i].in(s) {
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
		f := newFinder(p.Sub)
		return p.Col, rendered(f.in)
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
