package logql

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// grid are the evaluation times: start, start+step, … up to end.
type grid struct{ start, end, step int64 }

func (g grid) steps() int {
	if g.step <= 0 {
		return 1
	}
	return int((g.end-g.start)/g.step) + 1
}

// rangePlan is how a range aggregation is executed.
type rangePlan struct {
	agg   *RangeAgg
	op    plan.Op
	names []string // labels of the groups; nil with all set means every label
	all   bool
	drop  []string // of all: labels left out
}

// opOf maps a range function to the executor's operation.
func opOf(a *RangeAgg) plan.Op {
	switch a.Op {
	case "bytes_rate", "bytes_over_time":
		return plan.Bytes
	case "rate":
		if a.Unwrap != nil {
			return plan.Sum
		}
		return plan.Count
	case "sum_over_time":
		return plan.Sum
	case "avg_over_time":
		return plan.Avg
	case "min_over_time":
		return plan.Min
	case "max_over_time":
		return plan.Max
	case "stdvar_over_time":
		return plan.Stdvar
	case "stddev_over_time":
		return plan.Stddev
	case "first_over_time":
		return plan.First
	case "last_over_time":
		return plan.Last
	case "quantile_over_time":
		return plan.Quantile
	case "rate_counter":
		return plan.Increase
	}
	return plan.Count
}

func perSecond(op string) bool { return op == "rate" || op == "bytes_rate" || op == "rate_counter" }

// planRange decides the labels of the groups. outer is the by(…) of a sum around
// it, which makes the series of the range aggregation itself unnecessary.
func planRange(a *RangeAgg, outer *Grouping) rangePlan {
	p := rangePlan{agg: a, op: opOf(a), all: true}
	g := a.Grouping
	if g == nil {
		g = outer
	}
	switch {
	case a.Op == "absent_over_time":
		p.all = false
	case g != nil && !g.Without:
		p.all, p.names = false, g.Labels
	case g != nil:
		p.drop = g.Labels
	}
	if a.Unwrap != nil {
		p.drop = append(slices.Clone(p.drop), a.Unwrap.Label)
	}
	return p
}

// need are the labels that the pipeline must know; nil when all.
func (p rangePlan) need() *nameSet {
	if p.all {
		return nil
	}
	set := newNameSet(p.names...)
	for _, s := range p.agg.Log.Stages {
		if !needs(s, set) {
			return nil
		}
	}
	if u := p.agg.Unwrap; u != nil {
		set.add(u.Label)
		for _, f := range u.Filter {
			needs(f, set)
		}
	}
	return set
}

// Bounds of the series inside of a query, whose answer may have few: topk over all
// paths, say. A value takes 8 bytes; a series that keeps all its labels a kilobyte.
const (
	maxInnerSeries    = 500_000
	maxInnerAllLabels = 50_000
	maxInnerValues    = 10_000_000
)

// seriesLimit bounds the series of a range aggregation; top tells that they are the
// answer.
func (ev *evaluator) seriesLimit(p rangePlan, top bool, steps int) int {
	if top && !ev.truncate {
		return ev.e.o.MaxSeries
	}
	limit := maxInnerSeries
	if p.all {
		limit = maxInnerAllLabels
	}
	return max(ev.e.o.MaxSeries, min(limit, maxInnerValues/(steps+1)))
}

// at is the grid that a range aggregation is evaluated on: that of the query, or one
// step when @ fixes the time.
func (ev *evaluator) at(a *RangeAgg) grid {
	switch {
	case a.At == nil:
		return ev.grid
	case a.At.Bound == "start":
		return grid{start: ev.grid.start, end: ev.grid.start}
	case a.At.Bound == "end":
		return grid{start: ev.grid.end, end: ev.grid.end}
	}
	return grid{start: a.At.Nanos, end: a.At.Nanos}
}

