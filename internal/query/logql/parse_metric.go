package logql

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// rangeOps are the range aggregations; the value tells what they need.
var rangeOps = map[string]struct{ unwrap, grouping, param bool }{
	"rate": {}, "count_over_time": {}, "bytes_rate": {}, "bytes_over_time": {}, "absent_over_time": {},
	"rate_counter":       {unwrap: true},
	"sum_over_time":      {unwrap: true},
	"avg_over_time":      {unwrap: true, grouping: true},
	"min_over_time":      {unwrap: true, grouping: true},
	"max_over_time":      {unwrap: true, grouping: true},
	"stdvar_over_time":   {unwrap: true, grouping: true},
	"stddev_over_time":   {unwrap: true, grouping: true},
	"first_over_time":    {unwrap: true, grouping: true},
	"last_over_time":     {unwrap: true, grouping: true},
	"quantile_over_time": {unwrap: true, grouping: true, param: true},
}

// vectorOps are the vector aggregations; true when they take a parameter.
var vectorOps = map[string]bool{
	"sum": false, "avg": false, "min": false, "max": false, "count": false, "stddev": false, "stdvar": false,
	"sort": false, "sort_desc": false, "topk": true, "bottomk": true, "approx_topk": true,
	// quantile is PromQL's; Loki has none.
	"quantile": true,
}

var precedence = map[string]int{
	"or": 1, "and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

func isComparison(op string) bool { return precedence[op] == 3 }
func isSetOp(op string) bool      { return op == "or" || op == "and" || op == "unless" }

func (p *parser) binaryOp() (string, int) {
	t := p.peek()
	if t.kind != tOp && t.kind != tIdent {
		return "", 0
	}
	op := strings.ToLower(t.text)
	return op, precedence[op]
}

// binary reads an expression whose operators bind at least as tight as minPrec.
func (p *parser) binary(minPrec int) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	l, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		op, prec := p.binaryOp()
		if prec == 0 || prec < minPrec {
			return l, nil
		}
		opTok := p.next()
		b := &BinOp{Op: op, Left: l}
		if err := p.modifiers(b); err != nil {
			return nil, err
		}
		next := prec + 1
		if op == "^" {
			next = prec // right associative
		}
		if b.Rght, err = p.binary(next); err != nil {
			return nil, err
		}
		if err := p.checkBinary(b, opTok); err != nil {
			return nil, err
		}
		l = b
	}
}

func (p *parser) checkBinary(b *BinOp, t token) error {
	for _, e := range []Expr{b.Left, b.Rght} {
		if _, ok := e.(*LogExpr); ok {
			return errorAt(p.src, t.pos, "wrap the selector in a function such as rate({…}[5m])", "unexpected type for operand of binary operation (%s): log query", b.Op)
		}
		if _, ok := e.(*Literal); ok && isSetOp(b.Op) {
			return errorAt(p.src, t.pos, "", "unexpected literal for operand of logical/set binary operation (%s)", b.Op)
		}
	}
	return nil
}

