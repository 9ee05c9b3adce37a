package traceql

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
	at := p.peek()
	e, err := p.field(0)
	if err != nil {
		return nil, err
	}
	if err := p.expect("}", "conditions are joined with && and ||"); err != nil {
		return nil, err
	}
	f := &SpansetFilter{Expr: e}
	if t, ok := typeOf(e); ok && t != TypeBool {
		return nil, errorAt(p.src, at.pos, "compare it with a value", "span filter field expressions must resolve to a boolean: %s", f)
	}
	return f, nil
}
