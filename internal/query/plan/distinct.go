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
	a := Aggregate{Op: Count, Time: len(s.Columns), SeriesLimit: limit, Range: math.MaxInt64}
	for i := range s.Columns {
		a.Keys = append(a.Keys, i)
	}
	if a.Start = s.To - 1; s.From > s.To-math.MaxInt64 {
		a.Range = s.To - s.From
	}
	a.End = a.Start
	s.Columns = append(slices.Clip(s.Columns), store.Col(store.ColTime))
	res, err := RunAggregate(ctx, src, scope, s, nil, a)
	out := make([]Tuple, len(res.Groups))
	for i, g := range res.Groups {
		out[i] = Tuple{Key: g.Key, Rows: int64(g.Values[0])}
	}
	return out, res.Stats, res.Partial, err
}
