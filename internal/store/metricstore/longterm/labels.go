package longterm

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"hinomi/internal/store/metricstore/downsample"
)

// LabelValues implements storage.LabelQuerier.
func (r *Reader) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if name == downsample.Label && len(r.blocks) > 0 {
		return nil, nil, nil // it is ours and on no series that a user sees
	}
	return r.labels(hints, func(q storage.LabelQuerier) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, hints, ms...)
	})
}

// LabelNames implements storage.LabelQuerier.
func (r *Reader) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return r.labels(hints, func(q storage.LabelQuerier) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, hints, ms...)
	})
}

// labels is the sorted union of what raw and downsampled blocks have.
func (r *Reader) labels(hints *storage.LabelHints, get func(storage.LabelQuerier) ([]string, annotations.Annotations, error)) ([]string, annotations.Annotations, error) {
	var sources []storage.LabelQuerier
	if r.raw != nil {
		sources = append(sources, r.raw)
	}
	for _, q := range r.queriers {
		sources = append(sources, q)
	}
	var all []string
	var warnings annotations.Annotations
	for _, q := range sources {
		values, w, err := get(q)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, values...)
		warnings.Merge(w)
	}
	if len(sources) > 1 || r.raw == nil {
		all = slices.DeleteFunc(all, func(s string) bool { return s == downsample.Label })
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if hints != nil && hints.Limit > 0 && len(all) > hints.Limit {
		all = all[:hints.Limit]
	}
	return all, warnings, nil
}
