package metricstore

import (
	"context"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// ScopeFunc reads the scope of a query from its context.
type ScopeFunc func(context.Context) model.Scope

// Queryable reads inside scope.
func (s *Store) Queryable(scope model.Scope) *Queryable {
	return &Queryable{s: s, scope: func(context.Context) model.Scope { return scope }}
}

// ContextQueryable reads inside the scope that each call's context carries,
// for API packages that are built once and serve many credentials.
func (s *Store) ContextQueryable(scope ScopeFunc) *Queryable { return &Queryable{s: s, scope: scope} }

// Queryable implements storage.SampleAndChunkQueryable and
// storage.ExemplarQueryable. Every read carries a matcher on the product.
type Queryable struct {
	s     *Store
	scope ScopeFunc
}

var (
	_ storage.SampleAndChunkQueryable = (*Queryable)(nil)
	_ storage.ExemplarQueryable       = (*Queryable)(nil)
)

// Querier implements storage.Queryable; mint and maxt are inclusive.
func (q *Queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	inner, err := q.s.querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return &querier{scopedLabels: scopedLabels{inner, q.scope}, inner: inner}, nil
}

// ChunkQuerier implements storage.ChunkQueryable; mint and maxt are inclusive.
// It reads raw samples only: remote read has no way to say what an aggregate is.
func (q *Queryable) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	if q.s.closed.Load() {
		return nil, store.ErrClosed
	}
	inner, err := q.s.db.ChunkQuerier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return &chunkQuerier{scopedLabels: scopedLabels{inner, q.scope}, inner: inner}, nil
}

type querier struct {
	scopedLabels
	inner storage.Querier
}

func (q *querier) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	ms, none := restrict(q.scope(ctx), ms)
	if none {
		return storage.EmptySeriesSet()
	}
	return q.inner.Select(ctx, sortSeries, hints, ms...)
}

type chunkQuerier struct {
	scopedLabels
	inner storage.ChunkQuerier
}

func (q *chunkQuerier) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	ms, none := restrict(q.scope(ctx), ms)
	if none {
		return storage.EmptyChunkSeriesSet()
	}
	return q.inner.Select(ctx, sortSeries, hints, ms...)
}

// scopedLabels is a LabelQuerier of one scope.
type scopedLabels struct {
	labels storage.LabelQuerier
	scope  ScopeFunc
}

func (l scopedLabels) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	ms, none := restrict(l.scope(ctx), ms)
	if none {
		return nil, nil, nil
	}
	return l.labels.LabelValues(ctx, name, hints, ms...)
}

func (l scopedLabels) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	ms, none := restrict(l.scope(ctx), ms)
	if none {
		return nil, nil, nil
	}
	return l.labels.LabelNames(ctx, hints, ms...)
}

func (l scopedLabels) Close() error { return l.labels.Close() }

// restrict adds the scope's matcher to ms; none means that nothing can match.
func restrict(scope model.Scope, ms []*labels.Matcher) (_ []*labels.Matcher, none bool) {
	if scope.All() {
		return ms, false
	}
	if scope.Empty() {
		return nil, true
	}
	// A fresh slice: the caller's may have room behind it that it still uses.
	out := make([]*labels.Matcher, 0, len(ms)+1)
	return append(append(out, ms...), productMatcher(scope.Products())), false
}

func productMatcher(products []string) *labels.Matcher {
	if len(products) == 1 {
		return labels.MustNewMatcher(labels.MatchEqual, model.ProductLabel, products[0])
	}
	quoted := make([]string, len(products))
	for i, p := range products {
		quoted[i] = regexp.QuoteMeta(p)
	}
	// Matchers are anchored. Quoted names always compile, so this cannot panic.
	return labels.MustNewMatcher(labels.MatchRegexp, model.ProductLabel, strings.Join(quoted, "|"))
}
