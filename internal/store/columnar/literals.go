package columnar

import (
	"regexp"
	"regexp/syntax"
)

// requiredLiterals returns texts that every match of re contains, so that a
// cheap search, or an index, can rule a text out. Literals that ignore case are
// not among them.
func requiredLiterals(re *regexp.Regexp) []string {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil
	}
	return literalsOf(parsed.Simplify(), nil)
}

func literalsOf(re *syntax.Regexp, found []string) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			found = append(found, string(re.Rune))
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			found = literalsOf(sub, found)
		}
	case syntax.OpCapture, syntax.OpPlus:
		found = literalsOf(re.Sub[0], found)
	case syntax.OpRepeat:
		if re.Min > 0 {
			found = literalsOf(re.Sub[0], found)
		}
	}
	return found
}
