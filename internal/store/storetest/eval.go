package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hinomi/internal/store"
)

// Eval tells whether row r satisfies p, to the letter of the comments at
// store.Pred. It is the oracle that engines are compared to.
func Eval(p store.Pred, r Row) bool {
	switch p := p.(type) {
	case store.And:
		for _, q := range p {
			if !Eval(q, r) {
				return false
			}
		}
		return true
	case store.Or:
		for _, q := range p {
			if Eval(q, r) {
				return true
			}
		}
		return false
	case store.Not:
		return !Eval(p.P, r)
	case store.True:
		return true
	case store.Exists:
		return r[p.Col].Kind != store.KindNull
	case store.TextEq:
		return r[p.Col].String() == p.Text
	case store.In:
		v := r[p.Col]
		return (v.Kind == store.KindString || v.Kind == store.KindBytes) && slices.Contains(p.Texts, v.Str)
	case store.Match:
		v := r[p.Col]
		return v.Kind != store.KindNull && p.Re.MatchString(v.String())
	case store.Contains:
		v := r[p.Col]
		if v.Kind == store.KindNull {
			return false
		}
		if p.Fold {
			return strings.Contains(asciiLower(v.String()), asciiLower(p.Sub))
		}
		return strings.Contains(v.String(), p.Sub)
	case store.Cmp:
		return compare(r[p.Col], p.Op, p.Val)
	}
	panic(fmt.Sprintf("storetest: unknown predicate %T", p))
}

func asciiLower(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

func compare(v store.Value, op store.CmpOp, c store.Value) bool {
	if v.Kind == store.KindNull {
		return false
	}
	a, aNum := v.Number()
	b, bNum := c.Number()
	switch {
	case v.Kind == store.KindInt && c.Kind == store.KindInt:
		return ordered(v.Int, op, c.Int)
	case aNum && bNum:
		return ordered(a, op, b)
	case v.Kind != c.Kind:
		return false
	case v.Kind == store.KindBool:
		return ordered(v.Int, op, c.Int)
	}
	return ordered(v.Str, op, c.Str)
}

func ordered[T cmp.Ordered](a T, op store.CmpOp, b T) bool {
	switch op {
	case store.Eq:
		return a == b
	case store.Ne:
		return a != b
	case store.Lt:
		return a < b
	case store.Le:
		return a <= b
	case store.Gt:
		return a > b
	}
	return a >= b
}
