package traceql

import (
	"context"
	"errors"
	"fmt"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// probeRows bounds how many rows are looked through for arrays in a column with
// texts that may be some. Where there are more rows it counts as one with arrays,
// whose rows are looked at one by one.
const probeRows = 50_000

// pusher learns which attributes there are on and around a range, and which of
// those that a query names hold arrays: their columns need a wider predicate.
func (e *Engine) pusher(ctx context.Context, scope model.Scope, from, to int64, query any) (*pusher, error) {
	if !namesAttributes(query) {
		return &pusher{}, nil
	}
	from, to = from-int64(e.o.Around), to+int64(e.o.Around)
	cols, err := e.o.Store.Columns(ctx, scope, from, to)
	if err != nil {
		return nil, fmt.Errorf("list columns: %w", err)
	}
	ps := &pusher{kinds: make(map[store.ColumnRef]store.Kind, len(cols)), arrays: map[store.ColumnRef]bool{}}
	lists := map[store.ColumnRef]bool{}
	for _, c := range cols {
		ps.kinds[c.Ref], lists[c.Ref] = c.Kind, c.Lists
	}
	for _, a := range referenced(query) {
		own := *a
		own.Parent = false
		for _, c := range columnsOf(&own) {
			if _, known := ps.arrays[c]; known || !lists[c] || !ps.mayBeText(c) {
				continue
			}
			if ps.arrays[c], err = e.holdsArray(ctx, scope, from, to, c); err != nil {
				return nil, err
			}
		}
	}
	return ps, nil
}

// namesAttributes tells whether a query reads attributes, of which the store has
// to be asked what there is; compare() reads all.
func namesAttributes(query any) bool {
	if q, ok := query.(*Query); ok && hasCompare(q.Metrics) {
		return true
	}
	for _, a := range referenced(query) {
		own := *a
		own.Parent = false
		for _, c := range columnsOf(&own) {
			if c.Scope != store.Intrinsic {
				return true
			}
		}
	}
	return false
}

// holdsArray tells whether a column may hold an array: one is found, or there are
// too many rows to know of none.
func (e *Engine) holdsArray(ctx context.Context, scope model.Scope, from, to int64, c store.ColumnRef) (found bool, err error) {
	_, err = e.o.Store.Scan(ctx, scope, store.ScanRequest{
		From: from, To: to, Where: bracket(c), Columns: []store.ColumnRef{c}, Budget: store.Budget{Rows: probeRows},
	}, func(b *store.Batch) error {
		for i := range b.N {
			if isArray(b.Cols[0].Str(i)) {
				found = true
				return store.ErrStop
			}
		}
		return ctx.Err()
	})
	if errors.Is(err, store.ErrBudget) {
		return true, nil
	}
	return found, err
}
