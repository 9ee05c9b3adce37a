package traceql

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// flatten joins the filters of a pipeline that looks at one span at a time; ok
// is false when it takes whole traces.
func flatten(p *Pipeline) (FieldExpr, bool) {
	var out FieldExpr
	for _, e := range p.Elems {
		switch e := e.(type) {
		case *Select, *GroupBy, *Coalesce:
			continue // they change no span, only how spans lie together
		case *SpansetFilter, *SpansetOp, *Pipeline:
			x, ok := spansetExpr(e)
			if !ok {
				return nil, false
			}
			out = both(out, x)
		default:
			return nil, false
		}
	}
	for _, a := range referenced(out) {
		if _, ok := sources(a); !ok && !isRootTest(out, a) {
			return nil, false
		}
	}
	return out, true
}

func both(l, r FieldExpr) FieldExpr {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	}
	return &Binary{Op: "&&", L: l, R: r}
}

func spansetExpr(e Element) (FieldExpr, bool) {
	switch e := e.(type) {
	case *SpansetFilter:
		return e.Expr, true
	case *Pipeline:
		return flatten(e)
	case *SpansetOp:
		if e.Op != "||" {
			return nil, false
		}
		l, ok1 := spansetExpr(e.L)
		r, ok2 := spansetExpr(e.R)
		if l == nil || r == nil {
			return nil, ok1 && ok2 // everything
		}
		return &Binary{Op: "||", L: l, R: r}, ok1 && ok2
	}
	return nil, false
}

// isRootTest tells whether nestedSetParent is used in an expression only to ask
// for root spans, which the parent's id answers.
func isRootTest(e FieldExpr, a *Attribute) bool {
	if a.Parent || a.Scope != ScopeIntrinsic || a.Name != "nestedSetParent" {
		return false
	}
	ok := true
	var walk func(FieldExpr)
	walk = func(e FieldExpr) {
		switch e := e.(type) {
		case *Attribute:
			if *e == *a {
				ok = false
			}
		case *Unary:
			walk(e.X)
		case *Binary:
			if x, isAttr := e.L.(*Attribute); isAttr && *x == *a {
				s, isConst := constant(e.R)
				if isConst && s.Type == TypeInt && (e.Op == "<" && s.Int == 0 || e.Op == "=" && s.Int == -1) {
					return
				}
			}
			walk(e.L)
			walk(e.R)
		}
	}
	walk(e)
	return ok
}

// pipeline computes the series of one metrics pipeline.
func (m *metrics) pipeline(p *MetricsPipeline) ([]Series, error) {
	expr, flat := flatten(p.Pipe)
	for _, a := range append(slices.Clone(p.Agg.By), p.Agg.Attr) {
		if a == nil {
			continue
		}
		if _, ok := sources(a); !ok || columnsOf(a) == nil {
			flat = false
		}
	}
	if p.Agg.Op == "compare" {
		return m.compare(p, expr, flat)
	}
	var groups []plan.Group
	var samples []sampled
	var err error
	if flat {
		groups, samples, err = m.scanned(p.Agg, expr)
	} else {
		groups, samples, err = m.inspected(p)
	}
	if err != nil {
		return nil, err
	}
	return m.series(p.Agg, groups, samples), nil
}

// aggregation is what the plan computes for a function. Its columns are the time,
// then what the stages append: the keys and the value or bucket. weigh makes what
// weighs the rows; nil when all count once.
func (m *metrics) aggregation(a *MetricsAgg, first int, weigh func() plan.Weights) plan.Aggregate {
	out := plan.Aggregate{
		Time: 0, Weigh: weigh, Start: m.w.start + m.w.step, End: m.w.end, Step: m.w.step, Range: m.w.step,
		SeriesLimit: min(MaxGroups, max(1, maxPoints/m.w.steps())),
	}
	if m.w.instant {
		out.Start = m.w.end
	}
	for i := range a.By {
		out.Keys = append(out.Keys, first+i)
	}
	switch a.Op {
	case "rate", "count_over_time":
		out.Op = plan.Count
		return out
	case "quantile_over_time", "histogram_over_time":
		out.Op = plan.Count
		out.Keys = append(out.Keys, first+len(a.By))
		return out
	}
	out.Op = map[string]plan.Op{"min_over_time": plan.Min, "max_over_time": plan.Max, "avg_over_time": plan.Avg, "sum_over_time": plan.Sum}[a.Op]
	out.Value = first + len(a.By)
	return out
}

// stages derive the keys, then the value or bucket of a function. ready says that
// keys are texts already.
func (a *MetricsAgg) stages(at func(*Attribute) []int, ready bool) []plan.Stage {
	var out []plan.Stage
	for _, by := range a.By {
		out = append(out, &keyStage{attr: by, cols: at(by), ready: ready, codes: map[int64]uint32{}})
	}
	switch a.Op {
	case "rate", "count_over_time":
	case "quantile_over_time", "histogram_over_time":
		out = append(out, &bucketStage{cols: at(a.Attr), names: bucketNames()})
	default:
		out = append(out, &valueStage{attr: a.Attr, cols: at(a.Attr)})
	}
	return out
}

