package metricstore

import (
	"context"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
)

// Appendable writes inside scope. It serves Prometheus packages of both
// generations: rules and remote write want Appender, scrape takes AppenderV2.
func (s *Store) Appendable(scope model.Scope) *Appendable { return &Appendable{s: s, scope: scope} }

// Appendable implements storage.Appendable and storage.AppendableV2.
type Appendable struct {
	s     *Store
	scope model.Scope
}

var (
	_ storage.Appendable   = (*Appendable)(nil)
	_ storage.AppendableV2 = (*Appendable)(nil)
)

// Appender implements storage.Appendable.
func (a *Appendable) Appender(ctx context.Context) storage.Appender {
	return a.s.Appender(ctx, a.scope)
}

// AppenderV2 implements storage.AppendableV2.
func (a *Appendable) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return a.s.AppenderV2(ctx, a.scope)
}

// Appender begins a write. Commit returns nil once every sample is fsynced;
// see Rejected for the errors of single samples.
func (s *Store) Appender(ctx context.Context, scope model.Scope) storage.Appender {
	return &appender{writer: s.newWriter(scope), tx: s.db.Appender(ctx)}
}

type appender struct {
	writer
	tx storage.Appender
}

func (a *appender) SetOptions(opts *storage.AppendOptions) { a.tx.SetOptions(opts) }

func (a *appender) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	ref, l, err := a.admit(ref, l, t)
	if err != nil {
		return 0, err
	}
	return a.tx.Append(ref, l, t, v)
}

func (a *appender) AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	ref, l, err := a.admit(ref, l, t)
	if err != nil {
		return 0, err
	}
	return a.tx.AppendHistogram(ref, l, t, h, fh)
}

func (a *appender) AppendHistogramSTZeroSample(ref storage.SeriesRef, l labels.Labels, t, st int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	ref, l, err := a.admit(ref, l, max(t, st))
	if err != nil {
		return 0, err
	}
	return a.tx.AppendHistogramSTZeroSample(ref, l, t, st, h, fh)
}

func (a *appender) AppendSTZeroSample(ref storage.SeriesRef, l labels.Labels, t, st int64) (storage.SeriesRef, error) {
	ref, l, err := a.admit(ref, l, max(t, st))
	if err != nil {
		return 0, err
	}
	return a.tx.AppendSTZeroSample(ref, l, t, st)
}

func (a *appender) AppendExemplar(ref storage.SeriesRef, l labels.Labels, e exemplar.Exemplar) (storage.SeriesRef, error) {
	ref, l, err := a.admit(ref, l, e.Ts)
	if err != nil {
		return 0, err
	}
	return a.tx.AppendExemplar(ref, l, e)
}

func (a *appender) UpdateMetadata(ref storage.SeriesRef, l labels.Labels, m metadata.Metadata) (storage.SeriesRef, error) {
	ref, l, err := a.admit(ref, l, 0)
	if err != nil {
		return 0, err
	}
	out, err := a.tx.UpdateMetadata(ref, l, m)
	if err == nil {
		a.noteMetadata("", l, m)
	}
	return out, err
}

func (a *appender) Commit() error   { return a.commit(a.tx) }
func (a *appender) Rollback() error { return a.tx.Rollback() }
