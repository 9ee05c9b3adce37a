package logql

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Ending says what ended a search before it had read everything.
type Ending string

// The endings of a search.
const (
	Complete   Ending = ""      // everything was read
	FullAnswer Ending = "limit" // the answer has as many lines as were asked for
	TimeUp     Ending = "time"  // the time limit of queries
	RowsUp     Ending = "rows"  // the budget of rows
	BytesUp    Ending = "bytes" // the budget of bytes
)

// meter is a store whose scans share one budget. It may be asked from another
// goroutine how many units the scans came by.
type meter struct {
	store.Scanner
	budget store.Budget
	began  time.Time
	used   store.ScanStats
	ended  Ending // which part of the budget is used up
	units  atomic.Int64
}

// left is what is left of the budget, and whether there is any.
func (m *meter) left() (store.Budget, Ending) {
	b := m.budget
	if b.Time > 0 {
		if b.Time -= time.Since(m.began); b.Time <= 0 {
			return b, TimeUp
		}
	}
	if b.Rows > 0 {
		if b.Rows -= m.used.RowsScanned; b.Rows <= 0 {
			return b, RowsUp
		}
	}
	if b.Bytes > 0 {
		if b.Bytes -= m.used.BytesScanned; b.Bytes <= 0 {
			return b, BytesUp
		}
	}
	return b, ""
}

// Scan implements store.Scanner.
func (m *meter) Scan(ctx context.Context, scope model.Scope, req store.ScanRequest, fn func(*store.Batch) error) (store.ScanStats, error) {
	req.Budget, m.ended = m.left()
	if m.ended != "" {
		return store.ScanStats{}, store.ErrBudget
	}
	skip := req.Skip
	req.Skip = func(minTs, maxTs int64) bool {
		m.units.Add(1)
		return skip != nil && skip(minTs, maxTs)
	}
	stats, err := m.Scanner.Scan(ctx, scope, req, fn)
	m.used.Add(stats)
	if errors.Is(err, store.ErrBudget) {
		// A store stops with the unit that reaches the budget, perhaps just at it.
		if _, m.ended = m.left(); m.ended == "" {
			m.ended = TimeUp
		}
	}
	return stats, err
}
