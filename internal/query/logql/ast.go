package logql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Expr is a query: *LogExpr, *RangeAgg, *VectorAgg, *BinOp, *Literal,
// *VectorLit or *LabelReplace. String gives the canonical text, which parses to
// an expression of the same text.
type Expr interface {
	fmt.Stringer
	expr()
}

// LogExpr selects log lines and sends them through a pipeline.
type LogExpr struct {
	Matchers []*labels.Matcher
	Stages   []Stage
}

// RangeAgg folds the lines of a time window into one value per series.
type RangeAgg struct {
	Op       string
	Param    *float64 // of quantile_over_time
	Log      *LogExpr
	Unwrap   *Unwrap
	Range    time.Duration
	Offset   time.Duration
	At       *AtTime
	Grouping *Grouping
}

// AtTime is the @ modifier: every step sees the window that ends at one time.
type AtTime struct {
	Bound string // start or end of the query; "" when Nanos is the time
	Nanos int64  // Unix ns
}

func (a *AtTime) String() string {
	if a.Bound != "" {
		return "@ " + a.Bound + "()"
	}
	return "@ " + strconv.FormatFloat(float64(a.Nanos)/1e9, 'f', 3, 64)
}

// Unwrap takes the sample from a label.
type Unwrap struct {
	Label  string
	Conv   string // "", duration, duration_seconds, bytes
	Filter []*LabelFilter
}

// Grouping is by(…) or without(…).
type Grouping struct {
	Without bool
	Labels  []string
}

// VectorAgg aggregates over series.
type VectorAgg struct {
	Op       string
	Param    *float64 // of topk, bottomk, approx_topk and quantile
	Expr     Expr
	Grouping *Grouping
}

// BinOp combines two vectors, or a vector and a scalar.
type BinOp struct {
	Op         string
	Bool       bool
	On         bool // on(…) when set with Match, else ignoring(…)
	Match      bool // on or ignoring was written
	Labels     []string
	Group      string // "", left, right
	Include    []string
	Left, Rght Expr
}

// Literal is a number.
type Literal struct{ Val float64 }

// VectorLit is vector(number).
type VectorLit struct{ Val float64 }

// LabelReplace is label_replace(expr, dst, replacement, src, regex).
type LabelReplace struct {
	Expr                        Expr
	Dst, Replacement, Src, Text string
	Re                          *regexp.Regexp
}

func (*LogExpr) expr()      {}
func (*RangeAgg) expr()     {}
func (*VectorAgg) expr()    {}
func (*BinOp) expr()        {}
func (*Literal) expr()      {}
func (*VectorLit) expr()    {}
func (*LabelReplace) expr() {}

func (e *LogExpr) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range e.Matchers {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(matcherString(m))
	}
	b.WriteByte('}')
	for _, s := range e.Stages {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}

func matcherString(m *labels.Matcher) string {
	return m.Name + m.Type.String() + strconv.Quote(m.Value)
}

func (e *RangeAgg) String() string {
	var b strings.Builder
	b.WriteString(e.Op + "(")
	if e.Param != nil {
		b.WriteString(formatNumber(*e.Param) + ",")
	}
	b.WriteString(e.Log.String())
	if e.Unwrap != nil {
		b.WriteString(" " + e.Unwrap.String())
	}
	b.WriteString("[" + formatDuration(e.Range) + "]")
	if e.At != nil {
		b.WriteString(" " + e.At.String())
	}
	if e.Offset != 0 {
		b.WriteString(" offset " + formatDuration(e.Offset))
	}
	b.WriteByte(')')
	if e.Grouping != nil {
		b.WriteString(" " + e.Grouping.String())
	}
	return b.String()
}

func (u *Unwrap) String() string {
	s := "| unwrap " + u.Label
	if u.Conv != "" {
		s = "| unwrap " + u.Conv + "(" + u.Label + ")"
	}
	for _, f := range u.Filter {
		s += " " + f.String()
	}
	return s
}

func (g *Grouping) String() string {
	word := "by"
	if g.Without {
		word = "without"
	}
	return word + " (" + strings.Join(g.Labels, ",") + ")"
}

func (e *VectorAgg) String() string {
	s := e.Op
	if e.Grouping != nil {
		s += " " + e.Grouping.String() + " "
	}
	s += "("
	if e.Param != nil {
		s += formatNumber(*e.Param) + ","
	}
	return s + e.Expr.String() + ")"
}

func (e *BinOp) String() string {
	s := "(" + e.Left.String() + " " + e.Op
	if e.Bool {
		s += " bool"
	}
	if e.Match {
		word := " ignoring"
		if e.On {
			word = " on"
		}
		s += word + " (" + strings.Join(e.Labels, ",") + ")"
	}
	if e.Group != "" {
		s += " group_" + e.Group + " (" + strings.Join(e.Include, ",") + ")"
	}
	return s + " " + e.Rght.String() + ")"
}

func (e *Literal) String() string   { return formatNumber(e.Val) }
func (e *VectorLit) String() string { return "vector(" + formatNumber(e.Val) + ")" }

func (e *LabelReplace) String() string {
	return fmt.Sprintf("label_replace(%s,%q,%q,%q,%q)", e.Expr, e.Dst, e.Replacement, e.Src, e.Text)
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
