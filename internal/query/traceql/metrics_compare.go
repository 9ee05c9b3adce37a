package traceql

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// maxCompareValues bounds the values counted for each attribute and side; what
// comes later counts only in the total.
const maxCompareValues = 10_000

// comparison counts the values of every attribute, once for the selection and
// once for the other spans, the baseline.
type comparison struct {
	w     window
	topN  int
	sides [2]map[string]*attributeCounts
	left  int // points that may still be made
}

// Sides of a comparison and their __meta_type.
const (
	baseline = iota
	selection
)

var sideNames = [2]string{"baseline", "selection"}

type attributeCounts struct {
	values map[string][]float64 // by key text
	total  []float64
}

func (c *comparison) attribute(side int, name string) *attributeCounts {
	a := c.sides[side][name]
	if a == nil {
		a = &attributeCounts{values: map[string][]float64{}, total: make([]float64, c.w.steps())}
		c.sides[side][name] = a
	}
	return a
}

// counter returns the counts of a value, nil when there are too many values.
func (c *comparison) counter(a *attributeCounts, key string) []float64 {
	v := a.values[key]
	if v == nil && len(a.values) < maxCompareValues && c.left >= len(a.total) {
		v = make([]float64, len(a.total))
		a.values[strings.Clone(key)] = v
		c.left -= len(a.total)
	}
	return v
}

// compare computes compare(): it divides the spans in two and counts the values
// of all attributes of the spans, of their resource and their instrumentation,
// and of name, kind and status, and of the root's name and service. Attributes of
// events and links are not counted, and are not by Tempo, whose fetch leaves them
// out when it selects all.
func (m *metrics) compare(p *MetricsPipeline, expr FieldExpr, flat bool) ([]Series, error) {
	a := p.Agg
	c := &comparison{w: m.w, topN: a.TopN, left: maxPoints}
	for i := range c.sides {
		c.sides[i] = map[string]*attributeCounts{}
	}
	sel := a.Sel.Expr
	switch e := sel.(type) {
	case nil:
		t := boolStatic(true)
		sel = &t
	case *Attribute, *Unary:
		// What is no boolean is not selected, so it is of the baseline.
		t := boolStatic(true)
		sel = &Binary{Op: "&&", L: &t, R: e}
	}
	for _, x := range referenced(sel) {
		if _, ok := sources(x); !ok && !isRootTest(sel, x) {
			flat = false
		}
	}
	var err error
	if flat {
		err = m.compareScans(c, a, expr, sel)
	} else {
		err = m.compareTraces(c, p, sel)
	}
	if err != nil {
		return nil, err
	}
	return c.series(), nil
}

// compareScans reads the sides with a scan each. A selection that is bounded in
// time leaves what lies around it to the baseline.
func (m *metrics) compareScans(c *comparison, a *MetricsAgg, expr, sel FieldExpr) error {
	r, err := m.roots()
	if err != nil {
		return err
	}
	from, to := m.w.start, m.w.end // like all ranges of a metrics query (from, to]
	if a.Start > 0 {
		from, to = min(to, max(from, a.Start)), max(from, min(to, a.End))
		for _, part := range [][2]int64{{m.w.start, from}, {to, m.w.end}} {
			if err := m.compareScan(c, r, baseline, part[0], part[1], expr); err != nil {
				return err
			}
		}
	}
	if err := m.compareScan(c, r, selection, from, to, both(expr, sel)); err != nil {
		return err
	}
	return m.compareScan(c, r, baseline, from, to, both(expr, &Unary{Op: "!", X: sel}))
}

// comparedIntrinsics are the intrinsics that a comparison counts.
var comparedIntrinsics = []string{"name", "status", "kind", "statusMessage", "instrumentation:name", "instrumentation:version"}

func (m *metrics) compareScan(c *comparison, r *roots, side int, from, to int64, expr FieldExpr) error {
	if from >= to {
		return nil
	}
	x := exactly(store.True{})
	if expr != nil {
		x = m.push.push(expr)
	}
	l := &layout{}
	l.add(store.Col(store.ColTime))
	filter := residual(expr, x, l, m.ctx.Done())
	var stages []plan.Stage
	if filter != nil {
		stages = append(stages, filter)
	}
	list := m.compared()
	for _, a := range list {
		stages = append(stages, &keyStage{attr: a, cols: l.addAll(columnsOf(a)), codes: map[int64]uint32{}})
	}
	var weigh plan.Weights
	if !m.each {
		weigh = weights(l.addAll(weightColumns))()
	}
	trace := l.add(store.Col(store.ColTraceID))
	first := len(l.refs)
	weights := make([]float64, 0, 1024) // of the selected rows, as steps
	steps := make([]int32, 0, 1024)
	var counters [][]float64
	stats, partial, err := plan.Each(m.ctx, m.e.o.Store, m.scope, plan.Scan{
		From: from + 1, To: to + 1, Where: x.p, Columns: l.refs, Budget: m.e.o.Budget,
	}, stages, func(f *plan.Frame) error {
		steps, weights = steps[:0], weights[:0]
		var byRow []float64
		all := 1.0
		if weigh != nil {
			byRow, all = weigh(f)
		}
		for i := range f.Rows() {
			row := f.Row(i)
			if byRow != nil {
				all = byRow[row]
			}
			k, _ := m.w.at(f.Cols[0].Ints[row])
			steps, weights = append(steps, int32(k)), append(weights, all)
		}
		for i, a := range list {
			v := &f.Cols[first+i]
			if v.Kind != store.KindNull {
				counters = c.addColumn(side, labelName(a), v, f, steps, weights, counters)
			}
		}
		name, service := r.columns(f, trace)
		counters = c.addColumn(side, "rootName", &name, f, steps, weights, counters)
		counters = c.addColumn(side, "rootServiceName", &service, f, steps, weights, counters)
		return nil
	})
	return m.note(stats, partial, err)
}

