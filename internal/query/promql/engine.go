// Package promql makes the PromQL engine with Hinomi's limits. The language
// itself is Prometheus' own.
package promql

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Default limits.
const (
	// DefaultTimeout ends a query that nobody can be waiting for any more.
	DefaultTimeout = 2 * time.Minute
	// DefaultMaxSamples bounds the samples that one query holds in memory at
	// once; at 16 bytes each, 20 million are 320 MB.
	DefaultMaxSamples = 20_000_000
	// DefaultLookback is how old the newest sample of a series may be, as in Prometheus.
	DefaultLookback = 5 * time.Minute
	// DefaultMaxConcurrent bounds the queries that run at once; others wait.
	DefaultMaxConcurrent = 20
	// subqueryInterval is the step of a subquery that names none, as Prometheus'
	// default evaluation interval.
	subqueryInterval = time.Minute
)

// Options configures New. Every field has a default.
type Options struct {
	Timeout       time.Duration
	MaxSamples    int
	Lookback      time.Duration
	MaxConcurrent int
	// Parser may be replaced to accept experimental syntax.
	Parser     parser.Parser
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// New makes an engine. Close it when no query runs any more.
func New(o Options) (*Engine, error) {
	if o.Timeout < 0 || o.MaxSamples < 0 || o.Lookback < 0 || o.MaxConcurrent < 0 {
		return nil, errors.New("PromQL limits must not be negative: remove the setting to use its default")
	}
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.MaxSamples, DefaultMaxSamples)
	setDefault(&o.Lookback, DefaultLookback)
	setDefault(&o.MaxConcurrent, DefaultMaxConcurrent)
	if o.Parser == nil {
		o.Parser = NewParser()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Engine{promql.NewEngine(promql.EngineOpts{
		Logger:                   o.Logger,
		Reg:                      o.Registerer,
		MaxSamples:               o.MaxSamples,
		Timeout:                  o.Timeout,
		ActiveQueryTracker:       newGate(o.MaxConcurrent),
		LookbackDelta:            o.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryInterval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       true,
		// Without this a regex on __name__ can fail with "duplicate labelset".
		EnableDelayedNameRemoval: true,
		Parser:                   o.Parser,
	})}, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// gate bounds the queries that run at once. Prometheus' own tracker also
// writes them to a file, which names the query that killed the process; ours
// are in traces of Hinomi itself.
type gate chan struct{}

func newGate(n int) gate { return make(gate, n) }

// GetMaxConcurrent implements promql.QueryTracker.
func (g gate) GetMaxConcurrent() int { return cap(g) }

// Insert implements promql.QueryTracker: it waits for a free place.
func (g gate) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case g <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return 0, promql.ErrQueryTimeout("query queue")
		}
		return 0, promql.ErrQueryCanceled("query queue")
	}
}

// Delete implements promql.QueryTracker.
func (g gate) Delete(int) { <-g }

// Close implements promql.QueryTracker.
func (g gate) Close() error { return nil }
