package metricstore

import (
	"context"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
)

// AppenderV2 begins a write, as Appender.
func (s *Store) AppenderV2(ctx context.Context, scope model.Scope) storage.AppenderV2 {
	return &appenderV2{writer: s.newWriter(scope), tx: s.db.AppenderV2(ctx)}
}

type appenderV2 struct {
	writer
	tx storage.AppenderV2
}

func (a *appenderV2) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	ref, ls, err := a.admit(ref, ls, t)
	if err != nil {
		return 0, err
	}
	if n := len(opts.Exemplars); n > 0 && opts.Exemplars[n-1].Ts > a.maxTime { // sorted by time
		opts.Exemplars = notAfter(opts.Exemplars, a.maxTime)
	}
	ref, err = a.tx.Append(ref, ls, st, t, v, h, fh, opts)
	if err == nil && !opts.Metadata.IsEmpty() {
		a.noteMetadata(opts.MetricFamilyName, ls, opts.Metadata)
	}
	return ref, err
}

// notAfter is the leading part of es, which is sorted, up to maxTime.
func notAfter(es []exemplar.Exemplar, maxTime int64) []exemplar.Exemplar {
	n := len(es)
	for n > 0 && es[n-1].Ts > maxTime {
		n--
	}
	return es[:n]
}

func (a *appenderV2) Commit() error   { return a.commit(a.tx) }
func (a *appenderV2) Rollback() error { return a.tx.Rollback() }

// GetRef implements storage.GetRef: the reference and labels of a series that
// exists already. A narrowed scope has none, see admit.
func (a *appenderV2) GetRef(lset labels.Labels, hash uint64) (storage.SeriesRef, labels.Labels) {
	g, ok := a.tx.(storage.GetRef)
	if !ok || !a.scope.All() {
		return 0, labels.EmptyLabels()
	}
	return g.GetRef(lset, hash)
}

// KeepsReferences tells whether a reference from GetRef is good for the same
// labels in later transactions of this scope. The TSDB never uses a reference
// twice, and of one that it no longer knows it takes the labels instead.
func (a *appenderV2) KeepsReferences() bool { return a.scope.All() }
