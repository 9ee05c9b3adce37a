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
	cols    []store.ColumnRef // of the layout
	at      []int
	suspect []int // when not nil, only rows with an array in one of these are looked at
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
			if !slices.Contains(f.cols, c) {
				f.cols = append(f.cols, c)
				f.at = append(f.at, l.add(c))
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
	sp, cols := rowSpan(f, r, s.cols, s.at)
	ev := evaluator{cols: cols, trace: &Trace{ID: sp.traceID}, done: s.done}
	return ev.matches(s.expr, &sp.Span)
}

// row is a span that stands alone.
type row struct {
	Span
	traceID string
}

// rowSpan reads the columns refs, which are at the positions at, of one row.
// Strings still point into the batch.
func rowSpan(f *plan.Frame, r int, refs []store.ColumnRef, at []int) (*row, *columns) {
	c := &columns{refs: refs}
	out := &row{Span: Span{attrs: make([]store.Value, len(refs))}}
	for i, ref := range refs {
		v := f.Cols[at[i]].Value(r)
		out.attrs[i] = v
		switch ref {
		case store.Col(store.ColTime):
			out.Start = v.Int
		case store.Col(store.ColDuration):
			out.Duration = v.Int
		case store.Col(store.ColName):
			out.Name = v.Str
		case store.Col(store.ColService):
			out.Service = v.Str
		case store.Col(store.ColKind):
			out.Kind = v.Int
		case store.Col(store.ColStatus):
			out.Status = v.Int
		case store.Col(store.ColSpanID):
			out.ID = v.Str
		case store.Col(store.ColParentID):
			out.ParentID = v.Str
		case store.Col(store.ColTraceID):
			out.traceID = v.Str
		case store.Col(store.ColEvents):
			out.events = parseEvents(v.Str)
		case store.Col(store.ColLinks):
			out.links = parseEvents(v.Str)
		}
	}
	return out, c
}
