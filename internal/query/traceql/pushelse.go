package traceql

import "hinomi/internal/store"

// elsewhere lists predicates that other spans of a trace must satisfy when one of
// its spans satisfies a condition: the root span, whose name and service it asks
// for, and the parent.
func (ps *pusher) elsewhere(e FieldExpr) []store.Pred {
	b, ok := e.(*Binary)
	if !ok {
		return nil
	}
	if b.Op == "&&" {
		return append(ps.elsewhere(b.L), ps.elsewhere(b.R)...)
	}
	if fieldOps[b.Op] != 3 {
		return nil
	}
	a, ok := b.L.(*Attribute)
	if !ok {
		a, ok = b.R.(*Attribute)
	}
	if !ok {
		return nil
	}
	switch {
	case a.Parent && !isNil(b.L) && !isNil(b.R) && a.Name != "nestedSetParent":
		own := *a
		own.Parent = false
		at := *b
		if b.L == FieldExpr(a) {
			at.L = &own
		} else {
			at.R = &own
		}
		return []store.Pred{ps.push(&at).p}
	case a.Scope == ScopeIntrinsic && a.Name == "rootName":
		return rootTest(b, store.Col(store.ColName))
	case a.Scope == ScopeIntrinsic && a.Name == "rootServiceName":
		return rootTest(b, store.Col(store.ColService))
	}
	return nil
}

// rootTest is what the root span satisfies. A trace without one has an empty name
// and service, so a condition that the empty text satisfies says nothing.
func rootTest(b *Binary, col store.ColumnRef) []store.Pred {
	s, ok := b.R.(*Static)
	if !ok {
		s, ok = b.L.(*Static)
	}
	if !ok || s.Type != TypeString {
		return nil
	}
	var p store.Pred
	switch {
	case b.Op == "=" && s.Str != "":
		p = store.Cmp{Col: col, Op: store.Eq, Val: store.Str(s.Str)}
	case b.Op == "=~" && !b.re.MatchString("") && s == b.R:
		p = store.Match{Col: col, Re: b.re}
	default:
		return nil
	}
	return []store.Pred{store.And{store.TextEq{Col: store.Col(store.ColParentID), Text: ""}, p}}
}
