package traceql

import (
	"strconv"
	"strings"
	"time"
)

// Query is a parsed query: a search, or, when Metrics is not nil, a metrics query.
type Query struct {
	Pipe    *Pipeline   // nil when Metrics is not
	Metrics MetricsExpr // nil for a search
	Hints   []Hint
}

// Hint is one key=value of with(…).
type Hint struct {
	Name string
	Val  Static
}

// MetricsExpr is *MetricsPipeline, *MetricsMath, *MetricsNumber, *TopK or
// *Threshold.
type MetricsExpr interface{ String() string }

// MetricsPipeline turns the spans that a pipeline selects into series.
type MetricsPipeline struct {
	Pipe *Pipeline
	Agg  *MetricsAgg
}

// MetricsAgg is the function of a metrics query.
type MetricsAgg struct {
	Op    string
	Attr  *Attribute // of min, max, avg, sum, quantile and histogram
	Qs    []float64  // of quantile_over_time
	By    []*Attribute
	Sel   *SpansetFilter // of compare
	TopN  int            // of compare
	Start int64          // of compare: Unix ns, 0 when not given
	End   int64
}

// MetricsMath is arithmetic of two metrics queries, one of which can be a number.
type MetricsMath struct {
	Op   string
	L, R MetricsExpr
}

// MetricsNumber is a number in arithmetic of metrics.
type MetricsNumber struct{ Val Static }

// TopK keeps at each step the N largest (topk) or smallest (bottomk) series.
type TopK struct {
	Op string
	N  int
	X  MetricsExpr
}

// Threshold keeps the points that compare.
type Threshold struct {
	Op  string
	Val Static
	X   MetricsExpr
}

func (q *Query) String() string {
	s := ""
	if q.Metrics != nil {
		s = q.Metrics.String()
	} else {
		s = q.Pipe.String()
	}
	if len(q.Hints) == 0 {
		return s
	}
	parts := make([]string, len(q.Hints))
	for i, h := range q.Hints {
		parts[i] = h.Name + "=" + h.Val.String()
	}
	return s + " with(" + strings.Join(parts, ", ") + ")"
}

func (m *MetricsPipeline) String() string { return m.Pipe.String() + " | " + m.Agg.String() }

func (a *MetricsAgg) String() string {
	var b strings.Builder
	b.WriteString(a.Op + "(")
	if a.Attr != nil {
		b.WriteString(a.Attr.String())
	}
	for _, q := range a.Qs {
		b.WriteString(", " + strconv.FormatFloat(q, 'f', -1, 64))
	}
	if a.Sel != nil {
		b.WriteString(a.Sel.String() + ", " + strconv.Itoa(a.TopN))
		if a.Start != 0 || a.End != 0 {
			b.WriteString(", " + strconv.FormatInt(a.Start, 10) + ", " + strconv.FormatInt(a.End, 10))
		}
	}
	b.WriteString(")")
	if len(a.By) > 0 {
		b.WriteString(" by(")
		for i, x := range a.By {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(x.String())
		}
		b.WriteString(")")
	}
	return b.String()
}

// metricsOperand puts parentheses around what needs them.
func metricsOperand(e MetricsExpr) string {
	switch e.(type) {
	case *MetricsNumber:
		return e.String()
	}
	return "(" + e.String() + ")"
}

func (m *MetricsMath) String() string {
	return metricsOperand(m.L) + " " + m.Op + " " + metricsOperand(m.R)
}

func (n *MetricsNumber) String() string {
	if f, _ := n.Val.number(); f < 0 {
		return "(" + n.Val.String() + ")"
	}
	return n.Val.String()
}

func (t *TopK) String() string { return t.X.String() + " | " + t.Op + "(" + strconv.Itoa(t.N) + ")" }

func (t *Threshold) String() string { return t.X.String() + " " + t.Op + " " + t.Val.String() }

// value is what points compare with: durations are seconds, as results are.
func (t *Threshold) value() float64 {
	f, _ := t.Val.number()
	if t.Val.Type == TypeDuration {
		f /= float64(time.Second)
	}
	return f
}

// pipelines lists the metrics pipelines of an expression from left to right.
func pipelines(e MetricsExpr) []*MetricsPipeline {
	switch e := e.(type) {
	case *MetricsPipeline:
		return []*MetricsPipeline{e}
	case *MetricsMath:
		return append(pipelines(e.L), pipelines(e.R)...)
	case *TopK:
		return pipelines(e.X)
	case *Threshold:
		return pipelines(e.X)
	}
	return nil
}

// hint reads the first hint of a name and type; ok is false when there is none.
// Like Tempo, a value of another type and an unknown name say nothing.
func (q *Query) hint(name string, t Type) (Static, bool) {
	for _, h := range q.Hints {
		if h.Name == name && h.Val.Type == t {
			return h.Val, true
		}
	}
	return Static{}, false
}

// hasHint tells whether a boolean hint is given with this value.
func (q *Query) hasHint(name string, value bool) bool {
	v, ok := q.hint(name, TypeBool)
	return ok && v == boolStatic(value)
}
