package traceql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// inspected aggregates the spans that a pipeline over whole traces selects. The
// traces are found first by a predicate that one of their spans must satisfy,
// then read in chunks with the columns that the query needs.
func (m *metrics) inspected(p *MetricsPipeline) ([]plan.Group, []sampled, error) {
	src := &traceSource{m: m, p: p, refs: spanRefs(p.Agg)}
	if m.exemplars > 0 {
		src.slots = newSlots(m.w, m.exemplars)
	}
	at := func(a *Attribute) []int { return []int{1 + slices.Index(src.refs, a)} }
	stages := p.Agg.stages(at, true)
	// The columns are the time, the attributes and the weight, then what stages append.
	var weigh func() plan.Weights
	if !m.each {
		weigh = func() plan.Weights {
			return func(f *plan.Frame) ([]float64, float64) { return f.Cols[1+len(src.refs)].Floats, 0 }
		}
	}
	res, err := plan.RunAggregate(m.ctx, src, m.scope, plan.Scan{From: m.w.start + 1, To: m.w.end + 1}, stages, m.aggregation(p.Agg, 2+len(src.refs), weigh))
	if src.err != nil {
		err = src.err
	}
	return res.Groups, src.samples, m.note(store.ScanStats{}, false, err)
}

// spanRefs are the attributes that a function reads.
func spanRefs(a *MetricsAgg) []*Attribute {
	out := slices.Clone(a.By)
	if a.Attr != nil {
		out = append(out, a.Attr)
	}
	return out
}

// traceSource hands the spans of whole traces over as if a store had found them:
// their start, the attributes refs, their weight.
type traceSource struct {
	m       *metrics
	p       *MetricsPipeline
	refs    []*Attribute
	slots   *slots // nil: no exemplars
	samples []sampled
	err     error
}

var _ store.Scanner = (*traceSource)(nil)

// Columns implements store.Scanner; nobody asks.
func (s *traceSource) Columns(context.Context, model.Scope, int64, int64) ([]store.ColumnInfo, error) {
	return nil, nil
}

// Scan implements store.Scanner. Its statistics are noted in the query at once.
func (s *traceSource) Scan(_ context.Context, _ model.Scope, _ store.ScanRequest, fn func(*store.Batch) error) (store.ScanStats, error) {
	err := s.m.traces(s.p, s.refs, func(ev *evaluator, spans []*Span) error {
		b := s.batch(ev, spans)
		if b.N == 0 {
			return nil
		}
		return fn(b)
	})
	if err != nil && !errors.Is(err, store.ErrStop) {
		s.err = err
		return store.ScanStats{}, err
	}
	return store.ScanStats{}, nil
}

func (s *traceSource) batch(ev *evaluator, spans []*Span) *store.Batch {
	n := len(spans)
	b := &store.Batch{N: n, Cols: make([]store.Vec, 2+len(s.refs))}
	b.Cols[0] = store.Vec{Kind: store.KindInt, Ints: make([]int64, n)}
	for k := range s.refs {
		b.Cols[1+k] = store.Vec{Kind: store.KindMixed, Mixed: make([]store.Value, n)}
	}
	weights := make([]float64, n)
	b.Cols[1+len(s.refs)] = store.Vec{Kind: store.KindFloat, Floats: weights}
	for i, sp := range spans {
		b.Cols[0].Ints[i], weights[i] = sp.Start, sp.weight
		for k, a := range s.refs {
			b.Cols[1+k].Mixed[i] = s.value(k, ev.attribute(a, sp)[0])
		}
	}
	s.pick(ev, spans)
	return b
}

// value is an attribute as a column holds it: a key as its text, a number for
// the function as it is.
func (s *traceSource) value(k int, v Static) store.Value {
	if k >= len(s.p.Agg.By) {
		return v.Value()
	}
	if v.Type == TypeNil {
		return store.Value{}
	}
	return store.Str(encodeKey(v))
}

// pick takes one span of a trace as exemplar.
func (s *traceSource) pick(ev *evaluator, spans []*Span) {
	if s.slots == nil {
		return
	}
	for _, sp := range spans {
		if !s.slots.take(sp.Start, ev.trace.ID) {
			continue
		}
		a := s.p.Agg
		e := Exemplar{Value: math.NaN(), Ts: sp.Start / int64(time.Millisecond), Labels: []Named{
			{"trace:id", strStatic(hexText(ev.trace.ID))}, {"span:id", strStatic(hexText(sp.ID))},
		}}
		var key []store.Value
		for _, by := range a.By {
			key = append(key, s.value(0, ev.attribute(by, sp)[0]))
		}
		if a.Attr != nil {
			v := ev.attribute(a.Attr, sp)[0].Value()
			code, ok := bucketOf(v)
			switch {
			case a.Op == "histogram_over_time" && ok:
				key = append(key, store.Str(fmt.Sprint(code)))
			case a.Op != "histogram_over_time":
				e.Value, _ = v.Number()
				if isDuration(a.Attr) {
					e.Value /= float64(time.Second)
				}
			}
		}
		s.samples = append(s.samples, sampled{Exemplar: e, key: groupKey(key)})
		return
	}
}

