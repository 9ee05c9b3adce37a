package traceql

import (
	"slices"
	"strings"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// layout is which column of a scan is where.
type layout struct{ refs []store.ColumnRef }

func (l *layout) add(ref store.ColumnRef) int {
	if i := slices.Index(l.refs, ref); i >= 0 {
		return i
	}
	l.refs = append(l.refs, ref)
	return len(l.refs) - 1
}

func (l *layout) addAll(refs []store.ColumnRef) []int {
	out := make([]int, len(refs))
	for i, r := range refs {
		out[i] = l.add(r)
	}
	return out
}

// sources are the columns from which a span's own row gives an attribute; ok is
// false when it takes other spans.
func sources(a *Attribute) ([]store.ColumnRef, bool) {
	if a.Parent {
		return nil, false
	}
	if cols := columnsOf(a); len(cols) > 0 {
		return cols, true
	}
	switch {
	case a.Scope == ScopeEvent || strings.HasPrefix(a.Name, "event:"):
		return []store.ColumnRef{store.Col(store.ColEvents), store.Col(store.ColTime)}, true
	case a.Scope == ScopeLink || strings.HasPrefix(a.Name, "link:"):
		return []store.ColumnRef{store.Col(store.ColLinks)}, true
	}
	return nil, false
}

// rowFilter keeps the rows that satisfy an expression, looking only at those of
// which the scan's predicate could not be sure.
type rowFilter struct {
	expr    FieldExpr
	cols    columns                   // what the expression reads
	at      []int                     // where they are in the layout
	set     []func(*row, store.Value) // of spanFields, nil for attributes
	suspect []int                     // when not nil, only rows with an array in one of these are looked at
	done    <-chan struct{}
	sel     []int32
	dicts   map[*string][]bool // of suspects: which entries may be arrays
}

// residual returns the stage that decides what a scan with predicate x.p left
// open; nil when there is nothing.
func residual(e FieldExpr, x pushed, l *layout, done <-chan struct{}) *rowFilter {
	if e == nil || x.exact && len(x.arrays) == 0 {
		return nil
	}
	f := &rowFilter{expr: e, done: done, dicts: map[*string][]bool{}}
	for _, a := range referenced(e) {
		cols, ok := sources(a)
		if !ok {
			cols = []store.ColumnRef{store.Col(store.ColParentID)} // a test for root spans
		}
		for _, c := range cols {
			if !slices.Contains(f.cols.refs, c) {
				f.cols.add(c)
				f.at, f.set = append(f.at, l.add(c)), append(f.set, spanFields[c])
			}
		}
	}
	if x.exact {
		f.suspect = l.addAll(x.arrays)
	}
	return f
}

func (s *rowFilter) Apply(f *plan.Frame) error {
	if s.suspect != nil && !s.anyArray(f) {
		return nil
	}
	s.sel = emptySel(s.sel)
	for i := range f.Rows() {
		r := f.Row(i)
		if s.suspect != nil && !s.array(f, r) || s.matches(f, r) {
			s.sel = append(s.sel, int32(r))
		}
	}
	f.Sel = s.sel
	return nil
}

// emptySel empties a selection; nil would select everything.
func emptySel(sel []int32) []int32 {
	if sel == nil {
		return make([]int32, 0, 1024)
	}
	return sel[:0]
}

// anyArray tells whether a frame's dictionaries allow an array at all.
func (s *rowFilter) anyArray(f *plan.Frame) bool {
	for _, c := range s.suspect {
		v := &f.Cols[c]
		switch {
		case v.Kind == store.KindMixed || v.Strs != nil:
			return true
		case v.Codes != nil && slices.Contains(s.entries(v), true):
			return true
		}
	}
	return false
}

func (s *rowFilter) entries(v *store.Vec) []bool {
	if len(v.Dict) == 0 {
		return nil
	}
	known, ok := s.dicts[&v.Dict[0]]
	if !ok || len(known) != len(v.Dict) {
		if len(s.dicts) > 64 {
			clear(s.dicts)
		}
		known = make([]bool, len(v.Dict))
		for i, d := range v.Dict {
			known[i] = strings.HasPrefix(d, "[")
		}
		s.dicts[&v.Dict[0]] = known
	}
	return known
}

func (s *rowFilter) array(f *plan.Frame, r int) bool {
	return slices.ContainsFunc(s.suspect, func(c int) bool { return strings.HasPrefix(f.Cols[c].Str(r), "[") })
}

func (s *rowFilter) matches(f *plan.Frame, r int) bool {
	sp := s.span(f, r)
	ev := evaluator{cols: &s.cols, trace: &Trace{ID: sp.traceID}, done: s.done}
	return ev.matches(s.expr, &sp.Span)
}

// row is a span that stands alone.
type row struct {
	Span
	traceID string
}

// spanFields put the value of a fixed column where expressions read it.
var spanFields = map[store.ColumnRef]func(*row, store.Value){
	store.Col(store.ColTime):     func(r *row, v store.Value) { r.Start = v.Int },
	store.Col(store.ColDuration): func(r *row, v store.Value) { r.Duration = v.Int },
	store.Col(store.ColName):     func(r *row, v store.Value) { r.Name = v.Str },
	store.Col(store.ColService):  func(r *row, v store.Value) { r.Service = v.Str },
	store.Col(store.ColKind):     func(r *row, v store.Value) { r.Kind = v.Int },
	store.Col(store.ColStatus):   func(r *row, v store.Value) { r.Status = v.Int },
	store.Col(store.ColSpanID):   func(r *row, v store.Value) { r.ID = v.Str },
	store.Col(store.ColParentID): func(r *row, v store.Value) { r.ParentID = v.Str },
	store.Col(store.ColTraceID):  func(r *row, v store.Value) { r.traceID = v.Str },
	store.Col(store.ColEvents):   func(r *row, v store.Value) { r.events = parseEvents(v.Str) },
	store.Col(store.ColLinks):    func(r *row, v store.Value) { r.links = parseEvents(v.Str) },
}

// span reads one row. Strings still point into the batch.
func (s *rowFilter) span(f *plan.Frame, r int) *row {
	out := &row{Span: Span{attrs: make([]store.Value, len(s.at))}}
	for i, at := range s.at {
		v := f.Cols[at].Value(r)
		out.attrs[i] = v
		if set := s.set[i]; set != nil {
			set(out, v)
		}
	}
	return out
}
