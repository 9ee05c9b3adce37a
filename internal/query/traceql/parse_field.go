package traceql

import (
	"regexp"
	"slices"
)

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
