package traceql

import "strings"

// LenientFilter reads a query that is still being typed: a comparison without its
// right side counts as true, open brackets are closed. It is nil, which filters
// nothing, when even that makes no search.
func LenientFilter(query string) *Pipeline {
	if q := strings.TrimSpace(query); q == "" || q == "{}" {
		return nil
	}
	if p, err := Parse(query); err == nil {
		return p
	}
	if len(query) > maxQueryBytes {
		return nil
	}
	toks, err := lex(query)
	if err != nil {
		return nil
	}
	var b strings.Builder
	var open []string
	at := 0
	for i, t := range toks {
		if t.kind != tOp {
			continue
		}
		switch t.text {
		case "{":
			open = append(open, "}")
		case "(":
			open = append(open, ")")
		case "}", ")":
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
		if fieldOps[t.text] == 3 && i > 0 && toks[i-1].kind == tAttr && endsOperand(toks[i+1]) && toks[i-1].pos >= at {
			b.WriteString(query[at:toks[i-1].pos] + "true ")
			at = t.pos + len(t.text)
		}
	}
	b.WriteString(query[at:])
	for i := len(open) - 1; i >= 0; i-- {
		b.WriteString(" " + open[i])
	}
	p, perr := Parse(b.String())
	if perr != nil {
		return nil
	}
	return p
}

// endsOperand tells whether a token cannot begin a value.
func endsOperand(t token) bool {
	return t.kind == tEOF || t.kind == tOp && (t.text == "&&" || t.text == "||" || t.text == "}" || t.text == ")")
}
