package promql

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// aggregateLabel selects an aggregate by name in stores that keep downsampled
// samples. For the raw part of a range such a store returns what the aggregate
// of a single sample is: the sample itself, or 1 as its count.
const aggregateLabel = "__aggregate__"

// downsampled is a store that answers from aggregates up to a time, inclusive,
// in Unix milliseconds; math.MinInt64 when it never does.
type downsampled interface{ DownsampledUntil() int64 }

func downsampledUntil(q storage.Queryable) int64 {
	if d, ok := q.(downsampled); ok {
		return d.DownsampledUntil()
	}
	return math.MinInt64
}

// onAggregates makes a query that reaches downsampled samples again, with the
// functions whose answer is not the same function of an aggregate written by
// others: the number of samples is the sum of counts, and an average is the sum
// of sums by that. make makes a query of a text.
func onAggregates(store storage.Queryable, q promql.Query, make func(query string) (promql.Query, error)) (promql.Query, error) {
	until := downsampledUntil(store)
	s, ok := q.Statement().(*parser.EvalStmt)
	if !ok || until == math.MinInt64 {
		return q, nil
	}
	if earliest, _ := promql.FindMinMaxTime(s); earliest > until {
		return q, nil
	}
	// The statement's tree belongs to its query, so that another one is changed.
	expr, err := NewParser().ParseExpr(q.String())
	if err != nil {
		return q, nil // syntax of an engine with a parser of its own; the query stays as it is
	}
	changed := false
	expr = rewrite(expr, &changed)
	if !changed {
		return q, nil
	}
	out, err := make(expr.String())
	if err != nil {
		return q, nil // it became too long; the store says what its answer is made of
	}
	q.Close()
	return out, nil
}

// rewrite replaces the functions below node.
func rewrite(node parser.Expr, changed *bool) parser.Expr {
	switch n := node.(type) {
	case *parser.Call:
		if out := rewriteCall(n); out != nil {
			*changed = true
			return out
		}
		for i := range n.Args {
			n.Args[i] = rewrite(n.Args[i], changed)
		}
	case *parser.AggregateExpr:
		n.Expr = rewrite(n.Expr, changed)
		if n.Param != nil {
			n.Param = rewrite(n.Param, changed)
		}
	case *parser.BinaryExpr:
		n.LHS, n.RHS = rewrite(n.LHS, changed), rewrite(n.RHS, changed)
	case *parser.ParenExpr:
		n.Expr = rewrite(n.Expr, changed)
	case *parser.UnaryExpr:
		n.Expr = rewrite(n.Expr, changed)
	case *parser.SubqueryExpr:
		n.Expr = rewrite(n.Expr, changed)
	case *parser.StepInvariantExpr:
		n.Expr = rewrite(n.Expr, changed)
	}
	return node
}

// rewriteCall returns nil for what stays as it is.
func rewriteCall(n *parser.Call) parser.Expr {
	if n.Func.Name != "count_over_time" && n.Func.Name != "avg_over_time" {
		return nil
	}
	m, ok := n.Args[0].(*parser.MatrixSelector)
	if !ok {
		return nil
	}
	sel, ok := m.VectorSelector.(*parser.VectorSelector)
	if !ok || hasMatcher(sel, aggregateLabel) {
		return nil
	}
	counts := sumOver(m, sel, "count")
	if n.Func.Name == "count_over_time" {
		return counts
	}
	// A division pairs series by their labels without the name, so that all must
	// be of one metric.
	if !namesOneMetric(sel) {
		return nil
	}
	return &parser.ParenExpr{Expr: &parser.BinaryExpr{
		Op: parser.DIV, LHS: sumOver(m, sel, "sum"), RHS: counts,
		VectorMatching: &parser.VectorMatching{Card: parser.CardOneToOne},
	}}
}

func sumOver(m *parser.MatrixSelector, sel *parser.VectorSelector, aggregate string) parser.Expr {
	own, matrix := *sel, *m
	own.LabelMatchers = append(append([]*labels.Matcher(nil), sel.LabelMatchers...),
		labels.MustNewMatcher(labels.MatchEqual, aggregateLabel, aggregate))
	matrix.VectorSelector = &own
	return &parser.Call{Func: parser.Functions["sum_over_time"], Args: parser.Expressions{&matrix}}
}

func hasMatcher(sel *parser.VectorSelector, name string) bool {
	for _, m := range sel.LabelMatchers {
		if m.Name == name {
			return true
		}
	}
	return false
}

func namesOneMetric(sel *parser.VectorSelector) bool {
	for _, m := range sel.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual && m.Value != "" {
			return true
		}
	}
	return false
}

// instant and ranged make the query of the engine, on aggregates where it
// reaches them.
func (e *Engine) instant(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, query string, at time.Time) (promql.Query, error) {
	reads := untrimmed{q}
	made, err := e.Engine.NewInstantQuery(ctx, reads, opts, query, at)
	if err != nil {
		return nil, err
	}
	return onAggregates(q, made, func(query string) (promql.Query, error) {
		return e.Engine.NewInstantQuery(ctx, reads, opts, query, at)
	})
}

func (e *Engine) ranged(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, query string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	reads := untrimmed{q}
	made, err := e.Engine.NewRangeQuery(ctx, reads, opts, query, start, end, interval)
	if err != nil {
		return nil, err
	}
	return onAggregates(q, made, func(query string) (promql.Query, error) {
		return e.Engine.NewRangeQuery(ctx, reads, opts, query, start, end, interval)
	})
}