// scanned aggregates inside of the scan.
func (m *metrics) scanned(a *MetricsAgg, expr FieldExpr) ([]plan.Group, []sampled, error) {
	x := exactly(store.True{})
	if expr != nil {
		x = m.push.push(expr)
	}
	l := &layout{}
	l.add(store.Col(store.ColTime))
	attr := func(a *Attribute) []int { return l.addAll(columnsOf(a)) }
	// Each worker of the scan has stages of its own, on the same columns.
	fork := func() []plan.Stage {
		var stages []plan.Stage
		if filter := residual(expr, x, l, m.ctx.Done()); filter != nil {
			stages = append(stages, filter)
		}
		return append(stages, a.stages(attr, false)...)
	}
	stages := fork()
	weigh := m.weigh(a, l)
	scan := plan.Scan{From: m.w.start + 1, To: m.w.end + 1, Where: x.p, Columns: l.refs, Budget: m.e.o.Budget}
	agg := m.aggregation(a, len(l.refs), weigh)
	agg.Fork = fork
	res, err := plan.RunAggregate(m.ctx, m.e.o.Store, m.scope, scan, stages, agg)
	if err := m.note(res.Stats, res.Partial, err); err != nil {
		return nil, nil, err
	}
	if m.exemplars == 0 || len(res.Groups) == 0 {
		return res.Groups, nil, nil
	}
	samples, err := m.sample(a, scan, stages, len(l.refs))
	return res.Groups, samples, err
}

// weigh adds what the weights of spans are read from, where a function needs them.
func (m *metrics) weigh(a *MetricsAgg, l *layout) func() plan.Weights {
	if m.each || a.Op == "min_over_time" || a.Op == "max_over_time" {
		return nil
	}
	return weights(l.addAll(weightColumns))
}

// series turns groups into the series of a function.
func (m *metrics) series(a *MetricsAgg, groups []plan.Group, samples []sampled) []Series {
	var out []Series
	switch a.Op {
	case "quantile_over_time":
		out = m.quantiles(a, groups)
	case "histogram_over_time":
		for _, g := range groups {
			code, _ := strconv.Atoi(g.Key[len(a.By)].Str)
			labels := append(m.labels(a, g.Key, false), Named{"__bucket", floatStatic(bucketValue(a.Attr, code))})
			out = append(out, Series{Labels: labels, Values: counts(g.Values, 1)})
		}
	default:
		if len(a.By) == 0 && len(groups) == 0 {
			groups = []plan.Group{{Values: absent(m.w.steps())}}
		}
		for _, g := range groups {
			s := Series{Labels: m.labels(a, g.Key, true)}
			switch a.Op {
			case "rate":
				s.Values = counts(g.Values, 1e9/float64(m.w.step))
			case "count_over_time":
				s.Values = counts(g.Values, 1)
			default:
				s.Values = slices.Clone(g.Values)
			}
			out = append(out, s)
		}
	}
	attachSamples(a, out, samples)
	return out
}

func absent(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = plan.Absent()
	}
	return out
}

// counts turns a count into a number for each step: none is 0.
func counts(values []float64, factor float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		if !math.IsNaN(v) {
			out[i] = v * factor
		}
	}
	return out
}

// bucketValue is the end of a bucket: seconds of durations.
func bucketValue(a *Attribute, code int) float64 {
	if isDuration(a) {
		return bucketEnd(code) / 1e9
	}
	return bucketEnd(code)
}

// labels are those of by(…); an absent attribute has none. A series without any
// gets one: the function's name or, when grouped, the first attribute with nil.
func (m *metrics) labels(a *MetricsAgg, key []store.Value, force bool) []Named {
	var out []Named
	for i, by := range a.By {
		if v := decodeKey(key[i]); v.Type != TypeNil {
			out = append(out, Named{labelName(by), v})
		}
	}
	switch {
	case len(out) > 0 || !force:
	case len(a.By) == 0:
		out = append(out, Named{nameLabel, strStatic(a.Op)})
	default:
		out = append(out, Named{labelName(a.By[0]), Static{}})
	}
	return out
}

func labelName(a *Attribute) string {
	if a.Scope == ScopeIntrinsic && a.Name == "childCount" {
		return "span:childCount"
	}
	return a.String()
}

// quantiles turns the groups of buckets into one series for each quantile.
func (m *metrics) quantiles(a *MetricsAgg, groups []plan.Group) []Series {
	type histogram struct {
		labels  []Named
		codes   []int
		buckets []plan.Group
	}
	var order []*histogram
	byKey := map[string]*histogram{}
	for _, g := range groups {
		id := ""
		for _, k := range g.Key[:len(a.By)] {
			id += encodeKey(decodeKey(k)) + "\x01"
		}
		h := byKey[id]
		if h == nil {
			h = &histogram{labels: m.labels(a, g.Key, false)}
			byKey[id] = h
			order = append(order, h)
		}
		h.buckets = append(h.buckets, g)
	}
	var out []Series
	for _, h := range order {
		code := func(g plan.Group) int {
			n, _ := strconv.Atoi(g.Key[len(a.By)].Str)
			return n
		}
		slices.SortFunc(h.buckets, func(x, y plan.Group) int { return cmp.Compare(code(x), code(y)) })
		for _, q := range a.Qs {
			s := Series{Labels: append(slices.Clone(h.labels), Named{"p", floatStatic(q)}), Values: make([]float64, m.w.steps())}
			for k := range s.Values {
				var counts []bucketCount
				for _, b := range h.buckets {
					if v := b.Values[k]; !math.IsNaN(v) && v > 0 {
						counts = append(counts, bucketCount{bucketValue(a.Attr, code(b)), v})
					}
				}
				s.Values[k] = log2Quantile(q, counts)
			}
			out = append(out, s)
		}
	}
	return out
}
