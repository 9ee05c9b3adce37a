package traceql

import (
	"encoding/hex"
	"strings"

	"hinomi/internal/store"
)

// pushed is what the store can decide of an expression.
//
// Every matching span satisfies p. plain is p for spans whose attributes hold no
// arrays; when exact, no other span without arrays satisfies it, so it may be
// negated. arrays are the columns whose arrays plain misjudges.
type pushed struct {
	p, plain store.Pred
	exact    bool
	arrays   []store.ColumnRef
}

func anySpan() pushed { return pushed{p: store.True{}, plain: store.True{}} }

func exactly(p store.Pred) pushed { return pushed{p: p, plain: p, exact: true} }

func superset(p store.Pred) pushed { return pushed{p: p, plain: p} }

// pusher turns expressions into predicates. kinds are the attribute columns that
// exist in the searched range, arrays those of them that hold arrays.
type pusher struct {
	kinds  map[store.ColumnRef]store.Kind
	arrays map[store.ColumnRef]bool
}

// mayBeText tells whether a column of an attribute can hold texts, as which the
// store renders arrays.
func (ps *pusher) mayBeText(c store.ColumnRef) bool {
	if c.Scope == store.Intrinsic || c == (store.ColumnRef{Scope: store.Resource, Name: "service.name"}) ||
		c.Scope == store.Instrumentation && (c.Name == "name" || c.Name == "version") {
		return false
	}
	k := ps.kinds[c]
	return k == store.KindString || k == store.KindMixed
}

// bracket is satisfied by the texts that begin as a JSON array does. It is a
// range, so that statistics rule it out.
func bracket(c store.ColumnRef) store.Pred {
	return store.And{store.Cmp{Col: c, Op: store.Ge, Val: store.Str("[")}, store.Cmp{Col: c, Op: store.Lt, Val: store.Str("\\")}}
}

// withArrays adds the arrays of columns to a predicate that does not know them.
func (ps *pusher) withArrays(x pushed, cols []store.ColumnRef) pushed {
	or := store.Or{x.plain}
	for _, c := range cols {
		if ps.arrays[c] {
			or = append(or, bracket(c))
			x.arrays = append(x.arrays, c)
		}
	}
	if len(or) > 1 {
		x.p = or
	}
	return x
}

// pushElement is what some span of every matching trace satisfies.
func (ps *pusher) pushElement(e Element) store.Pred {
	best := store.Pred(store.True{})
	for _, p := range ps.required(e) {
		if weight(p) > weight(best) {
			best = p
		}
	}
	return best
}

// required lists predicates each of which some span of a matching trace must
// satisfy. The spans are read whole later, so looking for one of them is enough
// to find the trace.
func (ps *pusher) required(e Element) []store.Pred {
	switch e := e.(type) {
	case *SpansetFilter:
		if e.Expr != nil {
			return append([]store.Pred{ps.push(e.Expr).p}, ps.elsewhere(e.Expr)...)
		}
	case *SpansetOp:
		switch {
		case e.Op == "||":
			return []store.Pred{or(ps.pushElement(e.L), ps.pushElement(e.R))}
		case e.Op[0] == '!':
			// Only the right side must exist.
			return ps.required(e.R)
		}
		return append(ps.required(e.L), ps.required(e.R)...)
	case *Pipeline:
		return ps.requiredBy(e)
	}
	return nil
}

// requiredBy takes the first element, through which every span must go.
func (ps *pusher) requiredBy(p *Pipeline) []store.Pred {
	for _, e := range p.Elems {
		switch e.(type) {
		case *Select, *GroupBy, *Coalesce:
			continue
		}
		return ps.required(e)
	}
	return nil
}

