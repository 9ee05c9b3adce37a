package traceql

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Spanset are spans of one trace that belong together in a pipeline.
type Spanset struct {
	Spans []*Span
	// Attrs are the values of by(…) and of aggregates, in the order they came.
	Attrs []Named
	attrs []*Attribute // select(…)
}

// Named is a value with its name.
type Named struct {
	Name string
	Val  Static
}

// run sends all spans of the trace through a pipeline.
func (ev *evaluator) run(p *Pipeline) []Spanset {
	return ev.pipeline(p, []Spanset{{Spans: ev.trace.Spans}})
}

func (ev *evaluator) pipeline(p *Pipeline, sets []Spanset) []Spanset {
	for _, e := range p.Elems {
		if sets = ev.element(e, sets); len(sets) == 0 {
			return nil
		}
	}
	return sets
}

func (ev *evaluator) element(e Element, sets []Spanset) []Spanset {
	var out []Spanset
	switch e := e.(type) {
	case *SpansetFilter, *SpansetOp:
		for _, s := range sets {
			if s.Spans = ev.spanset(e, s.Spans); len(s.Spans) > 0 {
				out = append(out, s)
			}
		}
	case *Pipeline:
		return ev.pipeline(e, sets)
	case *ScalarFilter:
		for _, s := range sets {
			if s, ok := ev.scalarFilter(e, s); ok {
				out = append(out, s)
			}
		}
	case *GroupBy:
		for _, s := range sets {
			out = append(out, ev.group(e, s)...)
		}
	case *Coalesce:
		var all Spanset
		for _, s := range sets {
			all.Spans = union(all.Spans, s.Spans)
			all.attrs = append(all.attrs, s.attrs...)
		}
		return []Spanset{all}
	case *Select:
		for _, s := range sets {
			s.attrs = append(slices.Clone(s.attrs), e.Attrs...)
			out = append(out, s)
		}
	}
	return out
}

// spanset evaluates a spanset expression over spans.
func (ev *evaluator) spanset(e Element, in []*Span) []*Span {
	switch e := e.(type) {
	case *SpansetFilter:
		var out []*Span
		for _, s := range in {
			if ev.matches(e.Expr, s) {
				out = append(out, s)
			}
		}
		return out
	case *SpansetOp:
		return combine(e.Op, ev.spanset(e.L, in), ev.spanset(e.R, in))
	}
	var out []*Span
	for _, s := range ev.element(e, []Spanset{{Spans: in}}) {
		out = union(out, s.Spans)
	}
	return out
}

func union(a, b []*Span) []*Span {
	seen := make(map[*Span]bool, len(a))
	out := slices.Clone(a)
	for _, s := range a {
		seen[s] = true
	}
	for _, s := range b {
		if !seen[s] {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *Span) int { return cmp.Compare(a.pos, b.pos) })
	return out
}

func combine(op string, l, r []*Span) []*Span {
	switch op {
	case "&&":
		if len(l) == 0 || len(r) == 0 {
			return nil
		}
		return union(l, r)
	case "||":
		return union(l, r)
	}
	base := strings.TrimLeft(op, "!&")
	switch op[0] {
	case '!':
		return related(base, l, r, false)
	case '&':
		hits := related(base, l, r, true)
		if len(hits) == 0 {
			return nil
		}
		return union(related(inverse[base], r, l, true), hits)
	}
	return related(base, l, r, true)
}

// inverse of a relation: {a} > {b} reads b is a child of a, so a is a parent (<)
// of b.
var inverse = map[string]string{">": "<", ">>": "<<", "<": ">", "<<": ">>", "~": "~"}

