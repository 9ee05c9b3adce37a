package traceql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Defaults of Options and Request; Tempo's where it has them.
const (
	DefaultLimit     = 20
	DefaultSpss      = 3
	DefaultMaxLimit  = 1000
	DefaultMaxSpans  = 1_000_000
	DefaultInspected = 100_000
	DefaultTraceSpan = time.Hour
)

// Whole traces are read in chunks, because every chunk costs a scan of the columns:
// at least minChunk at once, and as many as keep a quarter of MaxSpans, going by
// the traces read before, up to maxChunk.
const (
	minChunk = 1024
	maxChunk = 16_384
)

// ErrLimit is when a query asks for more than it may. The request is at fault.
var ErrLimit = errors.New("query limit")

// AtFault tells whether an error is one that the request is to blame for.
func AtFault(err error) bool {
	var parse *ParseError
	return errors.As(err, &parse) || errors.Is(err, ErrLimit)
}

// Options configure an Engine. Zero fields take the defaults.
type Options struct {
	Store    store.Scanner
	MaxLimit int // largest Request.Limit
	MaxSpans int // spans of candidate traces held at once
	// MaxInspected is how many candidate traces a search reads whole before it
	// gives up and answers partially.
	MaxInspected int
	Around       time.Duration // how far outside of the searched range spans of a found trace may lie
	Budget       store.Budget  // of each scan; a used-up budget gives a partial answer
}

// Engine answers TraceQL searches. It keeps no state and may be used
// concurrently.
type Engine struct{ o Options }

// New returns an engine over a store.
func New(o Options) (*Engine, error) {
	if o.Store == nil {
		return nil, errors.New("traceql: Options.Store is needed")
	}
	if o.MaxLimit <= 0 {
		o.MaxLimit = DefaultMaxLimit
	}
	if o.MaxSpans <= 0 {
		o.MaxSpans = DefaultMaxSpans
	}
	if o.MaxInspected <= 0 {
		o.MaxInspected = DefaultInspected
	}
	if o.Around <= 0 {
		o.Around = DefaultTraceSpan
	}
	return &Engine{o: o}, nil
}

// Request is a search. Traces are found through spans that start in [Start, End).
type Request struct {
	Query      string
	Start, End time.Time
	Limit      int // traces; 0 is DefaultLimit
	Spss       int // spans shown per spanset; 0 is DefaultSpss
	// Traces shorter than MinDuration or, when it is not 0, longer than
	// MaxDuration are left out.
	MinDuration, MaxDuration time.Duration
	// Found, if set, is called while the search goes on with the traces that were
	// not handed over before; the Result of Search has only what is left then. Its
	// error ends the search.
	Found func(Result) error
}

// FoundSpan is a span of an answer.
type FoundSpan struct {
	ID       string // hex
	Name     string // set when the query reads it
	Start    int64  // Unix ns
	Duration int64  // ns
	Attrs    []Named
}

// FoundSet is a spanset of an answer.
type FoundSet struct {
	Spans   []FoundSpan // at most Spss
	Matched int         // of all spans of the set
	Attrs   []Named     // of by(…) and aggregates
}

// ServiceStats counts the spans of one service in a trace.
type ServiceStats struct{ Spans, Errors int }

// Found is one trace of an answer.
type Found struct {
	TraceID      string // hex
	RootService  string // "" when the root span is not stored
	RootName     string
	Start        int64 // Unix ns
	Duration     int64 // ns
	Sets         []FoundSet
	ServiceStats map[string]ServiceStats
}

// Result is the answer to a search: newest traces first.
type Result struct {
	Traces    []Found
	Inspected int // candidate traces looked at
	Stats     store.ScanStats
	Partial   bool
}

// Search finds traces.
func (e *Engine) Search(ctx context.Context, scope model.Scope, r Request) (Result, error) {
	pipe, err := Parse(r.Query)
	if err != nil {
		return Result{}, err
	}
	if r.Limit <= 0 {
		r.Limit = DefaultLimit
	}
	if r.Limit > e.o.MaxLimit {
		return Result{}, fmt.Errorf("%w: limit %d is over the maximum of %d", ErrLimit, r.Limit, e.o.MaxLimit)
	}
	if r.Spss <= 0 {
		r.Spss = DefaultSpss
	}
	push, err := e.pusher(ctx, scope, r.Start.UnixNano(), r.End.UnixNano(), pipe)
	if err != nil {
		return Result{}, err
	}
	s := &search{
		e: e, ctx: ctx, scope: scope, r: r, pipe: pipe, push: push, seen: map[string]bool{},
		read: &reader{e: e, ctx: ctx, scope: scope},
	}
	s.shown = referenced(pipe)
	for _, a := range s.shown {
		s.read.cols.attribute(a)
	}
	err = s.rounds()
	s.res.Traces = s.res.Traces[s.handed:]
	slices.SortStableFunc(s.res.Traces, func(a, b Found) int { return cmp.Compare(b.Start, a.Start) })
	return s.res, err
}
