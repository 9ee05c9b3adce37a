package logql

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/plan"
)

var (
	errLogOperand = queryErrorf("a log query cannot be used where a metric query is needed")
	errDuplicate  = queryErrorf("vector cannot contain metrics with the same labelset")
	errManyOne    = queryErrorf("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
	errGrouping   = queryErrorf("multiple matches for labels: grouping labels must ensure unique matches")
)

// operate applies an operator; false means that a comparison filters the sample.
func operate(op string, asBool bool, l, r float64) (float64, bool) {
	cmp := func(ok bool) (float64, bool) {
		if asBool {
			if ok {
				return 1, true
			}
			return 0, true
		}
		return l, ok
	}
	switch op {
	case "+":
		return l + r, true
	case "-":
		return l - r, true
	case "*":
		return l * r, true
	case "/":
		if r == 0 {
			return math.NaN(), true // Loki's choice; PromQL gives an infinity.
		}
		return l / r, true
	case "%":
		return math.Mod(l, r), true
	case "^":
		return math.Pow(l, r), true
	case "==":
		return cmp(l == r)
	case "!=":
		return cmp(l != r)
	case ">":
		return cmp(l > r)
	case ">=":
		return cmp(l >= r)
	case "<":
		return cmp(l < r)
	}
	return cmp(l <= r)
}

func (ev *evaluator) binOp(e *BinOp) (value, error) {
	l, err := ev.eval(e.Left)
	if err != nil {
		return value{}, err
	}
	r, err := ev.eval(e.Rght)
	if err != nil {
		return value{}, err
	}
	switch {
	case l.scalar && r.scalar:
		v, _ := operate(e.Op, true, l.num, r.num)
		return value{scalar: true, num: v}, nil
	case l.scalar:
		return withScalar(r, func(v float64) (float64, bool) {
			out, ok := operate(e.Op, e.Bool, l.num, v)
			if ok && isComparison(e.Op) && !e.Bool {
				out = v
			}
			return out, ok
		}), nil
	case r.scalar:
		return withScalar(l, func(v float64) (float64, bool) { return operate(e.Op, e.Bool, v, r.num) }), nil
	case isSetOp(e.Op):
		return value{series: setOp(e, l.series, r.series)}, nil
	}
	s, err := vectorOp(e, l.series, r.series)
	return value{series: s}, err
}

func withScalar(in value, fn func(float64) (float64, bool)) value {
	for _, s := range in.series {
		for k, v := range s.Values {
			if plan.IsAbsent(v) {
				continue
			}
			out, ok := fn(v)
			if !ok {
				out = plan.Absent()
			}
			s.Values[k] = out
		}
	}
	return in
}

// signature is what two series must share to match.
func (e *BinOp) signature(ls labels.Labels) string {
	switch {
	case !e.Match:
		return ls.String()
	case e.On:
		return labels.NewBuilder(ls).Keep(e.Labels...).Labels().String()
	}
	return labels.NewBuilder(ls).Del(e.Labels...).Labels().String()
}

func (e *BinOp) bySignature(in []Series) map[string][]Series {
	out := map[string][]Series{}
	for _, s := range in {
		k := e.signature(s.Labels)
		out[k] = append(out[k], s)
	}
	return out
}

func setOp(e *BinOp, l, r []Series) []Series {
	left, right := e.bySignature(l), e.bySignature(r)
	any := func(group []Series, k int) bool {
		for _, s := range group {
			if !plan.IsAbsent(s.Values[k]) {
				return true
			}
		}
		return false
	}
	filter := func(in []Series, other map[string][]Series, keepIfThere bool) []Series {
		out := []Series{}
		for _, s := range in {
			group := other[e.signature(s.Labels)]
			vals := append([]float64(nil), s.Values...)
			for k := range vals {
				if any(group, k) != keepIfThere {
					vals[k] = plan.Absent()
				}
			}
			out = append(out, Series{Labels: s.Labels, Values: vals})
		}
		return compact(out)
	}
	switch e.Op {
	case "and":
		return filter(l, right, true)
	case "unless":
		return filter(l, right, false)
	}
	return mergeEqual(append(append([]Series{}, l...), filter(r, left, false)...))
}

// mergeEqual joins series of equal labels whose values lie at different steps.
func mergeEqual(in []Series) []Series {
	at := map[string]int{}
	out := []Series{}
	for _, s := range in {
		k := s.Labels.String()
		i, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, s)
			continue
		}
		for j, v := range s.Values {
			if plan.IsAbsent(out[i].Values[j]) {
				out[i].Values[j] = v
			}
		}
	}
	return out
}

// vectorOp matches series one to one, or many to one with group_left/right.
func vectorOp(e *BinOp, l, r []Series) ([]Series, error) {
	many, one, side := l, r, "right"
	if e.Group == "right" {
		many, one, side = r, l, "left"
	}
	ones := e.bySignature(one)
	for _, group := range ones {
		if k := crowded(group); k >= 0 {
			return nil, queryErrorf("found duplicate series on the %s hand-side;many-to-many matching not allowed: matching labels must be unique on one side", side)
		}
	}
	// used says at which steps a result has a value, so that none gets two: by
	// signature for one to one, else by the labels of the result.
	used := map[string][]bool{}
	out := []Series{}
	for _, m := range many {
		sig := e.signature(m.Labels)
		for _, o := range ones[sig] {
			ls := e.resultLabels(m.Labels, o.Labels)
			key, twice := sig, errManyOne
			if e.Group != "" {
				key, twice = sig+ls.String(), errGrouping
			}
			if used[key] == nil {
				used[key] = make([]bool, len(m.Values))
			}
			vals, hit, ok := e.values(m, o, used[key])
			if !ok {
				return nil, twice
			}
			if hit {
				out = append(out, Series{Labels: ls, Values: vals})
			}
		}
	}
	return mergeEqual(out), nil
}

// values combines two series. hit tells whether there is any value; ok is false when
// a step was used before.
func (e *BinOp) values(many, one Series, used []bool) (vals []float64, hit, ok bool) {
	vals = make([]float64, len(many.Values))
	for k := range vals {
		vals[k] = plan.Absent()
		if plan.IsAbsent(many.Values[k]) || plan.IsAbsent(one.Values[k]) {
			continue
		}
		if used[k] {
			return nil, false, false
		}
		used[k] = true
		a, b := many.Values[k], one.Values[k]
		if e.Group == "right" {
			a, b = b, a
		}
		if v, ok := operate(e.Op, e.Bool, a, b); ok {
			vals[k], hit = v, true
		}
	}
	return vals, hit, true
}

// crowded is a step at which more than one series has a value, or -1.
func crowded(group []Series) int {
	if len(group) < 2 {
		return -1
	}
	for k := range group[0].Values {
		n := 0
		for _, s := range group {
			if !plan.IsAbsent(s.Values[k]) {
				n++
			}
		}
		if n > 1 {
			return k
		}
	}
	return -1
}

func (e *BinOp) resultLabels(many, one labels.Labels) labels.Labels {
	b := labels.NewBuilder(many)
	if e.Group == "" && e.Match {
		if e.On {
			b.Keep(e.Labels...)
		} else {
			b.Del(e.Labels...)
		}
	}
	for _, n := range e.Include {
		if v := one.Get(n); v != "" {
			b.Set(n, v)
		} else {
			b.Del(n)
		}
	}
	return b.Labels()
}
