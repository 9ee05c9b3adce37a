package traceql

import "slices"

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

// Parse reads a search. The error is a *ParseError.
func Parse(query string) (*Pipeline, error) {
	q, err := ParseQuery(query)
	if err != nil {
		return nil, err
	}
	if q.Metrics != nil {
		return nil, errorAt(query, 0, "ask /api/metrics/query_range for its series", "%s() makes a metrics query, which the search does not answer", pipelines(q.Metrics)[0].Agg.Op)
	}
	return q.Pipe, nil
}

// ParseQuery reads a search or a metrics query. The error is a *ParseError.
func ParseQuery(query string) (*Query, error) {
	if len(query) > maxQueryBytes {
		return nil, errorAt(query, 0, "", "query is longer than %d bytes", maxQueryBytes)
	}
	toks, lexErr := lex(query)
	if lexErr != nil {
		return nil, lexErr
	}
	p := &parser{src: query, toks: toks}
	q, err := p.root()
	if err != nil {
		return nil, err
	}
	for p.word("with") {
		if err := p.hints(q); err != nil {
			return nil, err
		}
	}
	if t := p.peek(); t.kind != tEOF {
		return nil, p.unexpected("")
	}
	return q, nil
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

// hints reads (key=value, …). A key may be any word, also one of the language.
func (p *parser) hints(q *Query) error {
	if err := p.expect("(", ""); err != nil {
		return err
	}
	for {
		t := p.next()
		if t.kind != tWord {
			p.i = max(0, p.i-1)
			return p.unexpected("write with (most_recent=true)")
		}
		if err := p.expect("=", ""); err != nil {
			return err
		}
		if p.peek().kind == tAttr {
			return p.unexpected("the value of a hint is a constant")
		}
		e, err := p.fieldOperand()
		if err != nil {
			return err
		}
		v, ok := e.(*Static)
		if !ok {
			return errorAt(p.src, t.pos, "", "syntax error: the value of hint %s is not a constant", t.text)
		}
		q.Hints = append(q.Hints, Hint{t.text, *v})
		if !p.op(",") {
			return p.expect(")", "")
		}
	}
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

const elementHint = "a query starts with a spanset such as { span.http.status_code = 500 }"

func (p *parser) element(first bool) (Element, error) {
	t := p.peek()
	switch {
	case t.kind == tOp && (t.text == "{" || t.text == "(" && p.spansetAhead() && !p.scalarInside()):
		return p.spanset(0)
	case t.kind == tWord && t.text == "by":
		p.next()
		if err := p.expect("(", ""); err != nil {
			return nil, err
		}
		e, err := p.field(0)
		if err != nil {
			return nil, err
		}
		if !readsSpan(e) {
			return nil, errorAt(p.src, t.pos, "", "grouping field expressions must reference the span: by(%s)", e)
		}
		return &GroupBy{Expr: e}, p.expect(")", "")
	case t.kind == tWord && t.text == "coalesce" && !first:
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

// scalarInside looks through further parentheses.
func (p *parser) scalarInside() bool {
	at := p.i
	defer func() { p.i = at }()
	for ; p.peek().kind == tOp && p.peek().text == "("; p.i++ {
		if p.scalarAhead() {
			return true
		}
	}
	return false
}

// scalarAhead tells whether the parentheses here are closed behind an aggregate
// that is not compared: (pipeline | count()).
func (p *parser) scalarAhead() bool {
	depth, agg := 0, -1
	for i := p.i; i < len(p.toks); i++ {
		t := p.toks[i]
		switch {
		case t.kind == tOp && (t.text == "(" || t.text == "{"):
			depth++
		case t.kind == tOp && (t.text == ")" || t.text == "}"):
			if depth--; depth == 0 {
				return agg >= 0
			}
			continue
		case depth == 1 && t.kind == tWord && isAggregate(t.text) && i > 0 && p.toks[i-1].text == "|":
			agg = i
		case depth == 1 && agg >= 0:
			agg = -1
		}
	}
	return false
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
	attrs, err := p.attributeList("select")
	return &Select{Attrs: attrs}, err
}