func (p *parser) modifiers(b *BinOp) error {
	if p.isWord("bool") {
		t := p.next()
		if !isComparison(b.Op) {
			return errorAt(p.src, t.pos, "", "bool modifier can only be used on comparison operators")
		}
		b.Bool = true
	}
	var err error
	if p.isWord("on") || p.isWord("ignoring") {
		b.On = strings.EqualFold(p.next().text, "on")
		b.Match = true
		if b.Labels, err = p.labelList(); err != nil {
			return err
		}
		if p.isWord("group_left") || p.isWord("group_right") {
			t := p.next()
			b.Group = strings.TrimPrefix(strings.ToLower(t.text), "group_")
			if isSetOp(b.Op) {
				return errorAt(p.src, t.pos, "", "no grouping allowed for %q operation", b.Op)
			}
			if p.isOp("(") && p.labelListAhead() {
				if b.Include, err = p.labelList(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// labelListAhead tells a label list in parentheses from a parenthesised operand.
func (p *parser) labelListAhead() bool {
	for i := p.i + 1; i < len(p.toks); i++ {
		t := p.toks[i]
		switch {
		case t.kind == tOp && t.text == ")":
			return true
		case t.kind == tIdent, t.kind == tOp && t.text == ",":
		default:
			return false
		}
	}
	return false
}

func (p *parser) labelList() ([]string, error) {
	if err := p.expectOp("(", ""); err != nil {
		return nil, err
	}
	var out []string
	for !p.isOp(")") {
		name, err := p.labelName()
		if err != nil {
			return nil, err
		}
		out = append(out, name)
		if !p.takeOp(",") {
			break
		}
	}
	return out, p.expectOp(")", "labels are separated by commas")
}

func (p *parser) unary() (Expr, error) {
	t := p.peek()
	switch {
	case t.kind == tOp && t.text == "{":
		return p.logExpr()
	case t.kind == tOp && t.text == "(":
		p.next()
		e, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		return e, p.expectOp(")", "")
	case t.kind == tNumber:
		p.next()
		v, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, errorAt(p.src, t.pos, "", "%s", err)
		}
		return &Literal{Val: v}, nil
	case t.kind == tOp && (t.text == "-" || t.text == "+"):
		p.next()
		n := p.peek()
		if n.kind != tNumber {
			return nil, p.expected("a number", "to negate a query multiply it by -1")
		}
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		if l, ok := e.(*Literal); ok && t.text == "-" {
			l.Val = -l.Val
		}
		return e, nil
	case t.kind == tIdent:
		return p.call()
	}
	return nil, p.expected("a selector or a function", "a query starts with a selector such as {service_name=\"gateway\"} or a function such as rate(…)")
}

func (p *parser) logExpr() (*LogExpr, error) {
	m, err := p.selector()
	if err != nil {
		return nil, err
	}
	s, err := p.pipeline()
	if err != nil {
		return nil, err
	}
	if p.isOp("|") {
		return nil, errorAt(p.src, p.peek().pos, "use it inside a function: avg_over_time({…} | unwrap x [5m])", "syntax error: unexpected unwrap in a log query")
	}
	return &LogExpr{Matchers: m, Stages: s}, nil
}

func (p *parser) call() (Expr, error) {
	t := p.peek()
	name := strings.ToLower(t.text)
	if _, ok := rangeOps[name]; ok {
		p.next()
		return p.rangeAgg(name, t)
	}
	if _, ok := vectorOps[name]; ok {
		p.next()
		return p.vectorAgg(name, t)
	}
	switch name {
	case "vector":
		p.next()
		if err := p.expectOp("(", ""); err != nil {
			return nil, err
		}
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		l, ok := e.(*Literal)
		if !ok {
			return nil, errorAt(p.src, t.pos, "write vector(1)", "vector() takes a number")
		}
		return &VectorLit{Val: l.Val}, p.expectOp(")", "")
	case "label_replace":
		p.next()
		return p.labelReplace()
	}
	return nil, p.unexpected(t, suggest(name))
}

// suggest names the function that was probably meant.
func suggest(name string) string {
	for known := range rangeOps {
		if strings.HasPrefix(known, name) || known == name+"_over_time" {
			return "did you mean " + known + "?"
		}
	}
	return "a query starts with a selector such as {service_name=\"gateway\"} or a function such as rate(…)"
}

func (p *parser) grouping() (*Grouping, error) {
	if !p.isWord("by") && !p.isWord("without") {
		return nil, nil
	}
	g := &Grouping{Without: strings.EqualFold(p.next().text, "without")}
	var err error
	g.Labels, err = p.labelList()
	return g, err
}

func (p *parser) number() (float64, error) {
	sign := 1.0
	if p.takeOp("-") {
		sign = -1
	}
	t := p.peek()
	if t.kind != tNumber {
		return 0, p.expected("a number", "")
	}
	p.next()
	v, err := strconv.ParseFloat(t.text, 64)
	return sign * v, err
}

func (p *parser) vectorAgg(name string, at token) (Expr, error) {
	e := &VectorAgg{Op: name}
	var err error
	if e.Grouping, err = p.grouping(); err != nil {
		return nil, err
	}
	if err := p.expectOp("(", ""); err != nil {
		return nil, err
	}
	if vectorOps[name] {
		k, err := p.number()
		if err != nil {
			return nil, p.expected("a number", "parameter required for operation "+name)
		}
		switch {
		case name == "quantile":
		case k < 1:
			return nil, errorAt(p.src, at.pos, "", "invalid parameter (must be greater than 0) %s(%s", name, formatNumber(k))
		case k != math.Trunc(k) || k > math.MaxInt32:
			return nil, errorAt(p.src, at.pos, "write a whole number", "invalid parameter %s(%s,", name, formatNumber(k))
		}
		e.Param = &k
		if err := p.expectOp(",", "write "+name+"(10, rate(…))"); err != nil {
			return nil, err
		}
	}
	if e.Expr, err = p.binary(0); err != nil {
		return nil, err
	}
	switch e.Expr.(type) {
	case *LogExpr:
		return nil, errorAt(p.src, at.pos, "write "+name+"(rate({…}[5m]))", "syntax error: %s aggregates a metric query, got a log query", name)
	case *Literal:
		return nil, errorAt(p.src, at.pos, "", "syntax error: %s aggregates a vector, got a number", name)
	}
	if err := p.expectOp(")", ""); err != nil {
		return nil, err
	}
	if e.Grouping == nil {
		if e.Grouping, err = p.grouping(); err != nil {
			return nil, err
		}
	}
	if e.Grouping != nil && (name == "sort" || name == "sort_desc" || name == "approx_topk") {
		return nil, errorAt(p.src, at.pos, "", "grouping not allowed for %s aggregation", name)
	}
	return e, nil
}

func (p *parser) labelReplace() (Expr, error) {
	if err := p.expectOp("(", ""); err != nil {
		return nil, err
	}
	e := &LabelReplace{}
	var err error
	at := p.peek()
	if e.Expr, err = p.binary(0); err != nil {
		return nil, err
	}
	if _, ok := e.Expr.(*LogExpr); ok {
		return nil, errorAt(p.src, at.pos, "", "syntax error: label_replace takes a metric query, got a log query")
	}
	if _, ok := e.Expr.(*Literal); ok {
		return nil, errorAt(p.src, at.pos, "", "syntax error: label_replace takes a vector, got a number")
	}
	for _, dst := range []*string{&e.Dst, &e.Replacement, &e.Src, &e.Text} {
		if err := p.expectOp(",", "label_replace(query, dst, replacement, src, regex)"); err != nil {
			return nil, err
		}
		at = p.peek()
		t, err := p.stringLit("")
		if err != nil {
			return nil, err
		}
		*dst = t.text
	}
	if e.Re, err = regexp.Compile("^(?:" + e.Text + ")$"); err != nil {
		return nil, errorAt(p.src, at.pos, "", "%s", err)
	}
	return e, p.expectOp(")", "")
}
