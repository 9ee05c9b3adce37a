package logql

import (
	"slices"
	"strings"
)

// comparisons stand between a label and its value in a filter.
var comparisons = []string{"=", "==", "!=", "=~", "!~", ">", ">=", "<", "<="}

// labelExpr reads filters joined by and, or, a comma or nothing; and binds
// tighter than or.
func (p *parser) labelExpr() (LabelExpr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	l, err := p.labelAnd()
	if err != nil {
		return nil, err
	}
	for p.isWord("or") && p.startsFilter(p.i+1) {
		p.next()
		r, err := p.labelAnd()
		if err != nil {
			return nil, err
		}
		l = &LabelBinary{Or: true, L: l, R: r}
	}
	return l, nil
}

func (p *parser) labelAnd() (LabelExpr, error) {
	l, err := p.labelUnary()
	if err != nil {
		return nil, err
	}
	for {
		switch {
		case p.isWord("and") && p.startsFilter(p.i+1), p.isOp(",") && p.startsFilter(p.i+1):
			p.next()
		case p.peek().kind == tIdent && !p.isWord("or") && !p.isWord("and") && p.startsFilter(p.i):
		default:
			return l, nil
		}
		r, err := p.labelUnary()
		if err != nil {
			return nil, err
		}
		l = &LabelBinary{L: l, R: r}
	}
}

// startsFilter tells whether a label filter can start at token i.
func (p *parser) startsFilter(i int) bool {
	if i+1 >= len(p.toks) {
		return false
	}
	t, n := p.toks[i], p.toks[i+1]
	if t.kind == tOp && t.text == "(" {
		return n.kind == tIdent || n.kind == tOp && n.text == "("
	}
	return t.kind == tIdent && n.kind == tOp && slices.Contains(comparisons, n.text)
}

func (p *parser) labelUnary() (LabelExpr, error) {
	if p.takeOp("(") {
		e, err := p.labelExpr()
		if err != nil {
			return nil, err
		}
		return e, p.expectOp(")", "")
	}
	name, err := p.labelName()
	if err != nil {
		return nil, err
	}
	op := p.next()
	if op.kind != tOp || !slices.Contains(comparisons, op.text) {
		p.i--
		if op.kind == tEOF {
			p.i = len(p.toks) - 1
		}
		return nil, p.expected("a comparison (= != =~ !~ == > >= < <=)", "filter by a label with | "+name+"=\"…\"; parsers are json, logfmt, pattern, regexp and unpack")
	}
	val := p.peek()
	switch {
	case val.kind == tString:
		p.next()
		mt, ok := matchTypes[op.text]
		if !ok || op.text == "==" {
			return nil, errorAt(p.src, op.pos, "compare text with = != =~ !~; numbers are not quoted", "syntax error: unexpected %q before a string", op.text)
		}
		m, err := p.newMatcher(mt, name, val)
		if err != nil {
			return nil, err
		}
		return &LabelText{Matcher: m}, nil
	case val.kind == tIdent && strings.EqualFold(val.text, "ip") && (op.text == "=" || op.text == "!="):
		p.next()
		text, ip, err := p.ipArg()
		return &LabelIP{Name: name, Not: op.text == "!=", Text: text, ip: ip}, err
	}
	return p.labelNumber(name, op)
}

func (p *parser) labelNumber(name string, op token) (LabelExpr, error) {
	if op.text == "=~" || op.text == "!~" {
		return nil, p.expected("a string", "regular expressions are quoted")
	}
	e := &LabelNumber{Name: name, Op: op.text, Unit: 'n'}
	if e.Op == "=" {
		e.Op = "=="
	}
	sign := ""
	if p.isOp("-") || p.isOp("+") {
		if t := p.next(); t.text == "-" {
			sign = "-"
		}
	}
	t := p.peek()
	e.Text = sign + t.text
	switch t.kind {
	case tNumber:
	case tDuration:
		e.Unit = 'd'
	case tBytes:
		e.Unit = 'b'
	default:
		return nil, p.expected("a string, number, duration or size", "quote text")
	}
	p.next()
	text := t.text
	v, err := e.constant(text)
	if err != nil {
		return nil, errorAt(p.src, t.pos, "", "%s", err)
	}
	if sign == "-" {
		v = -v
	}
	e.Val = v
	return e, nil
}

// filterAfterUnwrap reads | label filters behind unwrap.
func (p *parser) filterAfterUnwrap() ([]*LabelFilter, error) {
	var out []*LabelFilter
	for p.takeOp("|") {
		e, err := p.labelExpr()
		if err != nil {
			return nil, err
		}
		out = append(out, &LabelFilter{Expr: e})
	}
	return out, nil
}
