package traceql

import (
	"context"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// weighted gives the spans of a store the weights that sampling would have given
// them, by trace id and span id.
type weighted struct {
	store.TraceStore
	weights map[string]float64
}

func (w *weighted) set(trace [16]byte, span [8]byte, weight float64) {
	w.weights[string(trace[:])+string(span[:])] = weight
}

// Scan implements store.Scanner.
func (w *weighted) Scan(ctx context.Context, scope model.Scope, req store.ScanRequest, fn func(*store.Batch) error) (store.ScanStats, error) {
	at := -1
	for i, ref := range req.Columns {
		if ref == store.Col(store.ColWeight) {
			at = i
		}
	}
	if at < 0 {
		return w.TraceStore.Scan(ctx, scope, req, fn)
	}
	n := len(req.Columns)
	req.Columns = append(req.Columns[:n:n], store.Col(store.ColTraceID), store.Col(store.ColSpanID))
	weigh := func(fn func(*store.Batch) error) func(*store.Batch) error {
		return func(b *store.Batch) error {
			v := store.Vec{Kind: store.KindFloat, Floats: make([]float64, b.N), Same: true}
			for i := range b.N {
				v.Floats[i] = w.weights[b.Cols[n].Str(i)+b.Cols[n+1].Str(i)]
				v.Same = v.Same && v.Floats[i] == v.Floats[0]
			}
			out := &store.Batch{N: b.N, Cols: append([]store.Vec(nil), b.Cols[:n]...)}
			out.Cols[at] = v
			return fn(out)
		}
	}
	if worker := req.Worker; worker != nil {
		req.Worker = func() func(*store.Batch) error { return weigh(worker()) }
	}
	return w.TraceStore.Scan(ctx, scope, req, weigh(fn))
}
