package metricstore

import (
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// writer is what both kinds of appender share: the scope, the time guard and
// the durable commit. It serves one transaction of one goroutine.
type writer struct {
	s        *Store
	scope    model.Scope
	maxTime  int64 // ms, inclusive
	err      error // why this transaction cannot be stored at all
	builder  *labels.Builder
	appended bool
	family   familyKey // last metadata that was noted
}

func (s *Store) newWriter(scope model.Scope) writer {
	return writer{
		s:       s,
		scope:   scope,
		maxTime: timestamp.FromTime(s.opts.Now().Add(MaxFuture)),
		// Checked before the first sample, so that refused samples take no memory.
		err: s.writable(),
	}
}

// admit checks a sample against the time guard and the scope and returns the
// labels and reference to store it under.
func (w *writer) admit(ref storage.SeriesRef, ls labels.Labels, t int64) (storage.SeriesRef, labels.Labels, error) {
	if w.err != nil {
		return 0, ls, w.err
	}
	if t > w.maxTime {
		return 0, ls, ErrTooNew
	}
	w.appended = true
	if w.scope.All() {
		return ref, ls, nil
	}
	ls, err := w.inScope(ls)
	// The TSDB trusts a reference over labels, so a reference from elsewhere
	// could reach another product's series: a narrowed scope looks labels up.
	return 0, ls, err
}

// inScope returns ls with the product that the scope allows it to be written to.
func (w *writer) inScope(ls labels.Labels) (labels.Labels, error) {
	claimed := ls.Get(model.ProductLabel)
	product, err := w.scope.WriteProduct(claimed)
	if err != nil {
		return ls, err
	}
	if product == claimed {
		return ls, nil
	}
	if w.builder == nil {
		w.builder = labels.NewBuilder(ls)
	} else {
		w.builder.Reset(ls)
	}
	return w.builder.Set(model.ProductLabel, product).Labels(), nil
}

// commit commits the transaction and returns once it is durable.
func (w *writer) commit(tx storage.AppenderTransaction) error {
	s := w.s
	if w.err == nil {
		// The disk may have filled since the transaction began.
		w.err = s.writable()
	}
	if w.err != nil {
		return errors.Join(w.err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return s.fail(storageError("write metric log", err))
	}
	if !w.appended {
		return nil
	}
	if s.counters.value(wblFailuresMetric) > 0 {
		return s.fail(fmt.Errorf("%w: write the log of out-of-order samples, see the log for the reason", store.ErrStorage))
	}
	if err := s.sync.Sync(); err != nil {
		return s.fail(err)
	}
	return nil
}
