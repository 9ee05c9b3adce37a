package plan

import (
	"context"
	"math"
	"slices"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Tuple is one distinct combination of key values and how many rows have it.
type Tuple struct {
	Key  []store.Value
	Rows int64
}

// Distinct lists the distinct values of all columns of a scan. More than limit
// of them are a SeriesLimitError; 0 is no limit.
func Distinct(ctx context.Context, src store.Scanner, scope model.Scope, s Scan, limit int) ([]Tuple, store.ScanStats, bool, error) {
	keys := make([]int, len(s.Columns))
	for i := range keys {
		keys[i] = i
	}
	g := newGrouper(keys, limit)
	var counts []int64
	stats, partial, err := runWorkers(ctx, src, scope, s, nil, nil, func(f *Frame) error {
		ids, err := g.assign(f)
		if err != nil {
			return err
		}
		for len(counts) < len(g.groups) {
			counts = append(counts, 0)
		}
		for i, id := range ids {
			if f.Counts != nil {
				counts[id] += f.Counts[i]
			} else {
				counts[id]++
			}
		}
		return nil
	}, inScan{alike: allAlike(s)})
	out := make([]Tuple, len(counts))
	for i := range out {
		out[i] = Tuple{Key: g.groups[i], Rows: counts[i]}
	}
	return out, stats, partial, err
}

// allAlike is for scans to which times do not matter, nil for one that asks for them.
func allAlike(s Scan) func(int64) (int64, int64) {
	if s.Order != store.AnyOrder || slices.ContainsFunc(s.Columns, func(c store.ColumnRef) bool {
		return c == store.Col(store.ColTime)
	}) {
		return nil
	}
	return func(int64) (int64, int64) { return math.MinInt64, math.MaxInt64 }
}
