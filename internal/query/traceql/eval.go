package traceql

import (
	"math"
	"strings"

	"hinomi/internal/store"
)

// evaluator evaluates field expressions on the spans of one trace.
type evaluator struct {
	cols  *columns
	trace *Trace
	// done, when closed, says that nobody waits for the answer any more: what is
	// left matches nothing.
	done <-chan struct{}
}

func (ev *evaluator) ended() bool {
	select {
	case <-ev.done:
		return true
	default:
		return false
	}
}

// matches tells whether a span satisfies a filter.
func (ev *evaluator) matches(e FieldExpr, s *Span) bool {
	if ev.ended() {
		return false
	}
	if e == nil {
		return true
	}
	for _, v := range ev.values(e, s) {
		if v.Type == TypeBool && v.Int != 0 {
			return true
		}
	}
	return false
}

// values evaluates an expression. Attributes of events and links can have many
// values, of which any may satisfy a comparison; everything else has one. An
// absent attribute is one nil.
func (ev *evaluator) values(e FieldExpr, s *Span) []Static {
	switch e := e.(type) {
	case *Static:
		return []Static{*e}
	case *Attribute:
		return ev.attribute(e, s)
	case *Unary:
		var out []Static
		for _, v := range ev.values(e.X, s) {
			out = append(out, unary(e.Op, v))
		}
		return out
	case *Binary:
		if ev.ended() {
			return nil
		}
		return ev.binary(e, s)
	}
	return nil
}

func unary(op string, v Static) Static {
	switch {
	case op == "!" && v.Type == TypeBool:
		return boolStatic(v.Int == 0)
	case op == "-" && v.Type == TypeFloat:
		return floatStatic(-v.Flt)
	case op == "-" && (v.Type == TypeInt || v.Type == TypeDuration):
		return Static{Type: v.Type, Int: -v.Int}
	}
	return Static{}
}

func (ev *evaluator) binary(b *Binary, s *Span) []Static {
	switch b.Op {
	case "&&":
		return []Static{boolStatic(ev.matches(b.L, s) && ev.matches(b.R, s))}
	case "||":
		return []Static{boolStatic(ev.matches(b.L, s) || ev.matches(b.R, s))}
	}
	left, right := ev.values(b.L, s), ev.values(b.R, s)
	if fieldOps[b.Op] > 3 {
		if len(left) == 0 || len(right) == 0 {
			return []Static{{}}
		}
		return []Static{arithmetic(b.Op, left[0], right[0])}
	}
	if isNil(b.L) && isNil(b.R) {
		return []Static{boolStatic(false)} // nil says something only of an attribute
	}
	if isNil(b.L) || isNil(b.R) {
		absent := true
		for _, v := range append(left, right...) {
			absent = absent && v.Type == TypeNil
		}
		return []Static{boolStatic(absent == (b.Op == "="))}
	}
	for _, l := range left {
		for _, r := range right {
			if compareField(b, l, r) {
				return []Static{boolStatic(true)}
			}
		}
	}
	return []Static{boolStatic(false)}
}

func isNil(e FieldExpr) bool {
	s, ok := e.(*Static)
	return ok && s.Type == TypeNil
}

func compareField(b *Binary, l, r Static) bool {
	if b.re != nil {
		return matchRegex(b, l)
	}
	return compareStatics(b.Op, l, r)
}

func matchRegex(b *Binary, l Static) bool {
	switch l.Type {
	case TypeString:
		return b.re.MatchString(l.Str) == (b.Op == "=~")
	case TypeArray:
		return compareArrays(l, Static{Type: TypeString}, b.Op, func(x, _ Static) bool { return matchRegex(b, x) })
	}
	return false
}

// arithmetic computes with numbers. Between integers it stays with integers, so
// 1/2 is 0; durations become a number of nanoseconds. What has no result, such
// as a division of integers by zero, is nil.
func arithmetic(op string, a, b Static) Static {
	if a.Type == TypeInt && b.Type == TypeInt {
		return integers(op, a.Int, b.Int)
	}
	x, ok1 := a.number()
	y, ok2 := b.number()
	if !ok1 || !ok2 {
		return Static{}
	}
	switch op {
	case "+":
		return floatStatic(x + y)
	case "-":
		return floatStatic(x - y)
	case "*":
		return floatStatic(x * y)
	case "/":
		return floatStatic(x / y)
	case "%":
		return floatStatic(math.Mod(x, y))
	}
	return floatStatic(math.Pow(x, y))
}

