package traceql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// chunkTraces is how many whole traces are read at once: enough that few scans
// are needed, few enough that a thousand spans of each fit MaxSpans.
const chunkTraces = 1024

// ErrLimit is when a query asks for more than it may. The request is at fault.
var ErrLimit = errors.New("query limit")

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
	s := &search{e: e, ctx: ctx, scope: scope, r: r, pipe: pipe, seen: map[string]bool{}}
	s.shown = referenced(pipe)
	for _, a := range s.shown {
		s.cols.attribute(a)
	}
	err = s.rounds()
	slices.SortStableFunc(s.res.Traces, func(a, b Found) int { return cmp.Compare(b.Start, a.Start) })
	return s.res, err
}

// search is one running search.
type search struct {
	e     *Engine
	ctx   context.Context //nolint:containedctx // it lives as long as one search
	scope model.Scope
	r     Request
	pipe  *Pipeline
	cols  columns
	shown []*Attribute
	seen  map[string]bool
	res   Result
}

// rounds looks at the newest candidate traces first and goes on to older ones
// while the answer is not full. Each round doubles its size.
func (s *search) rounds() error {
	began := time.Now()
	from, bound := s.r.Start.UnixNano(), s.r.End.UnixNano()
	where := pushPipeline(s.pipe)
	if _, ok := where.(store.True); ok {
		where = nil
	}
	for size := max(s.r.Limit, 16); from < bound; size = min(size*2, 2048) {
		c, err := s.candidates(where, from, bound, size)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(c.traces, chunkTraces) {
			if err := s.inspect(part); err != nil {
				return err
			}
			if len(s.res.Traces) >= s.r.Limit {
				s.res.Traces = s.res.Traces[:s.r.Limit]
				return nil
			}
		}
		if c.complete || s.res.Partial {
			return nil
		}
		if b := s.e.o.Budget.Time; s.res.Inspected >= s.e.o.MaxInspected || b > 0 && time.Since(began) > b {
			s.res.Partial = true
			return nil
		}
		bound = c.bound
	}
	return nil
}

// candidate is a trace with a matching span, and when the newest one started.
type candidate struct {
	id string
	ts int64
}

type candidates struct {
	traces   []candidate // newest first
	complete bool        // there are no more in the range
	bound    int64       // where the next round ends
}

// candidates finds about size traces whose newest matching span in [from, bound)
// is the newest. Traces seen before are left out.
func (s *search) candidates(where store.Pred, from, bound int64, size int) (candidates, error) {
	newest := map[string]int64{}
	cut := int64(0) // traces below are not wanted; 0 is none yet
	complete := true
	prune := func() {
		if len(newest) < 4*size {
			return
		}
		list := sortedCandidates(newest)
		cut = list[size-1].ts
		for _, c := range list[size:] {
			if c.ts < cut {
				delete(newest, c.id)
				complete = false
			}
		}
	}
	stats, err := s.e.o.Store.Scan(s.ctx, s.scope, store.ScanRequest{
		From: from, To: bound, Where: where, Order: store.NewestFirst, Budget: s.e.o.Budget,
		Columns: []store.ColumnRef{store.Col(store.ColTime), store.Col(store.ColTraceID)},
		Skip: func(_, hi int64) bool {
			if cut == 0 && len(newest) >= size {
				cut = sortedCandidates(newest)[size-1].ts
			}
			if cut != 0 && hi < cut {
				complete = false
				return true
			}
			return false
		},
	}, func(b *store.Batch) error {
		for i, ts := range b.Cols[0].Ints {
			if ts < cut {
				complete = false
				continue
			}
			id := b.Cols[1].Str(i)
			if have, ok := newest[id]; ok {
				if ts > have {
					newest[id] = ts
				}
				continue
			}
			if id != "" && !s.seen[id] {
				newest[strings.Clone(id)] = ts
			}
		}
		prune()
		return s.ctx.Err()
	})
	if err := s.note(stats, err); err != nil {
		return candidates{}, err
	}
	list := sortedCandidates(newest)
	out := candidates{traces: list, complete: complete && len(list) <= size}
	if len(list) > size {
		// All traces of the last time stay, so that the next round can end there.
		n := size
		for n < len(list) && list[n].ts == list[size-1].ts {
			n++
		}
		out.traces, out.complete = list[:n], complete && n == len(list)
	}
	if len(out.traces) == 0 {
		out.complete = true
		return out, nil
	}
	out.bound = out.traces[len(out.traces)-1].ts
	for _, c := range out.traces {
		s.seen[c.id] = true
	}
	return out, nil
}

func sortedCandidates(m map[string]int64) []candidate {
	list := make([]candidate, 0, len(m))
	for id, ts := range m {
		list = append(list, candidate{id, ts})
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.ts, a.ts), cmp.Compare(a.id, b.id)) })
	return list
}

