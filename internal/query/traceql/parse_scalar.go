package traceql

import (
	"slices"
	"strings"
)

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
	_, constL := fold(l)
	_, constR := fold(r)
	if constL && constR {
		return nil, errorAt(p.src, t.pos, "compare an aggregate: count() > 3", "syntax error: a comparison of constants")
	}
	return &ScalarFilter{Op: t.text, L: l, R: r}, nil
}

func isAggregate(word string) bool {
	return slices.Contains([]string{"count", "avg", "min", "max", "sum"}, word)
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
	case p.isOp("(") && p.scalarAhead():
		return p.scalarPipeline()
	case p.op("("):
		e, err := p.scalar(4)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")", "")
	case t.kind == tWord && isAggregate(t.text):
		return p.aggregate()
	}
	return nil, p.unexpected("expecting count(), avg(…), min(…), max(…), sum(…), by(…), select(…) or a number")
}

// scalarPipeline reads (pipeline | aggregate).
func (p *parser) scalarPipeline() (ScalarExpr, error) {
	if err := p.expect("(", ""); err != nil {
		return nil, err
	}
	out := &ScalarPipeline{Pipe: &Pipeline{}}
	for {
		if t := p.peek(); len(out.Pipe.Elems) > 0 && t.kind == tWord && isAggregate(t.text) {
			at := p.i
			agg, err := p.aggregate()
			if err != nil {
				return nil, err
			}
			if p.op(")") {
				out.Agg = agg
				return out, nil
			}
			p.i = at
		}
		e, err := p.element(len(out.Pipe.Elems) == 0)
		if err != nil {
			return nil, err
		}
		out.Pipe.Elems = append(out.Pipe.Elems, e)
		if err := p.expect("|", ""); err != nil {
			return nil, err
		}
	}
}

func (p *parser) aggregate() (*AggregateExpr, error) {
	t := p.next()
	if err := p.expect("(", ""); err != nil {
		return nil, err
	}
	a := &AggregateExpr{Op: t.text}
	if t.text != "count" {
		var err error
		if a.Field, err = p.field(0); err != nil {
			return nil, err
		}
		if ft, ok := typeOf(a.Field); ok && !numeric(ft) {
			return nil, errorAt(p.src, t.pos, "aggregate a number or duration", "aggregate field expressions must resolve to a number type: %s", a)
		}
		if !readsSpan(a.Field) {
			return nil, errorAt(p.src, t.pos, "", "aggregate field expressions must reference the span: %s", a)
		}
	}
	return a, p.expect(")", "")
}