func integers(op string, x, y int64) Static {
	switch op {
	case "+":
		return intStatic(x + y)
	case "-":
		return intStatic(x - y)
	case "*":
		return intStatic(x * y)
	case "/", "%":
		if y == 0 {
			return Static{}
		}
		if op == "/" {
			return intStatic(x / y)
		}
		return intStatic(x % y)
	}
	f := math.Pow(float64(x), float64(y))
	if math.Abs(f) >= 1<<62 || math.IsNaN(f) {
		return floatStatic(f)
	}
	return intStatic(int64(f))
}

// attribute reads an attribute of a span or of its parent.
func (ev *evaluator) attribute(a *Attribute, s *Span) []Static {
	if a.Parent {
		if s.parent == nil {
			return []Static{{}}
		}
		s = s.parent
	}
	one := func(v Static) []Static { return []Static{v} }
	col := func(scope store.ColumnScope, name string) Static {
		return fromValue(ev.cols.value(s, store.ColumnRef{Scope: scope, Name: name}))
	}
	switch a.Scope {
	case ScopeSpan:
		return one(col(store.Attr, a.Name))
	case ScopeResource:
		return one(col(store.Resource, a.Name))
	case ScopeInstrumentation:
		return one(col(store.Instrumentation, a.Name))
	case ScopeNone:
		v := col(store.Attr, a.Name)
		if v.Type == TypeNil {
			v = col(store.Resource, a.Name)
		}
		return one(v)
	case ScopeEvent:
		return ofEvents(s.events, func(e event) Static { return fromValue(e.attrs[a.Name]) })
	case ScopeLink:
		return ofEvents(s.links, func(e event) Static { return fromValue(e.attrs[a.Name]) })
	}
	switch a.Name {
	case "event:name":
		return ofEvents(s.events, func(e event) Static { return strStatic(e.name) })
	case "event:timeSinceStart":
		return ofEvents(s.events, func(e event) Static { return durStatic(e.ts - s.Start) })
	case "link:traceID":
		return ofEvents(s.links, func(e event) Static { return strStatic(e.traceID) })
	case "link:spanID":
		return ofEvents(s.links, func(e event) Static { return strStatic(e.spanID) })
	}
	return one(ev.intrinsic(a.Name, s))
}

func ofEvents(list []event, fn func(event) Static) []Static {
	out := make([]Static, 0, len(list))
	for _, e := range list {
		if v := fn(e); v.Type != TypeNil {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return []Static{{}}
	}
	return out
}

func (ev *evaluator) intrinsic(name string, s *Span) Static {
	// Intrinsics are always there: what a span lacks is the empty text.
	switch name {
	case "name":
		return strStatic(s.Name)
	case "status":
		return Static{Type: TypeStatus, Int: s.Status}
	case "kind":
		return Static{Type: TypeKind, Int: s.Kind}
	case "duration":
		return durStatic(s.Duration)
	case "statusMessage":
		return strStatic(ev.cols.value(s, store.Col(store.ColStatusMsg)).Str)
	case "traceDuration":
		return durStatic(ev.trace.end - ev.trace.start)
	case "rootName":
		v, _ := ev.trace.rootName()
		return strStatic(v)
	case "rootServiceName":
		v, _ := ev.trace.rootService()
		return strStatic(v)
	case "span:id":
		return strStatic(hexText(s.ID))
	case "span:parentID":
		return strStatic(hexText(s.ParentID))
	case "trace:id":
		return strStatic(hexText(ev.trace.ID))
	case "parent":
		if s.ParentID == "" {
			return Static{}
		}
		return strStatic(hexText(s.ParentID))
	case "childCount":
		return intStatic(int64(len(s.children)))
	case "instrumentation:name", "instrumentation:version":
		return strStatic(ev.cols.value(s, store.ColumnRef{Scope: store.Instrumentation, Name: strings.TrimPrefix(name, "instrumentation:")}).Str)
	case "nestedSetLeft":
		return intStatic(int64(s.left))
	case "nestedSetRight":
		return intStatic(int64(s.right))
	case "nestedSetParent":
		switch {
		case s.parent != nil:
			return intStatic(int64(s.parent.left))
		case s.ParentID == "":
			return intStatic(-1)
		}
		return intStatic(0) // the parent is not stored
	}
	return Static{}
}