// addColumn counts a key column: once for each dictionary entry it finds the
// counts, then it only adds.
func (c *comparison) addColumn(side int, name string, v *store.Vec, f *plan.Frame, steps []int32, weights []float64, buf [][]float64) [][]float64 {
	a := c.attribute(side, name)
	if v.Codes != nil {
		buf = slices.Grow(buf[:0], len(v.Dict))[:len(v.Dict)]
		clear(buf)
	}
	for i := range f.Rows() {
		r := f.Row(i)
		if v.Null(r) || v.Codes != nil && v.Dict[v.Codes[r]] == "" || v.Strs != nil && v.Strs[r] == "" {
			continue // no message is none
		}
		a.total[steps[i]] += weights[i]
		if v.Codes == nil {
			if n := c.counter(a, v.Str(r)); n != nil {
				n[steps[i]] += weights[i]
			}
			continue
		}
		code := v.Codes[r]
		if buf[code] == nil {
			if buf[code] = c.counter(a, v.Dict[code]); buf[code] == nil {
				continue
			}
		}
		buf[code][steps[i]] += weights[i]
	}
	if !slices.ContainsFunc(a.total, func(x float64) bool { return x > 0 }) {
		delete(c.sides[side], name)
	}
	return buf
}

// compared are the attributes that a comparison looks at.
func (m *metrics) compared() []*Attribute {
	var out []*Attribute
	for _, name := range comparedIntrinsics {
		out = append(out, &Attribute{Scope: ScopeIntrinsic, Name: name})
	}
	for ref := range m.push.kinds {
		switch ref.Scope {
		case store.Attr:
			out = append(out, &Attribute{Scope: ScopeSpan, Name: ref.Name})
		case store.Resource:
			out = append(out, &Attribute{Scope: ScopeResource, Name: ref.Name})
		case store.Instrumentation:
			if ref.Name != "name" && ref.Name != "version" {
				out = append(out, &Attribute{Scope: ScopeInstrumentation, Name: ref.Name})
			}
		}
	}
	return out
}

// compareTraces is for pipelines and selections that take whole traces.
func (m *metrics) compareTraces(c *comparison, p *MetricsPipeline, sel FieldExpr) error {
	also := append(referenced(sel), allAttributes)
	return m.traces(p, also, func(ev *evaluator, spans []*Span) error {
		for _, sp := range spans {
			side := baseline
			if (p.Agg.Start == 0 || sp.Start > p.Agg.Start && sp.Start <= p.Agg.End) && ev.matches(sel, sp) {
				side = selection
			}
			k, _ := m.w.at(sp.Start)
			weight := sp.weight
			if m.each {
				weight = 1
			}
			add := func(name string, v Static) {
				if v.Type == TypeNil || v == strStatic("") {
					return
				}
				a := c.attribute(side, name)
				a.total[k] += weight
				if n := c.counter(a, encodeKey(v)); n != nil {
					n[k] += weight
				}
			}
			for _, name := range append([]string{"rootName", "rootServiceName"}, comparedIntrinsics...) {
				a := &Attribute{Scope: ScopeIntrinsic, Name: name}
				add(labelName(a), ev.attribute(a, sp)[0])
			}
			instrumentation, _ := attrs.Get(ev.cols.value(sp, store.Col(store.ColScopeInf)).Str, "attributes")
			for _, o := range []struct {
				scope Scope
				text  string
			}{
				{ScopeSpan, ev.cols.value(sp, store.Col(store.ColAttrs)).Str},
				{ScopeResource, ev.cols.value(sp, store.Col(store.ColResource)).Str},
				{ScopeInstrumentation, instrumentation.Str},
			} {
				if o.text == "" {
					continue
				}
				if err := attrs.Each(o.text, func(k string, v store.Value) bool {
					add(labelName(&Attribute{Scope: o.scope, Name: k}), fromValue(v))
					return true
				}); err != nil {
					return fmt.Errorf("read the attributes of a span: %w", err)
				}
			}
		}
		return nil
	})
}

// allAttributes stands for all attributes of a span and its resource.
var allAttributes = &Attribute{Scope: ScopeIntrinsic, Name: "*"}

// series are, for each side and attribute, the topN values and the total.
func (c *comparison) series() []Series {
	var out []Series
	for side, list := range c.sides {
		meta := func(suffix string) Named { return Named{"__meta_type", strStatic(sideNames[side] + suffix)} }
		for name, a := range list {
			type entry struct {
				key string
				sum float64
			}
			var top []entry
			for key, counts := range a.values {
				e := entry{key: key}
				for _, n := range counts {
					e.sum += n
				}
				top = append(top, e)
			}
			slices.SortFunc(top, func(x, y entry) int { return cmp.Or(cmp.Compare(y.sum, x.sum), cmp.Compare(x.key, y.key)) })
			for _, e := range top[:min(c.topN, len(top))] {
				out = append(out, Series{Labels: []Named{meta(""), {name, decodeKey(store.Str(e.key))}}, Values: a.values[e.key]})
			}
			out = append(out, Series{Labels: []Named{meta("_total"), {name, Static{}}}, Values: a.total})
			if len(a.values) > c.topN {
				s := Series{Labels: []Named{{"__meta_error", strStatic("__too_many_values__")}, {name, Static{}}}, Values: make([]float64, c.w.steps())}
				for k := range s.Values {
					s.Values[k] = math.NaN()
				}
				out = append(out, s)
			}
		}
	}
	return out
}
