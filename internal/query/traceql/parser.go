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
