package promql

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// untrimmed reads for the engine, which looks at the time of every sample
// anyway: a store that cuts the chunks at the ends of a selection exactly does
// that once more, for every sample, which took a tenth of a query's time.
type untrimmed struct{ storage.Queryable }

// Querier implements storage.Queryable.
func (u untrimmed) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := u.Queryable.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return untrimmedQuerier{q}, nil
}

type untrimmedQuerier struct{ storage.Querier }

// Select implements storage.Querier.
func (q untrimmedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	if hints != nil {
		own := *hints
		own.DisableTrimming = true
		hints = &own
	}
	return q.Querier.Select(ctx, sorted, hints, ms...)
}
