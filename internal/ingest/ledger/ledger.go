// Package ledger counts, for every source and signal, what was received, what
// was stored and what was refused and why, so that nothing is lost silently.
package ledger

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// ReasonRetry counts rows of requests that were answered with a retryable
// error. The sender still has them and sends them again.
const ReasonRetry store.RejectReason = "retry_later"

// Ledger is safe for concurrent use.
type Ledger struct {
	now func() time.Time

	mu    sync.Mutex
	lines map[key]*Line

	received, stored *prometheus.CounterVec
	rejected         *prometheus.CounterVec
	duplicates       *prometheus.CounterVec
}

type key struct {
	source string
	signal model.Signal
}

// Line is what one source sent of one signal since the process started.
type Line struct {
	Source   string
	Signal   model.Signal
	Received int64 // rows; a malformed request counts as one
	Stored   int64
	Rejected map[store.RejectReason]int64
	// Duplicates are rows of requests that had been acknowledged before: their
	// senders lost the answer. They count as received, not as stored or rejected.
	Duplicates int64
	LastSeen   time.Time
	LastError  string // newest reason with an example
	LastErrAt  time.Time
}

// New returns an empty ledger whose counters are registered.
func New(reg prometheus.Registerer, now func() time.Time) *Ledger {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	return &Ledger{
		now: now, lines: map[key]*Line{},
		received: vec("hinomi_ingest_received_rows_total", "Rows received, by source and signal.", "source", "signal"),
		stored:   vec("hinomi_ingest_stored_rows_total", "Rows durably stored, by source and signal.", "source", "signal"),
		duplicates: vec("hinomi_ingest_duplicate_rows_total",
			"Rows of requests that were sent again although they had been acknowledged, by source and signal; they are stored once.", "source", "signal"),
		rejected: vec("hinomi_ingest_rejected_rows_total", "Rows not stored, by source, signal and reason.", "source", "signal", "reason"),
	}
}

// Record adds one request's outcome. example explains rejections to a person.
func (l *Ledger) Record(source string, signal model.Signal, received, stored int, rejected map[store.RejectReason]int, example string) {
	l.received.WithLabelValues(source, string(signal)).Add(float64(received))
	l.stored.WithLabelValues(source, string(signal)).Add(float64(stored))
	for reason, n := range rejected {
		l.rejected.WithLabelValues(source, string(signal), string(reason)).Add(float64(n))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.line(source, signal)
	line.Received += int64(received)
	line.Stored += int64(stored)
	for reason, n := range rejected {
		if n == 0 {
			continue
		}
		line.Rejected[reason] += int64(n)
		line.LastError, line.LastErrAt = string(reason)+": "+example, line.LastSeen
	}
}

// Duplicate adds a request of so many rows that had been acknowledged before.
func (l *Ledger) Duplicate(source string, signal model.Signal, rows int) {
	l.received.WithLabelValues(source, string(signal)).Add(float64(rows))
	l.duplicates.WithLabelValues(source, string(signal)).Add(float64(rows))
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.line(source, signal)
	line.Received += int64(rows)
	line.Duplicates += int64(rows)
}

// line returns the line of a source that sends now. The lock is held.
func (l *Ledger) line(source string, signal model.Signal) *Line {
	k := key{source, signal}
	line := l.lines[k]
	if line == nil {
		line = &Line{Source: source, Signal: signal, Rejected: map[store.RejectReason]int64{}}
		l.lines[k] = line
	}
	line.LastSeen = l.now()
	return line
}

// Snapshot returns a copy of all lines, by source and signal.
func (l *Ledger) Snapshot() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Line, 0, len(l.lines))
	for _, line := range l.lines {
		c := *line
		c.Rejected = maps.Clone(line.Rejected)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Signal, b.Signal))
	})
	return out
}
