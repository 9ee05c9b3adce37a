package logql

import (
	"regexp/syntax"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/store"
)

// pushLabel turns a label filter into a predicate. A filter by number is exact when
// the columns of the label hold nothing but numbers; else the predicate leaves out
// what cannot pass, and the lines are judged one by one, because a text that is no
// number sets __error__.
func pushLabel(e LabelExpr, s *schema) pushedLine {
	switch e := e.(type) {
	case *LabelText:
		switch e.Matcher.Name {
		case errorLabel, detailsLabel:
			// Nothing that is pushed down sets an error.
			return pushedLine{}
		}
		if extractedName(e.Matcher.Name) {
			return pushedLine{}
		}
		p, ok := s.pushLabel(e.Matcher)
		if !ok {
			return pushedLine{}
		}
		return pushedLine{where: p, exact: true}
	case *LabelNumber:
		return pushNumber(e, s)
	case *LabelBinary:
		l, r := pushLabel(e.L, s), pushLabel(e.R, s)
		switch {
		case e.Or && (l.where == nil || r.where == nil):
			return pushedLine{}
		case e.Or:
			return pushedLine{where: store.Or{l.where, r.where}, exact: l.exact && r.exact}
		case l.where == nil:
			r.exact = false
			return r
		case r.where == nil:
			l.exact = false
			return l
		}
		return pushedLine{where: store.And{l.where, r.where}, exact: l.exact && r.exact}
	}
	return pushedLine{}
}

func extractedName(name string) bool {
	n := len(name) - len(extractedSuffix)
	return n > 0 && name[n:] == extractedSuffix
}

// present is the predicate that any of the columns has a value.
func present(cols []store.ColumnRef) store.Pred {
	var or store.Or
	for _, c := range cols {
		or = append(or, store.Exists{Col: c})
	}
	return or
}

// inverse is the comparison that fails where op holds.
var inverse = map[string]store.CmpOp{
	"==": store.Ne, "!=": store.Eq, ">": store.Le, ">=": store.Lt, "<": store.Ge, "<=": store.Gt,
}

var forward = map[string]store.CmpOp{
	"==": store.Eq, "!=": store.Ne, ">": store.Gt, ">=": store.Ge, "<": store.Lt, "<=": store.Le,
}

// pushNumber pushes a comparison with a number. A row without the label never
// passes, and one whose value is a number only if it compares.
func pushNumber(e *LabelNumber, s *schema) pushedLine {
	if inside, _ := s.inside(e.Name); extractedName(e.Name) || len(inside) > 0 {
		return pushedLine{}
	}
	cols := s.candidates(e.Name)
	if e.Unit != 'n' {
		return pushedLine{where: present(cols)}
	}
	var or store.Or
	exact, used := true, 0
	for _, c := range cols {
		if c.Scope == store.Stream && !s.streams[c.Name] {
			continue // no stream has such a label
		}
		used++
		kind := s.kinds[c]
		exact = exact && (kind == store.KindInt || kind == store.KindFloat)
		or = append(or, store.And{
			store.Exists{Col: c},
			store.Not{P: store.Cmp{Col: c, Op: inverse[e.Op], Val: store.Float(e.Val)}},
		})
	}
	// With several columns the first that has a value decides, which is left to the
	// judgement line by line. The severity's number 0 is no label.
	if exact && used == 1 {
		c := or[0].(store.And)[0].(store.Exists).Col
		return pushedLine{where: store.Cmp{Col: c, Op: forward[e.Op], Val: store.Float(e.Val)}, exact: true}
	}
	return pushedLine{where: or}
}

// alternatives are the texts that an anchored regular expression stands for, when
// there are few.
func alternatives(text string) ([]string, bool) {
	tree, err := syntax.Parse(text, syntax.Perl|syntax.DotNL)
	if err != nil {
		return nil, false
	}
	lits, ok := innerLiterals(tree.Simplify())
	if !ok {
		return nil, false
	}
	var out []string
	for _, l := range lits {
		if l.fold && hasLetter(l.text) {
			return nil, false
		}
		out = append(out, l.text)
	}
	return out, len(out) > 0
}

// anyText tells whether an anchored regular expression is .+ (any text but "").
func anyText(text string) bool { return text == ".+" }

// matchesAny is the predicate that a column's text is one of texts, none of which is
// "".
func (s *schema) matchesAny(c store.ColumnRef, texts []string) store.Pred {
	if c.Scope == store.Stream || s.kinds[c] == store.KindString {
		return store.In{Col: c, Texts: texts}
	}
	var or store.Or
	for _, t := range texts {
		or = append(or, store.TextEq{Col: c, Text: t})
	}
	return or
}

// inverseMatcher is m with = and != or =~ and !~ exchanged.
func inverseMatcher(m *labels.Matcher) (*labels.Matcher, bool) {
	inv, err := m.Inverse()
	return inv, err == nil
}
