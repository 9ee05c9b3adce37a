package traceql

import (
	"encoding/hex"
	"strings"

	"hinomi/internal/store"
)

// pushed is a predicate that every matching span satisfies. When exact, no other
// span satisfies it, so it may be negated.
type pushed struct {
	p     store.Pred
	exact bool
}

func anySpan() pushed { return pushed{p: store.True{}} }

// pushElement is what some span of every matching trace satisfies.
func pushElement(e Element) store.Pred {
	best := store.Pred(store.True{})
	for _, p := range required(e) {
		if weight(p) > weight(best) {
			best = p
		}
	}
	return best
}

// required lists predicates each of which some span of a matching trace must
// satisfy. The spans are read whole later, so looking for one of them is enough
// to find the trace.
func required(e Element) []store.Pred {
	switch e := e.(type) {
	case *SpansetFilter:
		if e.Expr != nil {
			return []store.Pred{push(e.Expr).p}
		}
	case *SpansetOp:
		switch {
		case e.Op == "||":
			return []store.Pred{store.Or{pushElement(e.L), pushElement(e.R)}}
		case e.Op[0] == '!':
			// Only the right side must exist.
			return required(e.R)
		}
		return append(required(e.L), required(e.R)...)
	case *Pipeline:
		return requiredBy(e)
	}
	return nil
}

// requiredBy takes the first element, through which every span must go.
func requiredBy(p *Pipeline) []store.Pred {
	for _, e := range p.Elems {
		switch e.(type) {
		case *Select, *GroupBy, *Coalesce:
			continue
		}
		return required(e)
	}
	return nil
}

// pushPipeline is what some span of every matching trace satisfies.
func pushPipeline(p *Pipeline) store.Pred {
	best := store.Pred(store.True{})
	for _, q := range requiredBy(p) {
		if weight(q) > weight(best) {
			best = q
		}
	}
	return best
}

// weight guesses how much a predicate narrows a search: equalities most.
func weight(p store.Pred) int {
	switch p := p.(type) {
	case store.And:
		n := 0
		for _, q := range p {
			n += weight(q)
		}
		return n
	case store.Or:
		n := 100
		for _, q := range p {
			n = min(n, weight(q))
		}
		return n
	case store.Cmp:
		if p.Op == store.Eq {
			return 4
		}
		return 2
	case store.Match:
		return 2
	case store.Exists, store.Not:
		return 1
	}
	return 0
}

var cmpOps = map[string]store.CmpOp{"=": store.Eq, "!=": store.Ne, "<": store.Lt, "<=": store.Le, ">": store.Gt, ">=": store.Ge}

// mirrored is the operator with its sides swapped.
var mirrored = map[string]string{"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func push(e FieldExpr) pushed {
	switch e := e.(type) {
	case *Static:
		if e.Type == TypeBool && e.Int == 0 {
			return pushed{store.Or{}, true}
		}
	case *Attribute:
		return pushCompare(e, "=", boolStatic(true))
	case *Unary:
		if e.Op != "!" {
			return anySpan()
		}
		// !x is false, not true, for an absent attribute.
		if a, ok := e.X.(*Attribute); ok {
			return pushCompare(a, "=", boolStatic(false))
		}
		if x := push(e.X); x.exact {
			return pushed{store.Not{P: x.p}, true}
		}
	case *Binary:
		return pushBinary(e)
	}
	return anySpan()
}

func pushBinary(b *Binary) pushed {
	switch b.Op {
	case "&&":
		l, r := push(b.L), push(b.R)
		return pushed{and(l.p, r.p), l.exact && r.exact}
	case "||":
		l, r := push(b.L), push(b.R)
		return pushed{store.Or{l.p, r.p}, l.exact && r.exact}
	}
	a, aok := b.L.(*Attribute)
	s, sok := b.R.(*Static)
	op := b.Op
	if !aok || !sok {
		s, sok = b.L.(*Static)
		a, aok = b.R.(*Attribute)
		op = mirrored[op]
	}
	if !aok || !sok || op == "" {
		return anySpan()
	}
	if b.re != nil {
		return pushRegex(a, b)
	}
	return pushCompare(a, op, *s)
}