// pushPipeline is what some span of every matching trace satisfies.
func (ps *pusher) pushPipeline(p *Pipeline) store.Pred {
	best := store.Pred(store.True{})
	for _, q := range ps.requiredBy(p) {
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

func (ps *pusher) push(e FieldExpr) pushed {
	switch e := e.(type) {
	case *Static:
		if e.Type == TypeBool && e.Int != 0 {
			return exactly(store.True{})
		}
		return exactly(store.Or{})
	case *Attribute:
		return ps.pushCompare(e, "=", boolStatic(true))
	case *Unary:
		if e.Op != "!" {
			return anySpan()
		}
		// !x of what is absent, or no boolean, is neither true nor false, so it
		// cannot be negated; !!x is true where x is.
		if twice, ok := e.X.(*Unary); ok && twice.Op == "!" {
			return ps.push(twice.X)
		}
		if a, ok := e.X.(*Attribute); ok {
			return ps.pushCompare(a, "=", boolStatic(false))
		}
		if x := ps.push(e.X); x.exact {
			x.plain = store.Not{P: x.plain}
			x.p = x.plain
			cols := x.arrays
			x.arrays = nil
			return ps.withArrays(x, cols)
		}
	case *Binary:
		return ps.pushBinary(e)
	}
	return anySpan()
}

func (ps *pusher) pushBinary(b *Binary) pushed {
	switch b.Op {
	case "&&", "||":
		l, r := ps.push(b.L), ps.push(b.R)
		join := and
		if b.Op == "||" {
			join = or
		}
		return pushed{p: join(l.p, r.p), plain: join(l.plain, r.plain), exact: l.exact && r.exact, arrays: append(l.arrays, r.arrays...)}
	}
	a, aok := b.L.(*Attribute)
	s, sok := constant(b.R)
	op := b.Op
	if !aok || !sok {
		s, sok = constant(b.L)
		a, aok = b.R.(*Attribute)
		op = mirrored[op]
	}
	if !aok || !sok || op == "" && b.re == nil {
		return anySpan()
	}
	if isEventAttribute(a) {
		return pushEvents(a, b, s)
	}
	if b.re != nil {
		if _, ok := b.R.(*Static); !ok {
			return anySpan()
		}
		return ps.pushRegex(a, b)
	}
	return ps.pushCompare(a, op, s)
}

// constant evaluates an expression that reads no span.
func constant(e FieldExpr) (Static, bool) {
	switch e := e.(type) {
	case *Static:
		return *e, true
	case *Unary:
		x, ok := constant(e.X)
		return unary(e.Op, x), ok && e.Op == "-"
	case *Binary:
		if fieldOps[e.Op] <= 3 {
			return Static{}, false
		}
		l, ok1 := constant(e.L)
		r, ok2 := constant(e.R)
		v := arithmetic(e.Op, l, r)
		return v, ok1 && ok2 && v.Type != TypeNil
	}
	return Static{}, false
}

func or(l, r store.Pred) store.Pred {
	for _, x := range []store.Pred{l, r} {
		if _, ok := x.(store.True); ok {
			return x
		}
	}
	return store.Or{l, r}
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

func (ps *pusher) pushCompare(a *Attribute, op string, s Static) pushed {
	if a.Scope == ScopeIntrinsic && a.Name == "nestedSetParent" && !a.Parent && (op == "<" && s.Int == 0 || op == "=" && s.Int == -1) && s.Type == TypeInt {
		return exactly(store.TextEq{Col: store.Col(store.ColParentID), Text: ""})
	}
	cols := columnsOf(a)
	if s.Type == TypeNil && a.Scope == ScopeIntrinsic && !a.Parent && !optional[a.Name] {
		if op == "!=" {
			return exactly(store.True{})
		}
		return exactly(store.Or{})
	}
	if len(cols) == 0 {
		return anySpan()
	}
	if s.Type == TypeNil {
		return pushNil(cols, op)
	}
	if isID(a) {
		return pushID(a, cols[0], op, s)
	}
	// The store has no statuses and kinds: an integer attribute may equal one.
	enum := (s.Type == TypeStatus || s.Type == TypeKind) && a.Scope != ScopeIntrinsic
	p := layered(cols, func(c store.ColumnRef) store.Pred {
		return store.Cmp{Col: c, Op: cmpOps[op], Val: s.Value()}
	})
	if emptyText(a) && s.Type == TypeString && ordered(op, "", s.Str) {
		p = or(p, store.Not{P: store.Exists{Col: cols[0]}})
	}
	return ps.withArrays(pushed{p: p, plain: p, exact: !enum}, cols)
}

func pushNil(cols []store.ColumnRef, op string) pushed {
	var or store.Or
	for _, c := range cols {
		or = append(or, store.Exists{Col: c})
	}
	if op == "=" {
		return exactly(store.Not{P: or})
	}
	return exactly(or)
}

// pushID compares an id, which the query writes in hex. Leading zeros may be
// missing in a trace id, which is not so here: the text is compared.
func pushID(a *Attribute, c store.ColumnRef, op string, s Static) pushed {
	b, err := hex.DecodeString(s.Str)
	if s.Type != TypeString || err != nil || strings.ToLower(s.Str) != s.Str || len(b) == 0 || cmpOps[op] > store.Ne {
		return anySpan()
	}
	p := store.Pred(store.Cmp{Col: c, Op: store.Eq, Val: store.Bytes(b)})
	if op == "!=" {
		p = store.Not{P: p}
	}
	return exactly(p)
}

func (ps *pusher) pushRegex(a *Attribute, b *Binary) pushed {
	cols := columnsOf(a)
	if len(cols) == 0 || isID(a) {
		return anySpan()
	}
	p := layered(cols, func(c store.ColumnRef) store.Pred {
		if b.Op == "=~" {
			return store.Match{Col: c, Re: b.re}
		}
		return store.And{store.Exists{Col: c}, store.Not{P: store.Match{Col: c, Re: b.re}}}
	})
	if emptyText(a) && b.re.MatchString("") == (b.Op == "=~") {
		p = or(p, store.Not{P: store.Exists{Col: cols[0]}})
	}
	// The store's Match also looks at numbers as text.
	exact := true
	for _, c := range cols {
		k, known := ps.kinds[c]
		exact = exact && (c.Scope == store.Intrinsic || !known || k == store.KindString)
	}
	return ps.withArrays(pushed{p: p, plain: p, exact: exact}, cols)
}

// emptyText tells whether an attribute is the empty text on a span whose column
// has nothing.
func emptyText(a *Attribute) bool {
	return a.Scope == ScopeIntrinsic && (strings.HasPrefix(a.Name, "instrumentation:") || a.Name == "statusMessage")
}

// pushEvents looks for the texts that the JSON of events or links must hold. It
// narrows and does not decide.
func pushEvents(a *Attribute, b *Binary, s Static) pushed {
	if a.Parent || s.Type == TypeNil && b.Op == "=" {
		return anySpan()
	}
	col := store.Col(store.ColEvents)
	if a.Scope == ScopeLink || strings.HasPrefix(a.Name, "link:") {
		col = store.Col(store.ColLinks)
	}
	var and store.And
	if a.Scope != ScopeIntrinsic && plainText(a.Name) {
		and = append(and, store.Contains{Col: col, Sub: `"` + a.Name + `":`})
	}
	if s.Type == TypeString && b.Op == "=" && plainText(s.Str) {
		and = append(and, store.Contains{Col: col, Sub: `"` + s.Str + `"`})
	}
	if len(and) == 0 {
		return superset(store.Not{P: store.TextEq{Col: col, Text: ""}})
	}
	return superset(and)
}

// plainText tells whether JSON writes a text as it is, however it escapes.
func plainText(s string) bool {
	for _, c := range s {
		if c < ' ' || c > '~' || strings.ContainsRune("\"\\<>&/", c) {
			return false
		}
	}
	return s != ""
}
