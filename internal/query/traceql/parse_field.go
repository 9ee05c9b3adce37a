package traceql

import (
	"math"
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
				return nil, errorAt(p.src, at.pos, "quote the regular expression", "invalid type for =~ or !~: %s", r)
			}
			if b.re, err = regexp.Compile("^(?:" + s.Str + ")$"); err != nil {
				return nil, errorAt(p.src, at.pos, err.Error(), "invalid regex: %s", s)
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
	for _, side := range []FieldExpr{b.L, b.R} {
		a, ok := side.(*Attribute)
		if !ok || !isNil(b.L) && !isNil(b.R) || b.Op != "=" || a.Parent {
			continue
		}
		if a.Scope == ScopeIntrinsic && !optional[a.Name] {
			return errorAt(p.src, t.pos, "", "%s=nil is not valid because intrinsics cannot be nil", a)
		}
		if a.Scope == ScopeResource && a.Name == "service.name" {
			return errorAt(p.src, t.pos, "", "%s=nil is not valid because resource.service.name cannot be nil", a)
		}
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
	if lok && rok && !meets(lt, rt) {
		return errorAt(p.src, t.pos, hint, "binary operations must operate on the same type: %s", b)
	}
	if lok && !allows(b.Op, lt) || rok && !allows(b.Op, rt) {
		return errorAt(p.src, t.pos, hint, "illegal operation for the given types: %s", b)
	}
	return nil
}

// meets tells whether values of two types meet in an operation: equal
// types, numbers and durations with each other, and nil with all.
func meets(a, b Type) bool {
	return a == b || numeric(a) && numeric(b) || a == TypeNil || b == TypeNil
}

func numeric(t Type) bool { return t == TypeInt || t == TypeFloat || t == TypeDuration }

// allows tells whether an operator takes values of a type.
func allows(op string, t Type) bool {
	switch op {
	case "=", "!=":
		return true
	case "&&", "||":
		return t == TypeBool
	case "=~", "!~":
		return t == TypeString || t == TypeArray
	case "<", "<=", ">", ">=":
		return numeric(t) || t == TypeString || t == TypeArray
	}
	return numeric(t)
}

// readsSpan tells whether an expression depends on the span.
func readsSpan(e FieldExpr) bool { return len(referenced(e)) > 0 }

// optional are the intrinsics that a span can lack. The others are empty texts
// then.
var optional = map[string]bool{
	"parent": true, "event:name": true, "event:timeSinceStart": true, "link:traceID": true, "link:spanID": true,
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
	case *Unary:
		if e.Op == "!" {
			return TypeBool, true
		}
		return typeOf(e.X)
	case *Binary:
		if fieldOps[e.Op] <= 3 {
			return TypeBool, true
		}
		lt, lok := typeOf(e.L)
		rt, rok := typeOf(e.R)
		if lok && rok && lt == TypeInt && rt == TypeInt {
			return TypeInt, true
		}
		return TypeFloat, lok && rok
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
			if xt, ok := typeOf(x); ok && (t.text == "!" && xt != TypeBool || t.text == "-" && !numeric(xt)) {
				return nil, errorAt(p.src, t.pos, "", "illegal operation for the given type: %s", &Unary{Op: t.text, X: x})
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
	case "minInt":
		return intStatic(math.MinInt64), true
	case "maxInt":
		return intStatic(math.MaxInt64), true
	}
	if i := slices.Index(statusNames, w); i >= 0 {
		return Static{Type: TypeStatus, Int: int64(i)}, true
	}
	if i := slices.Index(kindNames, w); i >= 0 {
		return Static{Type: TypeKind, Int: int64(i)}, true
	}
	return Static{}, false
}