// traces evaluates a pipeline on every trace that may have a matching span in the
// window and hands over the spans that match and start there, trace by trace.
func (m *metrics) traces(p *MetricsPipeline, also []*Attribute, fn func(*evaluator, []*Span) error) error {
	r := &reader{e: m.e, ctx: m.ctx, scope: m.scope}
	if !m.each {
		r.cols.weigh = &weigher{}
	}
	for _, a := range append(referenced(p.Pipe), also...) {
		r.cols.attribute(a)
	}
	began := time.Now()
	ids, err := m.traceIDs(m.push.requiredBy(p.Pipe))
	if err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), r.chunk())
		part := ids[:n]
		ids = ids[n:]
		if b := m.e.o.Budget.Time; b > 0 && time.Since(began) > b {
			m.partial("the query budget was used up before all traces were read: narrow the time range or the filter")
			return nil
		}
		traces, stats, err := r.read(part, m.w.start, m.w.end)
		if err := m.note(stats, false, err); err != nil {
			return err
		}
		for _, t := range traces {
			ev := &evaluator{cols: &r.cols, trace: t, done: m.ctx.Done()}
			var spans []*Span
			for _, set := range ev.run(p.Pipe) {
				for _, sp := range set.Spans {
					if _, ok := m.w.at(sp.Start); ok {
						spans = append(spans, sp)
					}
				}
			}
			if err := m.ctx.Err(); err != nil {
				return err
			}
			if len(spans) == 0 {
				continue
			}
			if err := fn(ev, spans); err != nil {
				return err
			}
		}
	}
	return nil
}

// traceIDs lists the traces that have, for each predicate, a span that satisfies
// it. They are sorted, so that chunks lie together in the segments.
func (m *metrics) traceIDs(where []store.Pred) ([]string, error) {
	where = slices.DeleteFunc(slices.Clone(where), func(p store.Pred) bool { return weight(p) == 0 })
	if len(where) == 0 {
		where = []store.Pred{nil}
	}
	// What narrows most comes first: later scans only take traces out.
	slices.SortStableFunc(where, func(a, b store.Pred) int { return cmp.Compare(weight(b), weight(a)) })
	var have map[string]struct{}
	for _, p := range where {
		next, err := m.tracesWith(p, have)
		if err != nil {
			return nil, err
		}
		if have = next; len(have) == 0 {
			return nil, nil
		}
	}
	if limit := m.e.o.MaxInspected; len(have) > limit {
		m.partial("the query looks at whole traces and there are more than %d: narrow the time range or the filter", limit)
		return slices.Sorted(maps.Keys(have))[:limit], nil
	}
	return slices.Sorted(maps.Keys(have)), nil
}

// maxTraceIDs bounds the ids held at once; they take about 80 bytes each.
const maxTraceIDs = 2_000_000

// tracesWith lists the traces of within (nil: all) with a span that satisfies
// where in the window, or around it, because a trace's other spans may be what
// matches inside.
func (m *metrics) tracesWith(where store.Pred, within map[string]struct{}) (map[string]struct{}, error) {
	around := int64(m.e.o.Around)
	if where == nil {
		around = 0 // every span is one to find, so one inside is enough
	}
	seen := map[string]struct{}{}
	stats, err := m.e.o.Store.Scan(m.ctx, m.scope, store.ScanRequest{
		From: m.w.start + 1 - around, To: m.w.end + 1 + around, Where: where, Budget: m.e.o.Budget,
		Columns: []store.ColumnRef{store.Col(store.ColTraceID)},
	}, func(b *store.Batch) error {
		last := ""
		for i := range b.N {
			id := b.Cols[0].Str(i)
			if id == last || id == "" {
				continue
			}
			last = id
			if _, ok := seen[id]; ok {
				continue
			}
			if _, ok := within[id]; within != nil && !ok {
				continue
			}
			if len(seen) >= maxTraceIDs {
				return store.ErrBudget
			}
			seen[strings.Clone(id)] = struct{}{}
		}
		return m.ctx.Err()
	})
	return seen, m.note(stats, false, err)
}
