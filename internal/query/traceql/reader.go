package traceql

import (
	"context"
	"strings"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// reader reads whole traces.
type reader struct {
	e     *Engine
	ctx   context.Context //nolint:containedctx // it lives as long as one query
	scope model.Scope
	cols  columns

	traces, spans int // read until now
}

// chunk is how many traces to read next.
func (r *reader) chunk() int {
	if r.spans == 0 {
		return minChunk
	}
	return min(maxChunk, max(minChunk, r.e.o.MaxSpans/4*r.traces/r.spans))
}

// read returns the traces of ids, linked, with their spans around [lo, hi]; those
// without any are left out. It stops with store.ErrBudget over MaxSpans spans.
func (r *reader) read(ids []string, lo, hi int64) ([]*Trace, store.ScanStats, error) {
	traces := make(map[string]*Trace, len(ids))
	for _, id := range ids {
		traces[id] = &Trace{ID: id}
	}
	around := int64(r.e.o.Around)
	n := 0
	stats, err := r.e.o.Store.Scan(r.ctx, r.scope, store.ScanRequest{
		From: lo - around, To: hi + around, Where: store.In{Col: store.Col(store.ColTraceID), Texts: ids}, Columns: r.cols.list(), Budget: r.e.o.Budget,
	}, func(b *store.Batch) error {
		if n += b.N; n > r.e.o.MaxSpans {
			return store.ErrBudget
		}
		// Rows of a trace lie together, and so do their spans in memory.
		block := make([]Span, b.N)
		values := make([]store.Value, b.N*len(r.cols.refs))
		var last *Trace
		for i := range b.N {
			id := b.Cols[1].Str(i)
			if last == nil || last.ID != id {
				last = traces[id]
			}
			if last != nil {
				k := len(r.cols.refs)
				block[i].attrs = values[i*k : (i+1)*k : (i+1)*k]
				r.cols.fill(&block[i], b.Cols, i)
				last.Spans = append(last.Spans, &block[i])
			}
		}
		return r.ctx.Err()
	})
	var out []*Trace
	for _, id := range ids {
		if t := traces[id]; len(t.Spans) > 0 {
			r.traces++
			r.spans += len(t.Spans)
			t.link()
			out = append(out, t)
		}
	}
	return out, stats, err
}

// maxTexts bounds the texts that are kept once instead of for every span.
const maxTexts = 1 << 14

// text copies a text out of a batch; the frequent ones only once.
func (c *columns) text(s string) string {
	if known, ok := c.texts[s]; ok {
		return known
	}
	s = strings.Clone(s)
	if c.texts == nil {
		c.texts = map[string]string{}
	}
	if len(c.texts) < maxTexts {
		c.texts[s] = s
	}
	return s
}
