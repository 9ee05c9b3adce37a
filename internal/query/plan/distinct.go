package plan

import (
	"context"

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
	stats, partial, err := run(ctx, src, scope, s, nil, nil, func(f *Frame) error {
		ids, err := g.assign(f)
		if err != nil {
			return err
		}
		for len(counts) < len(g.groups) {
			counts = append(counts, 0)
		}
		for _, id := range ids {
			counts[id]++
		}
		return nil
	})
	out := make([]Tuple, len(counts))
	for i := range out {
		out[i] = Tuple{Key: g.groups[i], Rows: counts[i]}
	}
	return out, stats, partial, err
}
