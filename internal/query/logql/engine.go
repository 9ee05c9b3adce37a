package logql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// Defaults of Options. Loki's are the same where it has the limit.
const (
	DefaultMaxSeries  = 500
	DefaultMaxEntries = 5000
	DefaultMaxSteps   = 11000
	DefaultMaxSamples = 5_000_000
	// DefaultExactVolumeLines keeps the sum of a volume below a second of work.
	DefaultExactVolumeLines = 1_000_000
)

// Options configure an Engine. Zero limits take the defaults.
type Options struct {
	Store      store.Scanner
	MaxSeries  int          // series of one metric query
	MaxEntries int          // lines of one log query
	MaxSteps   int          // points of one series
	MaxSamples int          // values that quantile and the like may keep
	Budget     store.Budget // of each scan; a used-up budget gives a partial answer
	// ExactVolumeLines is up to how many lines a volume is summed exactly. Beyond it
	// lines are counted, and their length is estimated from a sample of each stream,
	// because reading every line to add up lengths costs more than the answer is
	// worth.
	ExactVolumeLines int
}

// Engine answers LogQL queries. It keeps no state and may be used concurrently.
type Engine struct{ o Options }

// New returns an engine over a store.
func New(o Options) (*Engine, error) {
	if o.Store == nil {
		return nil, errors.New("logql: Options.Store is needed")
	}
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MaxSeries, DefaultMaxSeries)
	def(&o.MaxEntries, DefaultMaxEntries)
	def(&o.MaxSteps, DefaultMaxSteps)
	def(&o.MaxSamples, DefaultMaxSamples)
	def(&o.ExactVolumeLines, DefaultExactVolumeLines)
	return &Engine{o: o}, nil
}

// MaxEntries is the largest Request.Limit.
func (e *Engine) MaxEntries() int { return e.o.MaxEntries }

// MaxSeries is how many series a metric answer may have.
func (e *Engine) MaxSeries() int { return e.o.MaxSeries }

// Request asks a query over a time range.
type Request struct {
	Query string
	// Log queries return lines in [Start, End). Metric queries are evaluated at
	// Start, Start+Step, … up to End inclusive.
	Start, End time.Time
	Step       time.Duration
	// Interval, for log queries, leaves out lines closer than this to the one
	// before.
	Interval time.Duration
	Limit    int  // lines; 0 is MaxEntries
	Forward  bool // oldest first; default newest first
	// Truncate cuts a metric answer of more series than allowed, with a warning,
	// instead of refusing it.
	Truncate bool
}

// Range answers a query over a time range.
func (e *Engine) Range(ctx context.Context, scope model.Scope, r Request) (Result, error) {
	expr, err := Parse(r.Query)
	if err != nil {
		return Result{}, err
	}
	if l, ok := expr.(*LogExpr); ok {
		return e.logs(ctx, scope, l, r)
	}
	g := grid{start: r.Start.UnixNano(), end: r.End.UnixNano(), step: int64(r.Step)}
	if g.step <= 0 {
		return Result{}, queryErrorf("step must be longer than 0")
	}
	if g.end < g.start {
		return Result{}, queryErrorf("end is before start")
	}
	if g.steps() > e.o.MaxSteps {
		return Result{}, queryErrorf("exceeded maximum resolution of %d points per time series. Try increasing the value of the step parameter", e.o.MaxSteps)
	}
	return e.metric(ctx, scope, expr, g, false, r.Truncate)
}

// Instant answers a metric query at one time. A log query is an error, as it is
// in Loki: IsLog tells.
func (e *Engine) Instant(ctx context.Context, scope model.Scope, query string, at time.Time) (Result, error) {
	expr, err := Parse(query)
	if err != nil {
		return Result{}, err
	}
	if _, ok := expr.(*LogExpr); ok {
		return Result{}, queryErrorf("log queries are not supported as an instant query type, please change your query to a range query type")
	}
	t := at.UnixNano()
	return e.metric(ctx, scope, expr, grid{start: t, end: t}, true, false)
}

func (e *Engine) metric(ctx context.Context, scope model.Scope, expr Expr, g grid, instant, truncate bool) (Result, error) {
	ev := &evaluator{e: e, ctx: ctx, scope: scope, grid: g, top: expr, truncate: truncate}
	ev.res.Start, ev.res.Step = g.start, g.step
	v, err := ev.eval(expr)
	res := &ev.res
	if err != nil {
		return *res, e.wrap(err)
	}
	switch {
	case v.scalar && instant:
		res.Kind, res.Scalar = Scalar, v.num
		return *res, nil
	case v.scalar:
		v = ev.vector(v.num)
	}
	res.Kind = Matrix
	if instant {
		res.Kind = Vector
	}
	res.Series = compact(v.series)
	if !v.ordered {
		sortSeries(res.Series)
	}
	if len(res.Series) > e.o.MaxSeries {
		if !truncate {
			return *res, e.wrap(&plan.SeriesLimitError{Limit: e.o.MaxSeries})
		}
		res.Series = res.Series[:e.o.MaxSeries]
		res.Warnings = append(res.Warnings, fmt.Sprintf("maximum number of series (%d) reached for a single query; returning partial results", e.o.MaxSeries))
	}
	return *res, nil
}

// wrap gives limit errors Loki's words.
func (e *Engine) wrap(err error) error {
	var sl *plan.SeriesLimitError
	if errors.As(err, &sl) {
		return queryErrorf("maximum number of series (%d) reached for a single query; consider reducing query cardinality by adding more specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()", sl.Limit)
	}
	if errors.Is(err, plan.ErrSampleLimit) {
		return queryErrorf("%s", err)
	}
	return err
}

// schema reads which label columns exist.
func (e *Engine) schema(ctx context.Context, scope model.Scope, from, to int64) (*schema, error) {
	cols, err := e.o.Store.Columns(ctx, scope, from, to)
	if err != nil {
		return nil, fmt.Errorf("list columns: %w", err)
	}
	return newSchema(cols), nil
}
