package pattern

import "strings"

// group is what is between a bracket and the one that closes it.
type group struct {
	open, close           int32 // close is -1 where nothing closes it
	commas, colons, words int32 // between its items, not in inner groups
	pairs                 bool  // it has key=value
}

const (
	// maxGroups bounds the brackets of a line that are matched.
	maxGroups = 64
	// maxNested bounds how deep they are.
	maxNested = 16
)

// match finds, in one pass, where every bracket is closed and what is in it.
func (s *scanner) match() {
	var stack [maxNested]int32
	depth := 0
	inner := func() *group {
		if depth == 0 || depth > maxNested || stack[depth-1] < 0 {
			return nil
		}
		return &s.groups[stack[depth-1]]
	}
	space := true
	for i := 0; i < len(s.text); i++ {
		kind := kinds[s.text[i]]
		if kind == inWord || kind == isDigit {
			if space {
				if g := inner(); g != nil {
					g.words++
				}
				space = false
			}
			continue
		}
		switch c := s.text[i]; c {
		case '(', '[', '{':
			at := int32(-1)
			if s.count < maxGroups && depth < maxNested {
				at = int32(s.count)
				s.groups[s.count] = group{open: int32(i), close: -1}
				s.count++
			}
			if depth < maxNested {
				stack[depth] = at
			}
			depth++
			space = true
		case ')', ']', '}':
			if g := inner(); g != nil {
				g.close = int32(i)
			}
			depth = max(0, depth-1)
		case ' ', '\t', '\r':
			space = true
		case ',':
			if g := inner(); g != nil {
				g.commas++
			}
		case '=':
			if g := inner(); g != nil && i > 0 && s.text[i-1] != ' ' && s.text[i-1] != '=' && int(g.open) != i-1 {
				g.pairs = true
			}
		}
		if c := s.text[i]; c == '"' {
			space = true
		}
	}
	// Colons are part of words for everything else.
	for k := range s.count {
		if g := &s.groups[k]; g.close >= 0 && g.commas > 0 && !g.pairs {
			g.colons = int32(strings.Count(s.text[g.open:g.close], ":"))
		}
	}
}

// groupAt returns the group that begins at i, nil when it was not matched.
func (s *scanner) groupAt(i int) *group {
	for s.next < s.count && int(s.groups[s.next].open) < i {
		s.next++
	}
	if s.next < s.count && int(s.groups[s.next].open) == i {
		return &s.groups[s.next]
	}
	return nil
}

// isList tells of "a, b", "k=v" and "k: v, …": data, not words of a statement.
func (g *group) isList() bool {
	switch {
	case g.pairs:
		return true
	case g.commas == 0:
		return false
	case g.colons > g.commas:
		return true
	}
	// Clauses of a sentence have more words between commas than items of a list.
	return g.words <= 2*(g.commas+1)
}