// rangeAgg executes a range aggregation. top tells that its series are the answer.
func (ev *evaluator) rangeAgg(p rangePlan, top bool) ([]Series, error) {
	a, g := p.agg, ev.at(p.agg)
	off := int64(a.Offset)
	from, to := g.start-off-int64(a.Range)+1, g.end-off+1
	sch, err := ev.e.schema(ev.ctx, ev.scope, from, to)
	if err != nil {
		return nil, err
	}
	expr := &LogExpr{Matchers: a.Log.Matchers, Stages: p.simplify()}
	c := compile(expr, sch)
	c.scan.From, c.scan.To, c.scan.Budget = from, to, ev.e.o.Budget
	agg := plan.Aggregate{
		Time: 0, Op: p.op, Start: g.start - off, End: g.end - off, Step: g.step, Range: int64(a.Range),
		SeriesLimit: ev.seriesLimit(p, top, g.steps()), SampleLimit: ev.e.o.MaxSamples,
	}
	if a.Param != nil {
		agg.Param = *a.Param
	}
	var stages []plan.Stage
	var labelsOf func(key []store.Value) labels.Labels
	if len(c.stages) == 0 && a.Unwrap == nil && !sch.nests(p.names) {
		labelsOf = columnKeys(p, c, &agg)
	} else {
		var workers derives
		stages = workers.add(p, c, &agg)
		agg.Fork = func() []plan.Stage { return workers.add(p, c.fork(expr), &agg) }
		labelsOf = workers.labelsOf
	}
	r, err := plan.RunAggregate(ev.ctx, ev.e.o.Store, ev.scope, c.scan, stages, agg)
	ev.res.add(r.Stats, r.Partial)
	if err != nil {
		return nil, err
	}
	if r.Approximate {
		ev.res.Warnings = append(ev.res.Warnings, fmt.Sprintf("the query has more than %d values: quantiles are from sketches, within %g %% of the value", ev.e.o.MaxSamples, 100*plan.SketchError))
	}
	series := merge(r.Groups, labelsOf)
	if perSecond(a.Op) {
		secs := a.Range.Seconds()
		for _, s := range series {
			for i, v := range s.Values {
				if !plan.IsAbsent(v) {
					s.Values[i] = v / secs
				}
			}
		}
	}
	if a.At != nil {
		ev.repeat(series)
	}
	return series, nil
}

// repeat gives each series the value that @ fixed at every step.
func (ev *evaluator) repeat(series []Series) {
	for i, s := range series {
		series[i].Values = slices.Repeat(s.Values[:1], ev.grid.steps())
	}
}

// merge makes series of groups. Groups with equal labels (a null and an empty
// value, say) become one; that happens only with counts, which add up.
func merge(groups []plan.Group, labelsOf func([]store.Value) labels.Labels) []Series {
	at := map[string]int{}
	out := []Series{}
	for _, g := range groups {
		ls := labelsOf(g.Key)
		key := ls.String()
		i, ok := at[key]
		if !ok {
			at[key] = len(out)
			out = append(out, Series{Labels: ls, Values: g.Values})
			continue
		}
		for k, v := range g.Values {
			switch have := out[i].Values[k]; {
			case plan.IsAbsent(v):
			case plan.IsAbsent(have):
				out[i].Values[k] = v
			default:
				out[i].Values[k] = have + v
			}
		}
	}
	return out
}

// columnKeys groups by stored columns only: nothing is done per row.
func columnKeys(p rangePlan, c *compiled, agg *plan.Aggregate) func([]store.Value) labels.Labels {
	if p.op == plan.Bytes {
		agg.Value = c.column(store.Col(store.ColBody))
	}
	if p.all {
		for _, ref := range allColumns {
			agg.Keys = append(agg.Keys, c.column(ref))
		}
		src := &rowSource{}
		return func(key []store.Value) labels.Labels {
			var b lineLabels
			src.fillAll(key, &b)
			return b.labels(func(l lineLabel) bool { return !slices.Contains(p.drop, l.name) })
		}
	}
	var names []string
	var refs []store.ColumnRef
	for _, n := range slices.Compact(slices.Sorted(slices.Values(p.names))) {
		for _, ref := range c.schema.candidates(n) {
			agg.Keys = append(agg.Keys, c.column(ref))
			names, refs = append(names, n), append(refs, ref)
		}
	}
	return func(key []store.Value) labels.Labels {
		var b lineLabels
		for i, v := range key {
			if b.index(names[i]) < 0 {
				b.addBase(names[i], render(refs[i], v), catMeta)
			}
		}
		return b.labels(nil)
	}
}