// note adds a scan's statistics. A used-up budget makes the answer partial.
func (s *search) note(stats store.ScanStats, err error) error {
	s.res.Stats.Add(stats)
	if errors.Is(err, store.ErrBudget) {
		s.res.Partial = true
		return nil
	}
	if stats.Quarantined > 0 {
		s.res.Partial = true
	}
	return err
}

// inspect reads the whole traces of candidates and evaluates the query on them.
func (s *search) inspect(part []candidate) error {
	ids := store.In{Col: store.Col(store.ColTraceID)}
	lo, hi := part[0].ts, part[0].ts
	traces := map[string]*Trace{}
	for _, c := range part {
		ids.Texts = append(ids.Texts, c.id)
		lo, hi = min(lo, c.ts), max(hi, c.ts)
		traces[c.id] = &Trace{ID: c.id}
	}
	around := int64(s.e.o.Around)
	n := 0
	stats, err := s.e.o.Store.Scan(s.ctx, s.scope, store.ScanRequest{
		From: lo - around, To: hi + around, Where: ids, Columns: s.cols.list(), Budget: s.e.o.Budget,
	}, func(b *store.Batch) error {
		if n += b.N; n > s.e.o.MaxSpans {
			return store.ErrBudget
		}
		for i := range b.N {
			if t := traces[b.Cols[1].Str(i)]; t != nil {
				t.Spans = append(t.Spans, s.cols.span(b.Cols, i))
			}
		}
		return s.ctx.Err()
	})
	if err := s.note(stats, err); err != nil {
		return err
	}
	for _, c := range part {
		t := traces[c.id]
		if len(t.Spans) == 0 {
			continue
		}
		s.res.Inspected++
		t.link()
		if d := t.end - t.start; d < int64(s.r.MinDuration) || s.r.MaxDuration > 0 && d > int64(s.r.MaxDuration) {
			continue
		}
		ev := &evaluator{cols: &s.cols, trace: t}
		if sets := ev.run(s.pipe); len(sets) > 0 {
			s.res.Traces = append(s.res.Traces, s.found(ev, sets))
		}
	}
	return nil
}

func (s *search) found(ev *evaluator, sets []Spanset) Found {
	t := ev.trace
	out := Found{TraceID: hexText(t.ID), Start: t.start, Duration: t.end - t.start, ServiceStats: map[string]ServiceStats{}}
	out.RootName, _ = t.rootName()
	out.RootService, _ = t.rootService()
	for _, sp := range t.Spans {
		st := out.ServiceStats[sp.Service]
		st.Spans++
		if sp.Status == 2 {
			st.Errors++
		}
		out.ServiceStats[sp.Service] = st
	}
	for _, set := range sets {
		fs := FoundSet{Matched: len(set.Spans), Attrs: set.Attrs}
		for _, sp := range set.Spans[:min(s.r.Spss, len(set.Spans))] {
			fs.Spans = append(fs.Spans, s.show(ev, sp))
		}
		out.Sets = append(out.Sets, fs)
	}
	return out
}

// show renders a span with the attributes that the query names.
func (s *search) show(ev *evaluator, sp *Span) FoundSpan {
	out := FoundSpan{ID: hexText(sp.ID), Start: sp.Start, Duration: sp.Duration}
	for _, a := range s.shown {
		if a.Scope == ScopeIntrinsic {
			switch a.Name {
			case "name":
				if !a.Parent {
					out.Name = sp.Name
					continue
				}
			case "duration", "span:id", "trace:id", "traceDuration", "parent":
				continue
			}
		}
		v := ev.attribute(a, sp)[0]
		if v.Type == TypeNil {
			continue
		}
		name := a.Name
		if a.Parent {
			name = "parent." + name
		}
		out.Attrs = append(out.Attrs, Named{name, v})
	}
	return out
}

// referenced lists the attributes that a query names, in order, once each.
func referenced(e any) []*Attribute {
	var out []*Attribute
	seen := map[Attribute]bool{}
	var walk func(any)
	walk = func(e any) {
		switch e := e.(type) {
		case *Attribute:
			if !seen[*e] {
				seen[*e] = true
				out = append(out, e)
			}
		case *Binary:
			walk(e.L)
			walk(e.R)
		case *Unary:
			walk(e.X)
		case *Pipeline:
			for _, x := range e.Elems {
				walk(x)
			}
		case *SpansetFilter:
			if e.Expr != nil {
				walk(e.Expr)
			}
		case *SpansetOp:
			walk(e.L)
			walk(e.R)
		case *ScalarFilter:
			walk(e.L)
			walk(e.R)
		case *ScalarOp:
			walk(e.L)
			walk(e.R)
		case *AggregateExpr:
			if e.Field != nil {
				walk(e.Field)
			}
		case *GroupBy:
			walk(e.Expr)
		case *Select:
			for _, a := range e.Attrs {
				walk(a)
			}
		}
	}
	walk(e)
	return out
}
