// Package spanmetrics computes RED metrics (rate, errors, duration) and the
// service graph from every stored span, before any sampling, under the names of
// Grafana Tempo's metrics generator ("Generate metrics from spans", "Service
// graphs"): traces_spanmetrics_calls_total, traces_spanmetrics_latency (seconds),
// traces_service_graph_request_total and the others.
package spanmetrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
)

const (
	// DefaultInterval is how often totals are written. Alerts on them see a
	// fault at most this much later than the span that shows it.
	DefaultInterval = 5 * time.Second
	// maxSpanNames bounds the operations of one service: names with ids in them
	// are folded into overflowName, so that one service harms nobody.
	maxSpanNames = 500
	overflowName = "__overflow__"
	// idleAfter is when a series that saw no span ends with a staleness marker.
	idleAfter = 15 * time.Minute
)

// Options configure a Generator.
type Options struct {
	// Appender writes the product label that a series carries; it is called
	// with ScopeAll because the spans passed their own scope already.
	Appender   func(context.Context) storage.Appender
	Interval   time.Duration
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Generator is safe for concurrent use.
type Generator struct {
	opts Options

	mu    sync.Mutex
	spans map[spanKey]*series
	names map[serviceKey]int // operations of a service
	edges map[edgeKey]*edgeSeries
	graph *pairs
	last  time.Time // of the previous write

	failed   prometheus.Counter
	overflow prometheus.Counter
}

type serviceKey struct{ product, service string }

type spanKey struct {
	serviceKey
	name   string
	kind   ptrace.SpanKind
	status ptrace.StatusCode
}

// New returns a generator without any series.
func New(opts Options) *Generator {
	if opts.Interval == 0 {
		opts.Interval = DefaultInterval
	}
	g := &Generator{
		opts: opts, spans: map[spanKey]*series{}, names: map[serviceKey]int{}, edges: map[edgeKey]*edgeSeries{}, last: opts.Now(),
		failed:   prometheus.NewCounter(prometheus.CounterOpts{Name: "hinomi_spanmetrics_failed_writes_total", Help: "Writes of span metrics that failed; their totals are in the next one."}),
		overflow: prometheus.NewCounter(prometheus.CounterOpts{Name: "hinomi_spanmetrics_overflow_spans_total", Help: "Spans counted under " + overflowName + " because their service has too many operations."}),
	}
	g.graph = newPairs(g.edge)
	opts.Registerer.MustRegister(g.failed, g.overflow)
	return g
}

// Observe counts stored spans. It keeps nothing of td.
func (g *Generator) Observe(scope model.Scope, td ptrace.Traces) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.opts.Now()
	for i := range td.ResourceSpans().Len() {
		rs := td.ResourceSpans().At(i)
		svc := serviceKey{service: "unknown_service"}
		claimed := ""
		if v, ok := rs.Resource().Attributes().Get(model.ResourceProduct); ok {
			claimed = v.AsString()
		}
		var err error
		if svc.product, err = scope.WriteProduct(claimed); err != nil {
			continue // The store refused these spans.
		}
		if v, ok := rs.Resource().Attributes().Get("service.name"); ok && v.AsString() != "" {
			svc.service = v.AsString()
		}
		for j := range rs.ScopeSpans().Len() {
			spans := rs.ScopeSpans().At(j).Spans()
			for k := range spans.Len() {
				sp := decodedSpan(spans.At(k))
				g.span(svc, &sp, now)
			}
		}
	}
}

// span counts one span, of which nothing may be kept.
func (g *Generator) span(svc serviceKey, sp *span, now time.Time) {
	weight := 1 / model.HeadProbability(sp.state)
	seconds := sp.seconds()
	key := spanKey{svc, sp.name, sp.kind, sp.status}
	s := g.spans[key]
	if s == nil {
		if g.names[svc] >= maxSpanNames {
			g.overflow.Inc()
			key.name = overflowName
			s = g.spans[key]
		}
		if s == nil {
			key.name = clone(key.name)
			key.service, key.product = clone(svc.service), clone(svc.product)
			s = newSeries(spanLabels(key), now)
			g.spans[key] = s
			g.names[key.serviceKey]++
		}
	}
	s.calls.add(weight, now)
	s.latency.observe(seconds, weight, sp.trace, sp.finished(), now)
	g.graph.span(svc, sp, seconds, weight, now)
}

// Run writes the totals every interval until ctx ends, and once more then.
func (g *Generator) Run(ctx context.Context) error {
	tick := time.NewTicker(g.opts.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			g.Write(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			g.Write(ctx)
		}
	}
}

// Write appends the current totals.
func (g *Generator) Write(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.opts.Now()
	g.graph.expire(now)
	w := writer{app: g.opts.Appender(ctx), at: now.UnixMilli(), before: g.last.UnixMilli()}
	for k, s := range g.spans {
		if s.idle(now) {
			w.stale(s)
			delete(g.spans, k)
			if g.names[k.serviceKey]--; g.names[k.serviceKey] == 0 {
				delete(g.names, k.serviceKey)
			}
			continue
		}
		w.series(s)
	}
	for k, e := range g.edges {
		if e.idle(now) {
			w.staleEdge(e)
			delete(g.edges, k)
			continue
		}
		w.edge(e)
	}
	if err := w.commit(); err != nil {
		g.failed.Inc()
		g.opts.Logger.Warn("write span metrics; the totals are in the next write", "err", err)
		return
	}
	g.last = now
}
