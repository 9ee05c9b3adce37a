package traceql

import (
	"regexp"
	"slices"
	"strings"
)

// Bounds of what the parser takes.
const (
	maxQueryBytes = 128 << 10
	maxDepth      = 100
)

type parser struct {
	src   string
	toks  []token
	i     int
	depth int
}

// Parse reads a query. The error is a *ParseError.
func Parse(query string) (*Pipeline, error) {
	if len(query) > maxQueryBytes {
		return nil, errorAt(query, 0, "", "query is longer than %d bytes", maxQueryBytes)
	}
	toks, lexErr := lex(query)
	if lexErr != nil {
		return nil, lexErr
	}
	p := &parser{src: query, toks: toks}
	pipe, err := p.pipeline()
	if err != nil {
		return nil, err
	}
	if p.word("with") {
		if err := p.hints(); err != nil {
			return nil, err
		}
	}
	if t := p.peek(); t.kind != tEOF {
		return nil, p.unexpected("")
	}
	return pipe, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tEOF {
		p.i++
	}
	return t
}

func (p *parser) op(text string) bool {
	if t := p.peek(); t.kind == tOp && t.text == text {
		p.i++
		return true
	}
	return false
}

func (p *parser) isOp(texts ...string) bool {
	t := p.peek()
	return t.kind == tOp && slices.Contains(texts, t.text)
}