func and(l, r store.Pred) store.Pred {
	if _, ok := l.(store.True); ok {
		return r
	}
	if _, ok := r.(store.True); ok {
		return l
	}
	return store.And{l, r}
}

// columnsOf are the columns an attribute is read from, the winning one first;
// none when it is not in a column.
func columnsOf(a *Attribute) []store.ColumnRef {
	if a.Parent {
		return nil
	}
	switch a.Scope {
	case ScopeNone:
		return []store.ColumnRef{{Scope: store.Attr, Name: a.Name}, {Scope: store.Resource, Name: a.Name}}
	case ScopeSpan:
		return []store.ColumnRef{{Scope: store.Attr, Name: a.Name}}
	case ScopeResource:
		return []store.ColumnRef{{Scope: store.Resource, Name: a.Name}}
	case ScopeInstrumentation:
		return []store.ColumnRef{{Scope: store.Instrumentation, Name: a.Name}}
	case ScopeIntrinsic:
		if c, ok := intrinsicColumns[a.Name]; ok {
			return []store.ColumnRef{c}
		}
	}
	return nil
}

var intrinsicColumns = map[string]store.ColumnRef{
	"name": store.Col(store.ColName), "status": store.Col(store.ColStatus), "kind": store.Col(store.ColKind),
	"duration": store.Col(store.ColDuration), "statusMessage": store.Col(store.ColStatusMsg),
	"span:id": store.Col(store.ColSpanID), "span:parentID": store.Col(store.ColParentID), "trace:id": store.Col(store.ColTraceID),
	"instrumentation:name":    {Scope: store.Instrumentation, Name: "name"},
	"instrumentation:version": {Scope: store.Instrumentation, Name: "version"},
}

func isID(a *Attribute) bool {
	return a.Scope == ScopeIntrinsic && (a.Name == "span:id" || a.Name == "span:parentID" || a.Name == "trace:id")
}

// layered says: the first of the columns that has a value satisfies test.
func layered(cols []store.ColumnRef, test func(store.ColumnRef) store.Pred) store.Pred {
	if len(cols) == 1 {
		return test(cols[0])
	}
	return store.Or{test(cols[0]), store.And{store.Not{P: store.Exists{Col: cols[0]}}, test(cols[1])}}
}

func pushCompare(a *Attribute, op string, s Static) pushed {
	if a.Scope == ScopeIntrinsic && a.Name == "nestedSetParent" && !a.Parent && (op == "<" && s.Int == 0 || op == "=" && s.Int == -1) && s.Type == TypeInt {
		return pushed{store.TextEq{Col: store.Col(store.ColParentID), Text: ""}, true}
	}
	cols := columnsOf(a)
	if len(cols) == 0 {
		return anySpan()
	}
	if s.Type == TypeNil {
		if a.Scope == ScopeIntrinsic {
			return anySpan()
		}
		var or store.Or
		for _, c := range cols {
			or = append(or, store.Exists{Col: c})
		}
		if op == "=" {
			return pushed{store.Not{P: or}, true}
		}
		return pushed{or, true}
	}
	if isID(a) {
		b, err := hex.DecodeString(s.Str)
		if s.Type != TypeString || op != "=" || err != nil || strings.ToLower(s.Str) != s.Str {
			return anySpan()
		}
		return pushed{store.Cmp{Col: cols[0], Op: store.Eq, Val: store.Bytes(b)}, true}
	}
	// The store has no statuses and kinds: an integer attribute may equal one.
	enum := (s.Type == TypeStatus || s.Type == TypeKind) && a.Scope != ScopeIntrinsic
	return pushed{layered(cols, func(c store.ColumnRef) store.Pred {
		return store.Cmp{Col: c, Op: cmpOps[op], Val: s.Value()}
	}), !enum}
}

func pushRegex(a *Attribute, b *Binary) pushed {
	cols := columnsOf(a)
	if len(cols) == 0 || isID(a) {
		return anySpan()
	}
	// Not exact: the store's Match also looks at numbers as text.
	return pushed{p: layered(cols, func(c store.ColumnRef) store.Pred {
		if b.Op == "=~" {
			return store.Match{Col: c, Re: b.re}
		}
		return store.And{store.Exists{Col: c}, store.Not{P: store.Match{Col: c, Re: b.re}}}
	})}
}
