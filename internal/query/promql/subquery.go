package promql

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// maxSubquerySteps bounds the points at which one subquery is evaluated: a week
// by the second, a year by the minute. Prometheus' engine allocates arrays for
// them before it evaluates the first, so that max_over_time(vector(1)[1y:1ms])
// takes 250 GB at once and ends the process.
const maxSubquerySteps = 1_000_000

// maxSubqueryPoints bounds the points that the windows of one subquery hold
// together, which is what its function reads for each series. The engine looks
// for a client that went away only between series.
const maxSubqueryPoints = 1_000_000_000

// Engine is Prometheus' engine with bounds of its own. It is safe for
// concurrent use.
type Engine struct{ *promql.Engine }

// NewInstantQuery implements promql.QueryEngine.
func (e *Engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, query string, at time.Time) (promql.Query, error) {
	return boundedQuery(e.instant(ctx, q, opts, query, at))
}

// NewRangeQuery implements promql.QueryEngine.
func (e *Engine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, query string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	return boundedQuery(e.ranged(ctx, q, opts, query, start, end, interval))
}

func boundedQuery(q promql.Query, err error) (promql.Query, error) {
	if err != nil {
		return nil, err
	}
	if s, ok := q.Statement().(*parser.EvalStmt); ok {
		if err := checkSubqueries(s.Expr, s.End.Sub(s.Start), s.Interval); err != nil {
			q.Close()
			return nil, err
		}
	}
	return q, nil
}

// checkSubqueries refuses a subquery with too many steps. span is the time over
// which node is evaluated, every interval.
func checkSubqueries(node parser.Node, span, interval time.Duration) error {
	switch n := node.(type) {
	case *parser.StepInvariantExpr:
		span = 0
	case *parser.SubqueryExpr:
		step := n.Step
		if step <= 0 {
			step = subqueryInterval
		}
		windows := time.Duration(1)
		if interval > 0 {
			windows += span / interval
		}
		span += n.Range
		if steps := span / step; span < 0 || steps > maxSubquerySteps {
			return fmt.Errorf("1:%d: a subquery over %s by %s has %d steps, the limit is %d: give it a longer step",
				n.PositionRange().Start+1, span, step, steps, maxSubquerySteps)
		}
		if points := n.Range / step; points > maxSubqueryPoints/windows {
			return fmt.Errorf("1:%d: a subquery of %d windows with %d points each reads more than %d points: give it a longer step",
				n.PositionRange().Start+1, windows, points, maxSubqueryPoints)
		}
		interval = step
	}
	for child := range parser.ChildrenIter(node) {
		if err := checkSubqueries(child, span, interval); err != nil {
			return err
		}
	}
	return nil
}
