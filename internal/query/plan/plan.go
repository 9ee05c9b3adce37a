// Package plan is the logical plan that record queries compile to, and its
// executor over a store.Scanner:
//
//	Scan (time range, pushed-down predicate, columns)
//	  -> Stages (derive columns, filter rows)
//	  -> Aggregate (by keys and time window)  or  Top (newest/oldest N rows)
//
// Work is done column by column; where a column is dictionary coded, once per
// dictionary entry. Nothing here knows a query language.
package plan

import (
	"context"
	"errors"
	"fmt"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// ErrSeriesLimit is when an aggregation makes more groups than it may.
var ErrSeriesLimit = errors.New("too many series")

// SeriesLimitError says which limit was passed. It is an ErrSeriesLimit.
type SeriesLimitError struct{ Limit int }

func (e *SeriesLimitError) Error() string {
	return fmt.Sprintf("maximum of series (%d) reached for a single query", e.Limit)
}

// Is makes errors.Is(err, ErrSeriesLimit) true.
func (e *SeriesLimitError) Is(target error) bool { return target == ErrSeriesLimit }

// Scan is the leaf of a plan: rows in [From, To) that satisfy Where.
type Scan struct {
	From, To int64
	Where    store.Pred
	Columns  []store.ColumnRef
	Order    store.Order
	// Limit, if set, is how many of the first rows in Order the plan can use, see
	// store.ScanRequest. Only for plans whose stages drop no row.
	Limit  int
	Budget store.Budget
}

// Frame is one batch on its way through the stages. Cols[i] belongs to
// Scan.Columns[i]; stages append derived columns behind them. Sel are the rows
// that are still in, ascending; nil means all N.
type Frame struct {
	N      int
	Cols   []store.Vec
	Sel    []int32
	Counts []int64 // as in store.Batch
}

// Rows is the number of rows still in.
func (f *Frame) Rows() int {
	if f.Sel == nil {
		return f.N
	}
	return len(f.Sel)
}

// Row is the index of the i-th row still in.
func (f *Frame) Row(i int) int {
	if f.Sel == nil {
		return i
	}
	return int(f.Sel[i])
}

// Stage derives columns from a frame or takes rows out of it. A stage belongs
// to one execution and is called for one frame at a time.
type Stage interface {
	Apply(f *Frame) error
}

// StageFunc is a function as a Stage.
type StageFunc func(f *Frame) error

// Apply implements Stage.
func (fn StageFunc) Apply(f *Frame) error { return fn(f) }

// through makes f the frame of a batch and hands it over after its stages.
func (f *Frame) through(ctx context.Context, b *store.Batch, stages []Stage, fn func(*Frame) error) error {
	f.N, f.Sel, f.Counts = b.N, nil, b.Counts
	f.Cols = append(f.Cols[:0], b.Cols...)
	for _, st := range stages {
		if err := st.Apply(f); err != nil {
			return err
		}
		if f.Rows() == 0 {
			return ctx.Err()
		}
	}
	if err := fn(f); err != nil {
		return err
	}
	return ctx.Err()
}

// run scans and hands over each frame after its stages. A used-up budget is not
// an error but a partial answer: partial tells of it.
func run(ctx context.Context, src store.Scanner, scope model.Scope, s Scan, skip func(lo, hi int64) bool, stages []Stage, fn func(*Frame) error) (stats store.ScanStats, partial bool, err error) {
	return runWorkers(ctx, src, scope, s, skip, stages, fn, inScan{})
}

// inScan is what of an aggregation happens inside of the scan, see store.ScanRequest.
type inScan struct {
	worker func() func(*store.Batch) error
	alike  func(ts int64) (lo, hi int64)
}

// runWorkers is run where in.worker, unless nil, makes the callback of each of the
// scan's workers, and stages and fn are for stores without workers.
func runWorkers(ctx context.Context, src store.Scanner, scope model.Scope, s Scan, skip func(lo, hi int64) bool, stages []Stage, fn func(*Frame) error, in inScan) (stats store.ScanStats, partial bool, err error) {
	if s.From >= s.To {
		return stats, false, ctx.Err()
	}
	var f Frame
	var inner error
	stats, err = src.Scan(ctx, scope, store.ScanRequest{
		From: s.From, To: s.To, Where: s.Where, Columns: s.Columns, Order: s.Order, Skip: skip, Limit: s.Limit, Budget: s.Budget, Worker: in.worker, Alike: in.alike,
	}, func(b *store.Batch) error {
		inner = f.through(ctx, b, stages, fn)
		return inner
	})
	switch {
	case inner != nil && !errors.Is(inner, store.ErrStop):
		return stats, false, inner
	case errors.Is(err, store.ErrBudget):
		return stats, true, nil
	}
	return stats, false, err
}

// Each executes a plan without aggregation: fn sees every frame.
func Each(ctx context.Context, src store.Scanner, scope model.Scope, s Scan, stages []Stage, fn func(*Frame) error) (store.ScanStats, bool, error) {
	return run(ctx, src, scope, s, nil, stages, fn)
}
