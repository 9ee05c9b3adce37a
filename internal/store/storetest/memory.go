// Package storetest holds what tests of stores and of their users share: a
// naive in-memory store whose answers are right because it is too simple to be
// wrong.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Row is one record: every column that has a value.
type Row map[store.ColumnRef]store.Value

// Memory keeps rows in a slice and evaluates predicates row by row. It is a
// store.LogStore and a store.TraceStore; a Memory should be used as only one of
// the two. UnitRows (default 16) is the size of the units it pretends to have.
type Memory struct {
	UnitRows int

	mu   sync.RWMutex
	rows []Row
	req  store.ScanRequest
}

var (
	_ store.LogStore   = (*Memory)(nil)
	_ store.TraceStore = (*Memory)(nil)
)

// New returns an empty store.
func New() *Memory { return &Memory{UnitRows: 16} }

// Add stores rows as they are. Each needs store.ColTime.
func (m *Memory) Add(rows ...Row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, rows...)
	slices.SortStableFunc(m.rows, func(a, b Row) int { return cmp.Compare(a.time(), b.time()) })
}

func (r Row) time() int64     { return r[store.Col(store.ColTime)].Int }
func (r Row) product() string { return r[store.Col(store.ColProduct)].Str }

// LastRequest is the request of the newest scan, for tests of push-down.
func (m *Memory) LastRequest() store.ScanRequest {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.req
}

// Len is the number of rows.
func (m *Memory) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.rows)
}

func (m *Memory) snapshot(req store.ScanRequest) []Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.req = req
	return slices.Clone(m.rows)
}

// Scan implements store.Scanner.
func (m *Memory) Scan(ctx context.Context, scope model.Scope, req store.ScanRequest, fn func(*store.Batch) error) (stats store.ScanStats, err error) {
	began := time.Now()
	defer func() { stats.Duration = time.Since(began) }()
	rows := slices.DeleteFunc(m.snapshot(req), func(r Row) bool {
		return r.time() < req.From || r.time() >= req.To || !scope.Allows(r.product())
	})
	if req.Order == store.NewestFirst {
		slices.Reverse(rows)
	}
	unit := 0
	for part := range slices.Chunk(rows, max(1, m.UnitRows)) {
		if err := ctx.Err(); err != nil {
			return stats, err
		}
		lo, hi := part[0].time(), part[len(part)-1].time()
		if req.Skip != nil && req.Skip(min(lo, hi), max(lo, hi)) {
			stats.UnitsPruned++
			continue
		}
		if b := req.Budget; b.Rows > 0 && stats.RowsScanned >= b.Rows || b.Bytes > 0 && stats.BytesScanned >= b.Bytes || b.Time > 0 && time.Since(began) > b.Time {
			return stats, store.ErrBudget
		}
		stats.UnitsScanned++
		stats.RowsScanned += int64(len(part))
		match := slices.DeleteFunc(slices.Clone(part), func(r Row) bool { return req.Where != nil && !Eval(req.Where, r) })
		if len(match) == 0 {
			continue
		}
		stats.RowsMatched += int64(len(match))
		var counts []int64
		if req.Alike != nil && unit%2 == 0 {
			match, counts = alike(match, req)
		}
		b := store.Batch{N: len(match), Cols: make([]store.Vec, len(req.Columns)), Counts: counts}
		for i, c := range req.Columns {
			b.Cols[i] = vector(match, c, (unit+i)%2 == 0)
			for _, r := range match {
				stats.BytesScanned += int64(8 + len(r[c].Str))
			}
		}
		unit++
		if err := fn(&b); err != nil {
			if errors.Is(err, store.ErrStop) {
				return stats, nil
			}
			return stats, err
		}
	}
	return stats, ctx.Err()
}

// alike keeps one of the rows that need not be told apart, and counts them.
func alike(rows []Row, req store.ScanRequest) (kept []Row, counts []int64) {
	for _, r := range rows {
		at := slices.IndexFunc(kept, func(k Row) bool {
			lo, hi := req.Alike(k.time())
			return r.time() >= lo && r.time() <= hi && !slices.ContainsFunc(req.Columns, func(c store.ColumnRef) bool {
				return c != store.Col(store.ColTime) && k[c] != r[c]
			})
		})
		if at < 0 {
			kept, counts = append(kept, r), append(counts, 1)
		} else {
			counts[at]++
		}
	}
	return kept, counts
}

// Columns implements store.Scanner.
func (m *Memory) Columns(_ context.Context, scope model.Scope, from, to int64) ([]store.ColumnInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	kinds, lists := map[store.ColumnRef]store.Kind{}, map[store.ColumnRef]bool{}
	for _, r := range m.rows {
		if r.time() < from || r.time() >= to || !scope.Allows(r.product()) {
			continue
		}
		for c, v := range r {
			if c.Scope == store.Intrinsic {
				continue
			}
			lists[c] = lists[c] || strings.HasPrefix(v.Str, "[")
			if k, ok := kinds[c]; ok && k != v.Kind {
				kinds[c] = store.KindMixed
			} else {
				kinds[c] = v.Kind
			}
		}
	}
	out := make([]store.ColumnInfo, 0, len(kinds))
	for c, k := range kinds {
		out = append(out, store.ColumnInfo{Ref: c, Kind: k, Lists: lists[c]})
	}
	slices.SortFunc(out, func(a, b store.ColumnInfo) int {
		return cmp.Or(cmp.Compare(a.Ref.Scope, b.Ref.Scope), cmp.Compare(a.Ref.Name, b.Ref.Name))
	})
	return out, nil
}

// vector builds the column of rows. dict asks for a dictionary where the kind
// allows one, so that users see both forms.
func vector(rows []Row, c store.ColumnRef, dict bool) store.Vec {
	var v store.Vec
	valid := make([]bool, len(rows))
	all := true
	for i, r := range rows {
		x, ok := r[c]
		valid[i] = ok && x.Kind != store.KindNull
		switch {
		case !valid[i]:
			all = false
		case v.Kind == store.KindNull:
			v.Kind = x.Kind
		case v.Kind != x.Kind:
			v.Kind = store.KindMixed
		}
	}
	if v.Kind == store.KindMixed {
		for _, r := range rows {
			v.Mixed = append(v.Mixed, r[c])
		}
		return v
	}
	if v.Kind == store.KindNull {
		return v
	}
	if !all {
		v.Valid = valid
	}
	codes := map[string]uint32{}
	for _, r := range rows {
		x := r[c]
		switch {
		case v.Kind == store.KindFloat:
			v.Floats = append(v.Floats, x.Flt)
		case v.Kind == store.KindInt || v.Kind == store.KindBool:
			v.Ints = append(v.Ints, x.Int)
		case !dict:
			v.Strs = append(v.Strs, x.Str)
		default:
			code, ok := codes[x.Str]
			if !ok {
				code = uint32(len(v.Dict))
				codes[x.Str] = code
				v.Dict = append(v.Dict, x.Str)
			}
			v.Codes = append(v.Codes, code)
		}
	}
	return v
}
