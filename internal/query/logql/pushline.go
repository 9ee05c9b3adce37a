package logql

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"hinomi/internal/store"
)

// pushedLine is what a scan can do for a line filter. Where is nil when it can do
// nothing; unless Exact, lines that satisfy Where have to be judged still.
type pushedLine struct {
	where store.Pred
	exact bool
}

// pushLine turns a line filter into a predicate over the body.
func pushLine(f *LineFilter) pushedLine {
	negated := f.Op[0] == '!'
	out := pushedLine{exact: true}
	var or store.Or
	for _, m := range f.Any {
		p := m.push()
		out.exact = out.exact && p.exact
		if p.where == nil {
			return pushedLine{}
		}
		or = append(or, p.where)
	}
	if negated && !out.exact {
		return pushedLine{} // The opposite of a superset excludes too much.
	}
	out.where = or
	if len(or) == 1 {
		out.where = or[0]
	}
	if negated {
		out.where = store.Not{P: out.where}
	}
	return out
}

func (m *LineMatch) push() pushedLine {
	switch {
	case m.IP:
		if text := m.ip.commonText(); text != "" {
			return pushedLine{where: contains(text, false)}
		}
		return pushedLine{}
	case m.pattern != nil:
		var and store.And
		for _, n := range m.pattern.nodes {
			if !n.capture {
				and = append(and, contains(n.literal, false))
			}
		}
		if len(and) == 0 {
			return pushedLine{}
		}
		return pushedLine{where: and}
	case m.re != nil:
		return pushedLine{where: pushRegexp(m.re), exact: true}
	}
	return pushedLine{where: contains(m.Text, false), exact: true}
}

// contains is a substring search over the body; the empty string is in every line.
func contains(text string, fold bool) store.Pred {
	if text == "" {
		return store.True{}
	}
	return store.Contains{Col: store.Col(store.ColBody), Sub: text, Fold: fold}
}

// maxAlternatives bounds the substring searches that a regular expression becomes:
// one automaton is cheaper than very many searches.
const maxAlternatives = 16

// pushRegexp is a predicate over the body that is equal to an unanchored regular
// expression. One that is a literal, or an alternation of literals, becomes
// substring searches; one that holds a literal is preceded by a search for it,
// which indexes answer and which is cheaper than the automaton.
func pushRegexp(re *regexp.Regexp) store.Pred {
	match := store.Match{Col: store.Col(store.ColBody), Re: re}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return match
	}
	tree = tree.Simplify()
	if lits, ok := literals(trimAny(tree)); ok {
		var or store.Or
		for _, l := range lits {
			or = append(or, contains(l.text, l.fold))
		}
		if len(or) == 1 {
			return or[0]
		}
		return or
	}
	if l := longestLiteral(tree); len(l.text) > 1 {
		return store.And{contains(l.text, l.fold), match}
	}
	return match
}

// literal is a text to search for.
type literal struct {
	text string
	fold bool // ASCII case does not matter
}

// literalOf reads a literal node. Folding is ASCII's in the store, so a text beyond
// it that folds is none.
func literalOf(n *syntax.Regexp) (literal, bool) {
	if n.Op != syntax.OpLiteral {
		return literal{}, false
	}
	l := literal{string(n.Rune), n.Flags&syntax.FoldCase != 0}
	if strings.ContainsRune(l.text, utf8.RuneError) {
		return literal{}, false
	}
	if l.fold {
		for _, r := range l.text {
			if r >= utf8.RuneSelf {
				return literal{}, false
			}
		}
	}
	return l, true
}

// literals are the texts of which a line must hold one, when that is all that the
// expression says.
func literals(n *syntax.Regexp) ([]literal, bool) {
	switch n.Op {
	case syntax.OpEmptyMatch:
		return []literal{{}}, true
	case syntax.OpLiteral:
		l, ok := literalOf(n)
		return []literal{l}, ok
	case syntax.OpCapture:
		return literals(trimAny(n.Sub[0]))
	case syntax.OpCharClass:
		return classLiterals(n)
	case syntax.OpAlternate:
		var out []literal
		for _, s := range n.Sub {
			l, ok := literals(trimAny(s))
			if !ok {
				return nil, false
			}
			out = append(out, l...)
		}
		return out, len(out) <= maxAlternatives
	case syntax.OpConcat:
		return concatLiterals(n)
	}
	return nil, false
}

