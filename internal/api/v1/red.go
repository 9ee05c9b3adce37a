package v1

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Names of the series that the span metrics of Tempo's generator have.
const (
	callsSeries   = "traces_spanmetrics_calls_total"
	latencySeries = "traces_spanmetrics_latency_bucket"
	// served selects the spans of work done for a caller.
	served = `span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"`
	failed = `status_code="STATUS_CODE_ERROR"`
)

const (
	// window is what "now" is averaged over: short, so that a fault is seen
	// within a minute, and still a few times the interval of the series.
	window = 2 * time.Minute
	// before is how far back the comparison looks.
	before = time.Hour
	// sparkPoints is how many values a sparkline has at most.
	sparkPoints = 60
	// minStep is the shortest step of a sparkline; series are not written more often.
	minStep = 15 * time.Second
	// parallel bounds the queries of one request, so that one page does not take
	// all places of the query engine.
	parallel = 4
)

// byLabels is one query's answer by the values of the labels asked for.
type byLabels map[string]float64

// key joins label values; a label value cannot contain the separator in practice,
// and if it does, only two rows of a page are merged.
func key(values ...string) string { return strings.Join(values, "\x00") }

func unkey(k string) []string { return strings.Split(k, "\x00") }

// asked is a set of instant queries that run together.
type asked struct {
	group *errgroup.Group
	ctx   context.Context
	run   InstantFunc
}

func (a *api) ask(ctx context.Context) *asked {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	return &asked{group: g, ctx: ctx, run: a.Instant}
}

// into stores the finite values of query in out, by the values of labels. out
// may be read after wait.
func (q *asked) into(out *byLabels, at time.Time, query string, labels ...string) {
	*out = byLabels{}
	q.group.Go(func() error {
		samples, err := q.run(q.ctx, query, at)
		if err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		for _, s := range samples {
			if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
				continue
			}
			values := make([]string, len(labels))
			for i, l := range labels {
				values[i] = s.Labels[l]
			}
			(*out)[key(values...)] = s.Value
		}
		return nil
	})
}

func (q *asked) wait() error { return q.group.Wait() }

// redAnswers are the answers that make RED values by the same labels.
type redAnswers struct{ rate, errors, p50, p99 byLabels }

// red asks for RED of the span metrics that match, by labels.
func (q *asked) red(out *redAnswers, at time.Time, match string, labels ...string) {
	by := strings.Join(labels, ", ")
	q.into(&out.rate, at, sumRate(callsSeries, match, by), labels...)
	q.into(&out.errors, at, sumRate(callsSeries, match+","+failed, by), labels...)
	q.into(&out.p50, at, quantile(0.5, latencySeries, match, by), labels...)
	q.into(&out.p99, at, quantile(0.99, latencySeries, match, by), labels...)
}

// edges asks for RED of service graph edges, by the given end and their type.
func (q *asked) edges(out *redAnswers, at time.Time, match, end string) {
	labels := []string{end, "connection_type"}
	by := strings.Join(labels, ", ")
	q.into(&out.rate, at, sumRate("traces_service_graph_request_total", match, by), labels...)
	q.into(&out.errors, at, sumRate("traces_service_graph_request_failed_total", match, by), labels...)
	// The callers' view exists for databases and queues too, which send no spans.
	q.into(&out.p50, at, quantile(0.5, "traces_service_graph_request_client_seconds_bucket", match, by), labels...)
	q.into(&out.p99, at, quantile(0.99, "traces_service_graph_request_client_seconds_bucket", match, by), labels...)
}

func (r redAnswers) of(k string) RED {
	out := RED{}
	rate, ok := r.rate[k]
	if !ok {
		return out
	}
	out.Rate = &rate
	if rate > 0 {
		out.ErrorShare = ptr(min(r.errors[k]/rate, 1))
	}
	if v, ok := r.p50[k]; ok {
		out.P50 = ptr(v * 1000)
	}
	if v, ok := r.p99[k]; ok {
		out.P99 = ptr(v * 1000)
	}
	return out
}

func sumRate(series, match, by string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s{%s}[%s]))", by, series, match, promDuration(window))
}

func quantile(q float64, series, match, by string) string {
	return fmt.Sprintf("histogram_quantile(%g, sum by (%s, le) (rate(%s{%s}[%s])))", q, by, series, match, promDuration(window))
}

func promDuration(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// quoted is s as a PromQL string.
func quoted(s string) string { return fmt.Sprintf("%q", s) }

func ptr[T any](v T) *T { return &v }

// grid is the time grid of sparklines.
type grid struct {
	start, end time.Time
	step       time.Duration
	n          int
}

// newGrid covers [from, to] with at most sparkPoints steps, aligned to the step
// so that values do not wander when a page refreshes.
func newGrid(from, to time.Time) grid {
	step := max(to.Sub(from)/sparkPoints, minStep).Truncate(time.Second)
	end := to.Truncate(step)
	n := int(to.Sub(from)/step) + 1
	return grid{start: end.Add(-time.Duration(n-1) * step), end: end, step: step, n: n}
}

func (g grid) empty() []*float64 { return make([]*float64, g.n) }

// place puts the points of a series on the grid, times factor.
func (g grid) place(points []Point, factor float64) []*float64 {
	out := g.empty()
	for _, p := range points {
		i := int((p.TimeMs - g.start.UnixMilli()) / g.step.Milliseconds())
		if i >= 0 && i < g.n && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			out[i] = ptr(p.Value * factor)
		}
	}
	return out
}

// sparks are the sparklines of the services, by name.
func (a *api) sparks(ctx context.Context, g grid, match string) (map[string]*Spark, error) {
	w := promDuration(max(window, g.step))
	expr := func(inner string) string { return strings.ReplaceAll(inner, promDuration(window), w) }
	queries := []struct {
		query string
		put   func(*Spark, []Point)
	}{
		{expr(sumRate(callsSeries, match, "service")), func(s *Spark, p []Point) { s.Rate = g.place(p, 1) }},
		{expr(sumRate(callsSeries, match+","+failed, "service")), func(s *Spark, p []Point) { s.ErrorShare = g.place(p, 1) }},
		{expr(quantile(0.99, latencySeries, match, "service")), func(s *Spark, p []Point) { s.P99 = g.place(p, 1000) }},
	}
	answers := make([][]Series, len(queries))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallel)
	for i, q := range queries {
		eg.Go(func() (err error) {
			answers[i], err = a.Range(ctx, q.query, g.start, g.end, g.step)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	out := map[string]*Spark{}
	for i, q := range queries {
		for _, series := range answers[i] {
			name := series.Labels["service"]
			if out[name] == nil {
				out[name] = g.spark()
			}
			q.put(out[name], series.Points)
		}
	}
	for _, s := range out {
		s.divide()
	}
	return out, nil
}

func (g grid) spark() *Spark {
	return &Spark{
		Start: g.start.UnixMilli(), Step: g.step.Milliseconds(),
		Rate: g.empty(), ErrorShare: g.empty(), P99: g.empty(),
	}
}

// divide makes shares of the errors that ErrorShare holds until then.
func (s *Spark) divide() {
	for i, rate := range s.Rate {
		switch {
		case rate == nil || *rate == 0:
			s.ErrorShare[i] = nil
		case s.ErrorShare[i] == nil:
			s.ErrorShare[i] = ptr(0.0)
		default:
			s.ErrorShare[i] = ptr(min(*s.ErrorShare[i] / *rate, 1))
		}
	}
}
