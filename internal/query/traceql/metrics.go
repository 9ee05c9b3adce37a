package traceql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// Bounds of a metrics query.
const (
	// MaxSteps bounds the points of a series, as Prometheus does.
	MaxSteps = 11_000
	// MaxSeries bounds the series of an answer: more cannot be read by anybody.
	MaxSeries = 1000
	// MaxGroups bounds the series that an aggregation makes before topk, filters
	// and quantiles, maxPoints their points: they take 8 bytes each, those of
	// weighted spans 16.
	MaxGroups = 100_000
	maxPoints = 10_000_000
	// MaxExemplars is the default and the most of them in an answer, as in Tempo.
	MaxExemplars = 100
)

// MetricsRequest is a metrics query over spans that start in (Start, End].
type MetricsRequest struct {
	Query      string
	Start, End time.Time
	// Step is the distance of points; ignored by an instant query. Start and End
	// of a range query are moved out to multiples of it, as Tempo does, and one
	// more step comes before.
	Step      time.Duration
	Instant   bool // one point for the whole range
	Exemplars int  // at most; 0 is MaxExemplars, negative is none
	MaxSeries int  // 0 is MaxSeries
}

// Exemplar is a span behind a point.
type Exemplar struct {
	Labels []Named
	Value  float64
	Ts     int64 // Unix ms
}

// Series is one line of the answer.
type Series struct {
	Labels    []Named
	Values    []float64 // one per step, NaN where there is no point
	Exemplars []Exemplar
}

// MetricsResult is the answer: point k of a series is at Times[k].
type MetricsResult struct {
	Series  []Series
	Times   []int64 // Unix ms
	Stats   store.ScanStats
	Partial bool
	Message string // why it is partial
}

// window is the aligned time of a metrics query: step k is
// (start+k·step, start+(k+1)·step].
type window struct {
	start, end, step int64 // Unix ns
	instant          bool
}

func (w window) steps() int { return int((w.end - w.start) / w.step) }

// at is the step a time falls in; ok is false when it is outside.
func (w window) at(ts int64) (int, bool) {
	if ts <= w.start || ts > w.end {
		return 0, false
	}
	return int((ts - w.start - 1) / w.step), true
}

func (r MetricsRequest) window() (window, error) {
	w := window{start: r.Start.UnixNano(), end: r.End.UnixNano(), step: int64(r.Step), instant: r.Instant}
	if w.end <= w.start {
		return w, fmt.Errorf("%w: end must be greater than start", ErrLimit)
	}
	if r.Instant {
		w.step = w.end - w.start
		return w, nil
	}
	if w.step <= 0 {
		return w, fmt.Errorf("%w: step must be greater than 0", ErrLimit)
	}
	w.start -= w.start%w.step + w.step
	if rest := w.end % w.step; rest != 0 {
		w.end += w.step - rest
	}
	if w.steps() > MaxSteps {
		return w, fmt.Errorf("%w: the range has %d steps, more than %d: use a longer step", ErrLimit, w.steps(), MaxSteps)
	}
	return w, nil
}

// metrics is one running metrics query.
type metrics struct {
	e         *Engine
	ctx       context.Context //nolint:containedctx // it lives as long as one query
	scope     model.Scope
	w         window
	push      *pusher
	exemplars int // per pipeline
	// each counts every span that there is once, whatever its weight.
	each bool
	res  MetricsResult
}

// Metrics answers a metrics query.
func (e *Engine) Metrics(ctx context.Context, scope model.Scope, r MetricsRequest) (MetricsResult, error) {
	q, err := ParseQuery(r.Query)
	if err != nil {
		return MetricsResult{}, fmt.Errorf("compiling query: %w", err)
	}
	if q.Metrics == nil {
		return MetricsResult{}, fmt.Errorf("compiling query: %w", errorAt(r.Query, 0, "end it with a function such as | rate()", "not a metrics query"))
	}
	w, err := r.window()
	if err != nil {
		return MetricsResult{}, err
	}
	push, err := e.pusher(ctx, scope, w.start, w.end, q)
	if err != nil {
		return MetricsResult{}, err
	}
	m := &metrics{e: e, ctx: ctx, scope: scope, w: w, push: push, each: q.hasHint("extrapolate", false)}
	m.exemplars = exemplarsWanted(q, r) / max(1, len(pipelines(q.Metrics)))
	for k := range w.steps() {
		m.res.Times = append(m.res.Times, (w.start+int64(k+1)*w.step)/int64(time.Millisecond))
	}
	set, err := m.eval(q.Metrics)
	if err != nil {
		return m.res, err
	}
	m.finish(set, r)
	return m.res, nil
}

// exemplarsWanted is how many exemplars a query gets: hint before parameter.
func exemplarsWanted(q *Query, r MetricsRequest) int {
	n := r.Exemplars
	if r.Instant {
		return 0
	}
	if h, ok := q.hint("exemplars", TypeInt); ok {
		n = int(h.Int)
		if n == 0 {
			n = -1
		}
	} else if q.hasHint("exemplars", false) {
		n = -1
	}
	if n < 0 {
		return 0
	}
	if n == 0 || n > MaxExemplars {
		n = MaxExemplars
	}
	return n
}

// finish sorts the series, drops empty ones and those over the limit.
func (m *metrics) finish(set []Series, r MetricsRequest) {
	limit := r.MaxSeries
	if limit <= 0 || limit > MaxSeries {
		limit = MaxSeries
	}
	for _, s := range set {
		if s.empty() {
			continue
		}
		s.attach(m.w)
		m.res.Series = append(m.res.Series, s)
	}
	sortSeries(m.res.Series)
	if len(m.res.Series) > limit {
		m.res.Series = m.res.Series[:limit]
		m.partial("Response exceeds maximum series limit of %d, a partial response is returned. Warning: the accuracy of each individual value is not guaranteed.", limit)
	}
}

func (m *metrics) partial(format string, args ...any) {
	m.res.Partial = true
	if m.res.Message == "" {
		m.res.Message = fmt.Sprintf(format, args...)
	}
}

// note adds a scan's statistics; used-up budgets and limits make the answer
// partial instead of failing it.
func (m *metrics) note(stats store.ScanStats, partial bool, err error) error {
	m.res.Stats.Add(stats)
	switch {
	case partial || errors.Is(err, store.ErrBudget):
		m.partial("the query budget was used up before all spans were read: narrow the time range or the filter")
		return nil
	case stats.Quarantined > 0:
		m.partial("some damaged parts of the store could not be read: spans may be missing")
	case stats.Unreachable > 0:
		m.partial("some old spans are in an object store or directory that does not answer now: they are missing, try again later")
	}
	var tooMany *plan.SeriesLimitError
	if errors.As(err, &tooMany) {
		return fmt.Errorf("%w: more than %d series: group by fewer attributes, use a longer step or filter first", ErrLimit, tooMany.Limit)
	}
	if errors.Is(err, plan.ErrSampleLimit) {
		return fmt.Errorf("%w: too many series and steps: use a longer step or group by fewer attributes", ErrLimit)
	}
	return err
}
