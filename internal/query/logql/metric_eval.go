package logql

import (
	"context"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
)

// value is what an expression evaluates to: a number or series over the grid.
type value struct {
	scalar  bool
	num     float64
	series  []Series
	ordered bool // sort() decided the order
}

// evaluator evaluates one query.
type evaluator struct {
	e     *Engine
	ctx   context.Context //nolint:containedctx // it lives as long as one query
	scope model.Scope
	grid  grid
	top   Expr // the whole query
	// truncate cuts an answer of too many series instead of refusing it.
	truncate bool
	res      Result
}

func (ev *evaluator) eval(e Expr) (value, error) {
	if err := ev.ctx.Err(); err != nil {
		return value{}, err
	}
	switch e := e.(type) {
	case *Literal:
		return value{scalar: true, num: e.Val}, nil
	case *VectorLit:
		return ev.vector(e.Val), nil
	case *RangeAgg:
		s, err := ev.rangeAgg(planRange(e, nil), e == ev.top)
		if err == nil && e.Op == "absent_over_time" {
			s = ev.absent(e, s)
		}
		return value{series: s}, err
	case *VectorAgg:
		return ev.vectorAgg(e)
	case *BinOp:
		return ev.binOp(e)
	case *LabelReplace:
		return ev.labelReplace(e)
	}
	return value{}, errLogOperand
}

// vector is vector(num): one series without labels.
func (ev *evaluator) vector(num float64) value {
	s := Series{Labels: labels.EmptyLabels(), Values: make([]float64, ev.grid.steps())}
	for i := range s.Values {
		s.Values[i] = num
	}
	return value{series: []Series{s}}
}

// absent is 1 where no line fell into the window; its labels are those of the
// equality matchers.
func (ev *evaluator) absent(e *RangeAgg, in []Series) []Series {
	b := labels.NewBuilder(labels.EmptyLabels())
	seen := map[string]bool{}
	for _, m := range e.Log.Matchers {
		if m.Type == labels.MatchEqual && !seen[m.Name] {
			b.Set(m.Name, m.Value)
		} else {
			b.Del(m.Name)
		}
		seen[m.Name] = true
	}
	out := ev.vector(1).series
	out[0].Labels = b.Labels()
	for _, s := range in {
		for i, v := range s.Values {
			if !plan.IsAbsent(v) {
				out[0].Values[i] = plan.Absent()
			}
		}
	}
	return out
}

// fusible tells whether an aggregation over series can be done while lines are
// counted: sums of what adds up, and extremes of extremes.
func fusible(e *VectorAgg) (*RangeAgg, *Grouping, bool) {
	r, ok := e.Expr.(*RangeAgg)
	if !ok || r.Grouping != nil || e.Grouping != nil && e.Grouping.Without {
		return nil, nil, false
	}
	switch r.Op {
	case "rate", "count_over_time", "bytes_rate", "bytes_over_time", "sum_over_time":
		ok = e.Op == "sum"
	case "max_over_time":
		ok = e.Op == "max" && !groupsBySample(e, r)
	case "min_over_time":
		ok = e.Op == "min" && !groupsBySample(e, r)
	default:
		ok = false
	}
	g := e.Grouping
	if g == nil {
		g = &Grouping{}
	}
	return r, g, ok
}

// groupsBySample tells whether an aggregation asks for the label that the sample is
// taken from, which series do not have. Sums get to see it nevertheless, as in Loki.
func groupsBySample(e *VectorAgg, r *RangeAgg) bool {
	return e.Grouping != nil && slices.Contains(e.Grouping.Labels, r.Unwrap.Label)
}

func (ev *evaluator) vectorAgg(e *VectorAgg) (value, error) {
	if r, g, ok := fusible(e); ok {
		s, err := ev.rangeAgg(planRange(r, g), e == ev.top)
		return value{series: s}, err
	}
	in, err := ev.eval(e.Expr)
	if err != nil {
		return value{}, err
	}
	if in.scalar {
		in = ev.vector(in.num)
	}
	switch e.Op {
	case "topk", "bottomk", "approx_topk":
		return topK(in.series, e), nil
	case "sort", "sort_desc":
		s := in.series
		sortSeries(s)
		slices.SortStableFunc(s, func(a, b Series) int {
			return compareValues(a.Values[len(a.Values)-1], b.Values[len(b.Values)-1], e.Op == "sort_desc")
		})
		return value{series: s, ordered: true}, nil
	}
	return value{series: aggregate(in.series, e)}, nil
}

// compareValues orders values; absent ones and NaN come last.
func compareValues(a, b float64, desc bool) int {
	an, bn := math.IsNaN(a), math.IsNaN(b)
	switch {
	case an && bn:
		return 0
	case an:
		return 1
	case bn:
		return -1
	case a == b:
		return 0
	case (a < b) != desc:
		return -1
	}
	return 1
}

