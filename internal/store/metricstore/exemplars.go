package metricstore

import (
	"context"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// ExemplarQuerier implements storage.ExemplarQueryable.
func (q *Queryable) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	if q.s.closed.Load() {
		return nil, store.ErrClosed
	}
	inner, err := q.s.db.ExemplarQuerier(ctx)
	if err != nil {
		return nil, err
	}
	return exemplarQuerier{inner: inner, scope: q.scope(ctx)}, nil
}

type exemplarQuerier struct {
	inner storage.ExemplarQuerier
	scope model.Scope
}

// Select implements storage.ExemplarQuerier. Matcher sets are alternatives, so
// each of them gets the scope's matcher.
func (q exemplarQuerier) Select(start, end int64, sets ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	if q.scope.All() {
		return q.inner.Select(start, end, sets...)
	}
	scoped := make([][]*labels.Matcher, 0, len(sets))
	for _, ms := range sets {
		ms, none := restrict(q.scope, ms)
		if none {
			return nil, nil
		}
		scoped = append(scoped, ms)
	}
	return q.inner.Select(start, end, scoped...)
}