// related returns the spans of r that stand in the relation to any span of l,
// or, when want is false, to none.
func related(op string, l, r []*Span, want bool) []*Span {
	left := make(map[*Span]bool, len(l))
	for _, s := range l {
		left[s] = true
	}
	// Siblings are found through their parents, ancestors by walking up from
	// each left span once.
	// Root spans are siblings of each other, spans without their parent of none.
	parents := map[*Span]int{}
	above := map[*Span]bool{}
	switch op {
	case "~":
		for _, s := range l {
			if s.parent != nil || s.ParentID == "" {
				parents[s.parent]++
			}
		}
	case "<<":
		for _, s := range l {
			for p := s.parent; p != nil && !above[p]; p = p.parent {
				above[p] = true
			}
		}
	}
	below := map[*Span]bool{} // memo of >>: has an ancestor in l
	hit := func(s *Span) bool {
		switch op {
		case ">":
			return s.parent != nil && left[s.parent]
		case ">>":
			var path []*Span
			found := false
			onPath := map[*Span]bool{}
			for p := s; p != nil && !onPath[p]; p = p.parent {
				if known, ok := below[p]; ok {
					found = known
					break
				}
				path = append(path, p)
				onPath[p] = true
				if p.parent != nil && left[p.parent] {
					found = true
					break
				}
			}
			for _, p := range path {
				below[p] = found
			}
			return found
		case "<":
			return slices.ContainsFunc(s.children, func(c *Span) bool { return left[c] })
		case "<<":
			return above[s]
		case "~":
			n := parents[s.parent]
			if left[s] {
				n--
			}
			return (s.parent != nil || s.ParentID == "") && n > 0
		}
		return false
	}
	var out []*Span
	for _, s := range r {
		if hit(s) == want {
			out = append(out, s)
		}
	}
	return out
}

// group splits a spanset by the values of an expression, in order of appearance.
func (ev *evaluator) group(g *GroupBy, in Spanset) []Spanset {
	var out []Spanset
	at := map[Static]int{}
	for _, s := range in.Spans {
		for _, v := range ev.values(g.Expr, s)[:1] {
			i, ok := at[v]
			if !ok {
				i = len(out)
				at[v] = i
				attrs := append(slices.Clone(in.Attrs), Named{g.String(), v})
				out = append(out, Spanset{Attrs: attrs, attrs: in.attrs})
			}
			out[i].Spans = append(out[i].Spans, s)
		}
	}
	return out
}

// scalarFilter tells whether a spanset's values compare. Where they are of
// pipelines in parentheses, the spans that those select are what is kept.
func (ev *evaluator) scalarFilter(f *ScalarFilter, s Spanset) (Spanset, bool) {
	sc := scalarEval{ev: ev, in: s, attrs: slices.Clone(s.Attrs)}
	ok := compareStatics(f.Op, sc.value(f.L), sc.value(f.R))
	if sc.picked != nil {
		s.Spans = sc.picked
	}
	s.Attrs = sc.attrs
	return s, ok && len(s.Spans) > 0
}

// scalarEval evaluates scalar expressions on one spanset and notes the values
// of aggregates.
type scalarEval struct {
	ev     *evaluator
	in     Spanset
	attrs  []Named
	picked []*Span
}

func (sc *scalarEval) value(e ScalarExpr) Static {
	switch e := e.(type) {
	case *Static:
		return *e
	case *ScalarOp:
		return arithmetic(e.Op, sc.value(e.L), sc.value(e.R))
	case *AggregateExpr:
		return sc.aggregate(e, e.String(), sc.in.Spans)
	case *ScalarPipeline:
		spans := []*Span{}
		for _, s := range sc.ev.pipeline(e.Pipe, []Spanset{sc.in}) {
			spans = union(spans, s.Spans)
		}
		sc.picked = union(sc.picked, spans)
		return sc.aggregate(e.Agg, e.String(), spans)
	}
	return Static{}
}

func (sc *scalarEval) aggregate(a *AggregateExpr, name string, spans []*Span) Static {
	v := sc.ev.aggregate(a, spans)
	if !slices.Contains(sc.attrs, Named{name, v}) {
		sc.attrs = append(sc.attrs, Named{name, v})
	}
	return v
}

func (ev *evaluator) aggregate(a *AggregateExpr, spans []*Span) Static {
	if a.Op == "count" {
		return intStatic(int64(len(spans)))
	}
	n, sum, lo, hi := 0.0, 0.0, math.Inf(1), math.Inf(-1)
	typ := TypeInt
	for _, s := range spans {
		for _, v := range ev.values(a.Field, s) {
			x, ok := v.number()
			if !ok {
				continue
			}
			if v.Type != TypeInt {
				typ = v.Type
			}
			n++
			sum += x
			lo, hi = math.Min(lo, x), math.Max(hi, x)
		}
	}
	if n == 0 {
		return Static{}
	}
	v := sum
	switch a.Op {
	case "avg":
		v = sum / n
	case "min":
		v = lo
	case "max":
		v = hi
	}
	if typ == TypeDuration {
		return durStatic(int64(v))
	}
	if typ == TypeInt && a.Op != "avg" {
		return intStatic(int64(v))
	}
	return floatStatic(v)
}
