package traceql

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

func (s *Series) empty() bool {
	return !slices.ContainsFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) })
}

// attach gives exemplars without a value that of their step, and drops those
// whose step has none.
func (s *Series) attach(w window) {
	s.Exemplars = slices.DeleteFunc(s.Exemplars, func(e Exemplar) bool {
		k, ok := w.at(e.Ts * int64(time.Millisecond))
		return !ok || math.IsNaN(s.Values[k])
	})
	for i, e := range s.Exemplars {
		if k, ok := w.at(e.Ts * int64(time.Millisecond)); ok && math.IsNaN(e.Value) {
			s.Exemplars[i].Value = s.Values[k]
		}
	}
	slices.SortStableFunc(s.Exemplars, func(a, b Exemplar) int { return cmp.Compare(a.Ts, b.Ts) })
}

// sortSeries orders as Tempo does: fewer labels first, then by names and values.
func sortSeries(set []Series) {
	slices.SortStableFunc(set, func(a, b Series) int {
		if c := cmp.Compare(len(a.Labels), len(b.Labels)); c != 0 {
			return c
		}
		for i := range a.Labels {
			x, y := a.Labels[i], b.Labels[i]
			c := cmp.Or(strings.Compare(x.Name, y.Name), compareValues(x.Val, y.Val))
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

// compareValues orders values: numbers by size, everything else as text.
func compareValues(a, b Static) int {
	x, aNum := a.number()
	y, bNum := b.number()
	if aNum && bNum {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a.Text(), b.Text())
}

// nameLabel is the label of a series that has no other.
const nameLabel = "__name__"

// identity tells series apart; the name does not count.
func (s *Series) identity() string {
	var b strings.Builder
	for _, l := range s.Labels {
		if l.Name != nameLabel {
			b.WriteString(l.Name + "\x00" + encodeKey(l.Val) + "\x01")
		}
	}
	return b.String()
}

func (m *metrics) eval(e MetricsExpr) ([]Series, error) {
	switch e := e.(type) {
	case *MetricsPipeline:
		return m.pipeline(e)
	case *TopK:
		set, err := m.eval(e.X)
		return topK(set, e.N, e.Op == "bottomk", m.w.steps()), err
	case *Threshold:
		set, err := m.eval(e.X)
		return threshold(set, e), err
	case *MetricsMath:
		return m.math(e)
	}
	return nil, nil
}

// rank orders series with equal values as Tempo does: what is alphabetically
// earlier, or a larger number, counts as more. Tempo compares the bits of numbers,
// so negative ones count most.
func rank(a, b *Series) int {
	at := func(s *Series, i int) Named {
		if i < len(s.Labels) && s.Labels[i].Name != nameLabel {
			if l := s.Labels[i]; l.Val.Type != TypeNil {
				return l
			}
			return Named{s.Labels[i].Name, strStatic("nil")}
		}
		return Named{}
	}
	for i := range max(len(a.Labels), len(b.Labels)) {
		x, y := at(a, i), at(b, i)
		c := cmp.Or(strings.Compare(y.Val.Str, x.Val.Str), strings.Compare(y.Name, x.Name), cmp.Compare(x.Val.Type, y.Val.Type),
			cmp.Compare(uint64(x.Val.Int), uint64(y.Val.Int)), cmp.Compare(math.Float64bits(x.Val.Flt), math.Float64bits(y.Val.Flt)))
		if c != 0 {
			return c
		}
	}
	return 0
}

// topK keeps at each step the n largest, or smallest, values.
func topK(set []Series, n int, bottom bool, steps int) []Series {
	if len(set) <= n {
		return set
	}
	keep := make([][]bool, len(set))
	for i := range keep {
		keep[i] = make([]bool, steps)
	}
	order := make([]int, 0, len(set))
	for k := range steps {
		order = order[:0]
		for i := range set {
			if !math.IsNaN(set[i].Values[k]) {
				order = append(order, i)
			}
		}
		slices.SortFunc(order, func(a, b int) int {
			c := cmp.Or(cmp.Compare(set[b].Values[k], set[a].Values[k]), rank(&set[b], &set[a]))
			if bottom {
				c = -c
			}
			return c
		})
		for _, i := range order[:min(n, len(order))] {
			keep[i][k] = true
		}
	}
	for i := range set {
		for k := range steps {
			if !keep[i][k] {
				set[i].Values[k] = math.NaN()
			}
		}
	}
	return slices.DeleteFunc(set, func(s Series) bool { return s.empty() })
}

func threshold(set []Series, t *Threshold) []Series {
	limit := t.value()
	for i := range set {
		for k, v := range set[i].Values {
			if math.IsNaN(v) || !ordered(t.Op, v, limit) {
				set[i].Values[k] = math.NaN()
			}
		}
		set[i].Exemplars = slices.DeleteFunc(set[i].Exemplars, func(e Exemplar) bool {
			return !math.IsNaN(e.Value) && !ordered(t.Op, e.Value, limit)
		})
	}
	return slices.DeleteFunc(set, func(s Series) bool { return s.empty() })
}

// math combines two metrics queries, or one with a number.
func (m *metrics) math(e *MetricsMath) ([]Series, error) {
	if n, ok := e.L.(*MetricsNumber); ok {
		set, err := m.eval(e.R)
		return withNumber(set, func(v float64) float64 { return metricsOp(e.Op, n.float(), v) }), err
	}
	l, err := m.eval(e.L)
	if err != nil {
		return nil, err
	}
	if n, ok := e.R.(*MetricsNumber); ok {
		return withNumber(l, func(v float64) float64 { return metricsOp(e.Op, v, n.float()) }), nil
	}
	r, err := m.eval(e.R)
	if err != nil {
		return nil, err
	}
	return combineSeries(e.Op, l, r), nil
}

func (n *MetricsNumber) float() float64 {
	f, _ := n.Val.number()
	return f
}

func withNumber(set []Series, op func(float64) float64) []Series {
	for i := range set {
		for k, v := range set[i].Values {
			set[i].Values[k] = op(v)
		}
		for k, e := range set[i].Exemplars {
			set[i].Exemplars[k].Value = op(e.Value)
		}
	}
	return set
}

// metricsOp computes with two values; a division by zero has no result.
func metricsOp(op string, x, y float64) float64 {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	}
	if y == 0 {
		return math.NaN()
	}
	return x / y
}

// combineSeries matches series with equal labels. A side that is one series
// without labels goes with every series of the other.
func combineSeries(op string, l, r []Series) []Series {
	index := func(set []Series) map[string]*Series {
		out := make(map[string]*Series, len(set))
		for i := range set {
			out[set[i].identity()] = &set[i]
		}
		return out
	}
	left, right := index(l), index(r)
	target := l
	if _, ok := right[""]; !ok {
		target = r
	}
	find := func(set map[string]*Series, id string) (*Series, bool) {
		if s := set[id]; s != nil {
			return s, false
		}
		return set[""], true
	}
	out := make([]Series, 0, len(target))
	for i := range target {
		id := target[i].identity()
		a, aWide := find(left, id)
		b, bWide := find(right, id)
		if a == nil || b == nil {
			continue
		}
		s := Series{Labels: mergeLabels(op, a.Labels, b.Labels), Values: make([]float64, len(a.Values))}
		for k := range s.Values {
			s.Values[k] = metricsOp(op, a.Values[k], b.Values[k])
		}
		if !aWide || aWide == bWide {
			s.Exemplars = append(s.Exemplars, a.Exemplars...)
		}
		if !bWide || aWide == bWide {
			s.Exemplars = append(s.Exemplars, b.Exemplars...)
		}
		out = append(out, s)
	}
	return out
}

func mergeLabels(op string, a, b []Named) []Named {
	find := func(list []Named, name string) int {
		return slices.IndexFunc(list, func(n Named) bool { return n.Name == name })
	}
	var out []Named
	for _, n := range a {
		if n.Name != nameLabel {
			out = append(out, n)
		}
	}
	for _, n := range b {
		if n.Name != nameLabel && find(out, n.Name) < 0 {
			out = append(out, n)
		}
	}
	i, j := find(a, nameLabel), find(b, nameLabel)
	if i >= 0 && j >= 0 {
		out = append([]Named{{nameLabel, strStatic("(" + a[i].Val.Str + " " + op + " " + b[j].Val.Str + ")")}}, out...)
	}
	return out
}