// classLiterals are the characters of a small class such as [ab].
func classLiterals(n *syntax.Regexp) ([]literal, bool) {
	var out []literal
	for i := 0; i+1 < len(n.Rune); i += 2 {
		if n.Rune[i+1]-n.Rune[i] >= maxAlternatives {
			return nil, false
		}
		for r := n.Rune[i]; r <= n.Rune[i+1]; r++ {
			out = append(out, literal{text: string(r)})
		}
	}
	return out, len(out) > 0 && len(out) <= maxAlternatives
}

// concatLiterals multiplies alternatives that follow each other: the parser factors
// common beginnings out, foo|fob is fo(?:o|b).
func concatLiterals(n *syntax.Regexp) ([]literal, bool) {
	out := []literal{{}}
	for _, s := range n.Sub {
		var next []literal
		var ok bool
		if s.Op == syntax.OpCapture || s.Op == syntax.OpAlternate || s.Op == syntax.OpConcat {
			// Inside, .* at an edge is none of the whole expression's edge.
			if next, ok = innerLiterals(s); !ok {
				return nil, false
			}
		} else if next, ok = literals(s); !ok {
			return nil, false
		}
		if len(out)*len(next) > maxAlternatives {
			return nil, false
		}
		var all []literal
		for _, a := range out {
			for _, b := range next {
				if a.fold != b.fold && hasLetter(a.text) && hasLetter(b.text) {
					return nil, false
				}
				all = append(all, literal{a.text + b.text, a.fold || b.fold})
			}
		}
		out = all
	}
	return out, true
}

// hasLetter tells whether case can matter.
func hasLetter(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf || isIdentStart(byte(r)) && r != '_' })
}

// innerLiterals is literals for a part in the middle of an expression.
func innerLiterals(n *syntax.Regexp) ([]literal, bool) {
	switch n.Op {
	case syntax.OpCapture:
		return innerLiterals(n.Sub[0])
	case syntax.OpAlternate:
		var out []literal
		for _, s := range n.Sub {
			l, ok := innerLiterals(s)
			if !ok {
				return nil, false
			}
			out = append(out, l...)
		}
		return out, len(out) <= maxAlternatives
	case syntax.OpConcat:
		return concatLiterals(n)
	}
	return literals(n)
}

// trimAny takes .* and its like off the edges, where they change nothing: the match
// may begin and end anywhere.
func trimAny(n *syntax.Regexp) *syntax.Regexp {
	if isAny(n) {
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	if n.Op != syntax.OpConcat {
		return n
	}
	sub := n.Sub
	for len(sub) > 0 && isAny(sub[0]) {
		sub = sub[1:]
	}
	for len(sub) > 0 && isAny(sub[len(sub)-1]) {
		sub = sub[:len(sub)-1]
	}
	switch len(sub) {
	case 0:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case 1:
		return sub[0]
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: sub, Flags: n.Flags}
}

func isAny(n *syntax.Regexp) bool {
	switch n.Op {
	case syntax.OpStar, syntax.OpQuest:
		return true // may match nothing, whatever it repeats
	case syntax.OpCapture:
		return isAny(n.Sub[0])
	}
	return false
}

// longestLiteral is the longest text that every match must hold.
func longestLiteral(n *syntax.Regexp) literal {
	switch n.Op {
	case syntax.OpLiteral:
		l, _ := literalOf(n)
		return l
	case syntax.OpCapture, syntax.OpPlus:
		return longestLiteral(n.Sub[0])
	case syntax.OpRepeat:
		if n.Min > 0 {
			return longestLiteral(n.Sub[0])
		}
	case syntax.OpConcat:
		var best literal
		for _, s := range n.Sub {
			if l := longestLiteral(s); len(l.text) > len(best.text) {
				best = l
			}
		}
		return best
	}
	return literal{}
}