// groupLabels are the labels that a grouping leaves of ls.
func groupLabels(ls labels.Labels, g *Grouping) labels.Labels {
	switch {
	case g == nil:
		return labels.EmptyLabels()
	case g.Without:
		return labels.NewBuilder(ls).Del(g.Labels...).Labels()
	}
	return labels.NewBuilder(ls).Keep(g.Labels...).Labels()
}

// grouped calls fn for each group with its series.
func grouped(in []Series, g *Grouping, fn func(ls labels.Labels, group []Series)) {
	at := map[string]int{}
	var keys []labels.Labels
	var groups [][]Series
	for _, s := range in {
		ls := groupLabels(s.Labels, g)
		k := ls.String()
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			keys, groups = append(keys, ls), append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	for i, ls := range keys {
		fn(ls, groups[i])
	}
}

func aggregate(in []Series, e *VectorAgg) []Series {
	out := []Series{}
	grouped(in, e.Grouping, func(ls labels.Labels, group []Series) {
		vals := make([]float64, len(group[0].Values))
		var column []float64
		for k := range vals {
			column = column[:0]
			for _, s := range group {
				if !plan.IsAbsent(s.Values[k]) {
					column = append(column, s.Values[k])
				}
			}
			vals[k] = foldColumn(e, column)
		}
		out = append(out, Series{Labels: ls, Values: vals})
	})
	return out
}

func foldColumn(e *VectorAgg, c []float64) float64 {
	if len(c) == 0 {
		return plan.Absent()
	}
	sum, lo, hi := 0.0, c[0], c[0]
	for _, v := range c {
		sum += v
		if v < lo || math.IsNaN(lo) {
			lo = v
		}
		if v > hi || math.IsNaN(hi) {
			hi = v
		}
	}
	n := float64(len(c))
	switch e.Op {
	case "quantile":
		slices.Sort(c)
		return plan.QuantileOf(*e.Param, c)
	case "avg":
		return sum / n
	case "min":
		return lo
	case "max":
		return hi
	case "count":
		return n
	case "stddev", "stdvar":
		mean, m2 := sum/n, 0.0
		for _, v := range c {
			m2 += (v - mean) * (v - mean)
		}
		if e.Op == "stddev" {
			return math.Sqrt(m2 / n)
		}
		return m2 / n
	}
	return sum
}

// topK keeps the k largest (smallest) series of each group at each step.
func topK(in []Series, e *VectorAgg) value {
	sortSeries(in)
	out := []Series{}
	instant := false
	grouped(in, e.Grouping, func(_ labels.Labels, group []Series) {
		steps := len(group[0].Values)
		instant = steps == 1
		kept := make([]Series, len(group))
		for i, s := range group {
			kept[i] = Series{Labels: s.Labels, Values: make([]float64, steps)}
			for k := range kept[i].Values {
				kept[i].Values[k] = plan.Absent()
			}
		}
		idx := make([]int, 0, len(group))
		for k := range steps {
			idx = idx[:0]
			for i, s := range group {
				if !plan.IsAbsent(s.Values[k]) {
					idx = append(idx, i)
				}
			}
			slices.SortStableFunc(idx, func(a, b int) int {
				return compareValues(group[a].Values[k], group[b].Values[k], e.Op != "bottomk")
			})
			for _, i := range idx[:min(len(idx), int(*e.Param))] {
				kept[i].Values[k] = group[i].Values[k]
			}
		}
		kept = compact(kept)
		if instant {
			slices.SortStableFunc(kept, func(a, b Series) int {
				return compareValues(a.Values[0], b.Values[0], e.Op != "bottomk")
			})
		}
		out = append(out, kept...)
	})
	return value{series: out, ordered: instant}
}

func sortSeries(s []Series) {
	slices.SortFunc(s, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
}

func (ev *evaluator) labelReplace(e *LabelReplace) (value, error) {
	in, err := ev.eval(e.Expr)
	if err != nil {
		return value{}, err
	}
	if in.scalar {
		in = ev.vector(in.num)
	}
	seen := map[string]bool{}
	for i, s := range in.series {
		src := s.Labels.Get(e.Src)
		if m := e.Re.FindStringSubmatchIndex(src); m != nil {
			val := string(e.Re.ExpandString(nil, e.Replacement, src, m))
			in.series[i].Labels = labels.NewBuilder(s.Labels).Set(e.Dst, val).Labels()
		}
		k := in.series[i].Labels.String()
		if seen[k] {
			return value{}, errDuplicate
		}
		seen[k] = true
	}
	return in, nil
}
