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