func (p *parser) word(text string) bool {
	if t := p.peek(); t.kind == tWord && t.text == text {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(text, hint string) error {
	if p.op(text) {
		return nil
	}
	return errorAt(p.src, p.peek().pos, hint, "syntax error: unexpected %s, expecting %q", p.peek().describe(), text)
}

func (p *parser) unexpected(hint string) error {
	return errorAt(p.src, p.peek().pos, hint, "syntax error: unexpected %s", p.peek().describe())
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return errorAt(p.src, p.peek().pos, "split the query", "query is nested deeper than %d levels", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// hints reads with (key=value, …). They tune Tempo's execution and change no
// answer, so they are accepted and not kept.
func (p *parser) hints() error {
	if err := p.expect("(", ""); err != nil {
		return err
	}
	for !p.isOp(")") {
		if t := p.next(); t.kind != tWord {
			p.i = max(0, p.i-1)
			return p.unexpected("write with (most_recent=true)")
		}
		if err := p.expect("=", ""); err != nil {
			return err
		}
		if t := p.next(); t.kind == tEOF || t.kind == tOp {
			return p.unexpected("")
		}
		if !p.op(",") {
			break
		}
	}
	return p.expect(")", "")
}

func (p *parser) pipeline() (*Pipeline, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	out := &Pipeline{}
	for {
		e, err := p.element(len(out.Elems) == 0)
		if err != nil {
			return nil, err
		}
		out.Elems = append(out.Elems, e)
		if !p.op("|") {
			return out, nil
		}
	}
}

// metricFunctions belong to TraceQL metrics.
var metricFunctions = []string{
	"rate", "count_over_time", "min_over_time", "max_over_time", "avg_over_time", "sum_over_time",
	"quantile_over_time", "histogram_over_time", "compare", "topk", "bottomk",
}

const elementHint = "a query starts with a spanset such as { span.http.status_code = 500 }"

func (p *parser) element(first bool) (Element, error) {
	t := p.peek()
	switch {
	case t.kind == tOp && (t.text == "{" || t.text == "(" && p.spansetAhead()):
		return p.spanset(0)
	case t.kind == tWord && slices.Contains(metricFunctions, t.text):
		return nil, errorAt(p.src, t.pos, "search with a spanset; metrics of spans are in PromQL as traces_spanmetrics_*", "%s() makes a metrics query, which the search does not answer", t.text)
	case t.kind == tWord && t.text == "by":
		p.next()
		if err := p.expect("(", ""); err != nil {
			return nil, err
		}
		e, err := p.field(0)
		if err != nil {
			return nil, err
		}
		return &GroupBy{Expr: e}, p.expect(")", "")
	case t.kind == tWord && t.text == "coalesce":
		p.next()
		if err := p.expect("(", ""); err != nil {
			return nil, err
		}
		return &Coalesce{}, p.expect(")", "")
	case t.kind == tWord && t.text == "select":
		p.next()
		return p.selection()
	case first && t.kind != tWord && t.kind != tInt && t.kind != tOp && t.kind != tFloat && t.kind != tDuration:
		return nil, p.unexpected(elementHint)
	}
	return p.scalarFilter()
}

// spansetAhead tells whether the parentheses here hold spansets: the first thing
// inside of them is a brace, or by.
func (p *parser) spansetAhead() bool {
	for _, t := range p.toks[p.i:] {
		if t.kind != tOp || t.text != "(" {
			return t.kind == tOp && t.text == "{" || t.kind == tWord && (t.text == "by" || t.text == "select")
		}
	}
	return false
}

func (p *parser) selection() (Element, error) {
	if err := p.expect("(", ""); err != nil {
		return nil, err
	}
	s := &Select{}
	for {
		t := p.next()
		if t.kind != tAttr {
			p.i -= min(1, p.i)
			return nil, p.unexpected("select takes attributes: select(span.http.url, name)")
		}
		s.Attrs = append(s.Attrs, t.attr)
		if !p.op(",") {
			return s, p.expect(")", "")
		}
	}
}

// spansetOps and their precedence, loosest first.
var spansetOps = map[string]int{
	"||": 1, "&&": 1,
	">": 2, ">>": 2, "<": 2, "<<": 2, "~": 2,
	"!>": 2, "!>>": 2, "!<": 2, "!<<": 2, "!~": 2,
	"&>": 2, "&>>": 2, "&<": 2, "&<<": 2, "&~": 2,
}

func (p *parser) spanset(minPrec int) (Element, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	l, err := p.spansetOperand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		prec := spansetOps[t.text]
		if t.kind != tOp || prec == 0 || prec < minPrec {
			return l, nil
		}
		p.next()
		if !p.isOp("{", "(") {
			return nil, p.unexpected("spansets are combined with spansets: { … } " + t.text + " { … }; conditions on one span go inside of the braces")
		}
		r, err := p.spanset(prec + 1)
		if err != nil {
			return nil, err
		}
		l = &SpansetOp{Op: t.text, L: l, R: r}
	}
}

func (p *parser) spansetOperand() (Element, error) {
	if p.op("(") {
		pipe, err := p.pipeline()
		if err != nil {
			return nil, err
		}
		if err := p.expect(")", ""); err != nil {
			return nil, err
		}
		if len(pipe.Elems) == 1 {
			return pipe.Elems[0], nil
		}
		return pipe, nil
	}
	if err := p.expect("{", elementHint); err != nil {
		return nil, err
	}
	if p.op("}") {
		return &SpansetFilter{}, nil
	}
	e, err := p.field(0)
	if err != nil {
		return nil, err
	}
	if err := p.expect("}", "conditions are joined with && and ||"); err != nil {
		return nil, err
	}
	return &SpansetFilter{Expr: e}, nil
}

// fieldOps and their precedence inside of braces. As in Tempo's grammar && and ||
// bind alike, from left to right.
var fieldOps = map[string]int{
	"||": 1, "&&": 1,
	"=": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "=~": 3, "!~": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

func (p *parser) field(minPrec int) (FieldExpr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	l, err := p.fieldOperand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		prec := fieldOps[t.text]
		if t.kind != tOp || prec == 0 || prec < minPrec {
			return l, nil
		}
		p.next()
		next := prec + 1
		if t.text == "^" {
			next = prec
		}
		at := p.peek()
		r, err := p.field(next)
		if err != nil {
			return nil, err
		}
		b := &Binary{Op: t.text, L: l, R: r}
		if t.text == "=~" || t.text == "!~" {
			s, ok := r.(*Static)
			if !ok || s.Type != TypeString {
				return nil, errorAt(p.src, at.pos, "quote the regular expression", "%s needs a string", t.text)
			}
			if b.re, err = regexp.Compile("^(?:" + s.Str + ")$"); err != nil {
				return nil, errorAt(p.src, at.pos, "", "%s", err)
			}
		}
		if err := p.check(b, t); err != nil {
			return nil, err
		}
		l = b
	}
}

// check refuses operations that can never be true because of their types.
func (p *parser) check(b *Binary, t token) error {
	lt, lok := typeOf(b.L)
	rt, rok := typeOf(b.R)
	if !lok || !rok || lt == rt || lt == TypeNil || rt == TypeNil {
		return nil
	}
	num := func(x Type) bool { return x == TypeInt || x == TypeFloat || x == TypeDuration }
	if num(lt) && num(rt) || fieldOps[b.Op] < 3 {
		return nil
	}
	hint := ""
	switch {
	case lt == TypeStatus || rt == TypeStatus:
		hint = "status is one of ok, error, unset, without quotes"
	case lt == TypeKind || rt == TypeKind:
		hint = "kind is one of server, client, internal, producer, consumer, unspecified, without quotes"
	case lt == TypeDuration || rt == TypeDuration:
		hint = "write a duration such as 100ms"
	}
	return errorAt(p.src, t.pos, hint, "binary operations must operate on the same type: %s", b.String())
}

// typeOf is the type of an expression when the query alone decides it.
func typeOf(e FieldExpr) (Type, bool) {
	switch e := e.(type) {
	case *Static:
		return e.Type, true
	case *Attribute:
		if e.Scope != ScopeIntrinsic {
			return 0, false
		}
		switch e.Name {
		case "status":
			return TypeStatus, true
		case "kind":
			return TypeKind, true
		case "duration", "traceDuration", "event:timeSinceStart":
			return TypeDuration, true
		case "childCount", "nestedSetParent", "nestedSetLeft", "nestedSetRight":
			return TypeInt, true
		case "parent":
			return 0, false
		}
		return TypeString, true
	case *Binary:
		if fieldOps[e.Op] <= 3 {
			return TypeBool, true
		}
	}
	return 0, false
}

func (p *parser) fieldOperand() (FieldExpr, error) {
	t := p.peek()
	switch t.kind {
	case tAttr:
		p.next()
		return t.attr, nil
	case tString:
		p.next()
		s := strStatic(t.text)
		return &s, nil
	case tInt, tFloat, tDuration:
		p.next()
		v := t.val
		return &v, nil
	case tWord:
		if s, ok := wordStatic(t.text); ok {
			p.next()
			return &s, nil
		}
		hint := "attributes start with a dot or their scope: ." + t.text + ", span." + t.text + " or resource." + t.text
		return nil, errorAt(p.src, t.pos, hint, "unknown identifier: %s", t.text)
	case tOp:
		switch t.text {
		case "(":
			p.next()
			e, err := p.field(0)
			if err != nil {
				return nil, err
			}
			return e, p.expect(")", "")
		case "!", "-":
			p.next()
			if err := p.enter(); err != nil {
				return nil, err
			}
			defer p.leave()
			prec := 6
			x, err := p.field(prec)
			if err != nil {
				return nil, err
			}
			if s, ok := x.(*Static); ok && t.text == "-" {
				switch s.Type {
				case TypeInt, TypeDuration:
					return &Static{Type: s.Type, Int: -s.Int}, nil
				case TypeFloat:
					return &Static{Type: s.Type, Flt: -s.Flt}, nil
				}
			}
			return &Unary{Op: t.text, X: x}, nil
		}
	}
	return nil, p.unexpected("compare an attribute with a value: { span.http.status_code = 500 }")
}

func wordStatic(w string) (Static, bool) {
	switch w {
	case "true", "false":
		return boolStatic(w == "true"), true
	case "nil":
		return Static{}, true
	}
	if i := slices.Index(statusNames, w); i >= 0 {
		return Static{Type: TypeStatus, Int: int64(i)}, true
	}
	if i := slices.Index(kindNames, w); i >= 0 {
		return Static{Type: TypeKind, Int: int64(i)}, true
	}
	return Static{}, false
}

func (p *parser) scalarFilter() (Element, error) {
	l, err := p.scalar(4)
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if t.kind != tOp || fieldOps[t.text] != 3 || strings.HasSuffix(t.text, "~") {
		return nil, p.unexpected("compare the value: count() > 3")
	}
	p.next()
	r, err := p.scalar(4)
	if err != nil {
		return nil, err
	}
	return &ScalarFilter{Op: t.text, L: l, R: r}, nil
}

func (p *parser) scalar(minPrec int) (ScalarExpr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	l, err := p.scalarOperand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		prec := fieldOps[t.text]
		if t.kind != tOp || prec < minPrec {
			return l, nil
		}
		p.next()
		next := prec + 1
		if t.text == "^" {
			next = prec
		}
		r, err := p.scalar(next)
		if err != nil {
			return nil, err
		}
		l = &ScalarOp{Op: t.text, L: l, R: r}
	}
}

func (p *parser) scalarOperand() (ScalarExpr, error) {
	t := p.peek()
	switch {
	case t.kind == tInt || t.kind == tFloat || t.kind == tDuration:
		p.next()
		v := t.val
		return &v, nil
	case p.op("-"):
		x, err := p.scalarOperand()
		if err != nil {
			return nil, err
		}
		if s, ok := x.(*Static); ok {
			return &Static{Type: s.Type, Int: -s.Int, Flt: -s.Flt}, nil
		}
		return nil, errorAt(p.src, t.pos, "", "syntax error: only a number can be negated here")
	case p.op("("):
		e, err := p.scalar(4)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")", "")
	case t.kind == tWord && slices.Contains([]string{"count", "avg", "min", "max", "sum"}, t.text):
		p.next()
		if err := p.expect("(", ""); err != nil {
			return nil, err
		}
		a := &AggregateExpr{Op: t.text}
		if t.text != "count" {
			var err error
			if a.Field, err = p.field(0); err != nil {
				return nil, err
			}
			if ft, ok := typeOf(a.Field); ok && ft != TypeInt && ft != TypeFloat && ft != TypeDuration {
				return nil, errorAt(p.src, t.pos, "aggregate a number or duration", "aggregate field expressions must resolve to a number type: %s", a)
			}
		}
		return a, p.expect(")", "")
	}
	return nil, p.unexpected("expecting count(), avg(…), min(…), max(…), sum(…), by(…), select(…) or a number")
}
