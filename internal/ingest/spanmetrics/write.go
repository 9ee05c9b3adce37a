package spanmetrics

import (
	"encoding/hex"
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// writer appends totals at one time. A series that is new gets a zero at the
// time of the previous write, so that rate() sees its first increase: the first
// error of an operation must not wait for the second.
type writer struct {
	app        storage.Appender
	at, before int64 // Unix ms
	err        error
	written    []*counter
	used       []*exemplarOf
}

func (w *writer) counter(c *counter) {
	if w.err != nil {
		return
	}
	if c.fresh && w.before < w.at {
		if c.ref, w.err = w.app.Append(0, c.labels, w.before, 0); w.err != nil {
			// The zero is a nicety; the value itself decides.
			c.ref, w.err = 0, nil
		}
	}
	c.ref, w.err = w.app.Append(c.ref, c.labels, w.at, c.total)
	w.written = append(w.written, c)
}

func (w *writer) histogram(h *histogram) {
	for _, c := range h.counters() {
		w.counter(c)
	}
	for i := range h.exemplars {
		e := &h.exemplars[i]
		if e.trace.IsEmpty() || w.err != nil {
			continue
		}
		id := hex.EncodeToString(e.trace[:])
		_, err := w.app.AppendExemplar(h.buckets[i].ref, h.buckets[i].labels, exemplar.Exemplar{
			Labels: labels.FromStrings("trace_id", id), Value: e.value, Ts: e.at.UnixMilli(), HasTs: true,
		})
		if err != nil && !errors.Is(err, storage.ErrOutOfOrderExemplar) && !errors.Is(err, storage.ErrDuplicateExemplar) {
			continue // An exemplar is a hint; totals go on without it.
		}
		w.used = append(w.used, e)
	}
}

func (w *writer) series(s *series) {
	w.counter(&s.calls)
	w.histogram(&s.latency)
}

func (w *writer) edge(e *edgeSeries) {
	w.counter(&e.total)
	w.counter(&e.failed)
	w.histogram(&e.server)
	w.histogram(&e.client)
}

func (w *writer) markers(list []*counter) {
	for _, c := range list {
		if w.err == nil {
			_, w.err = w.app.Append(c.ref, c.labels, w.at, math.Float64frombits(value.StaleNaN))
		}
	}
}

func (w *writer) stale(s *series) { w.markers(append(s.latency.counters(), &s.calls)) }

func (w *writer) staleEdge(e *edgeSeries) {
	w.markers(append(append(e.server.counters(), e.client.counters()...), &e.total, &e.failed))
}

func (w *writer) commit() error {
	if w.err != nil {
		return errors.Join(w.err, w.app.Rollback())
	}
	if err := w.app.Commit(); err != nil {
		return err
	}
	for _, c := range w.written {
		c.fresh = false
	}
	for _, e := range w.used {
		*e = exemplarOf{}
	}
	return nil
}
