package memory

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Least is the least limit that a Budget works with: the program without any data
// takes about 100 MiB, and one request, one merge and one query need room beside.
const Least = 256 << 20

// Shares, in percent of the limit. What is left is for the program itself, and for
// garbage that is not collected yet.
const (
	rowsPercent     = 20
	requestsPercent = 15
	mergesPercent   = 15
	queriesPercent  = 15
	cachesPercent   = 10
	// largestPart is the percentage of a share that one of its users (a table, the
	// requests of a signal) may take, so that the others are never without.
	largestPart = 75
)

// Budget is the memory of the process.
type Budget struct {
	limit   int64
	mu      sync.Mutex
	given   chan struct{} // closed when something is given back; nil: nobody waits
	pressed atomic.Bool

	// Requests under way, by signal; of what they come in is decided before it is read.
	Logs, Traces, Metrics *Share
	// Rows of the tables that are not in a segment yet.
	LogRows, TraceRows *Share
	Merges             *Share
	Queries            *Share
	Caches, Open       *Share // decoded pages; directories of open segments
	shares             []*Share
	refusals           *prometheus.CounterVec
}

// New divides limit bytes.
func New(limit int64, reg prometheus.Registerer) *Budget {
	b := &Budget{limit: limit}
	b.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hinomi_memory_refusals_total",
		Help: "Requests, rows and queries that were refused, by share and reason: share (it is used up) or heap (the process is near limits.memory)."}, []string{"share", "reason"})
	part := func(percent int64) int64 { return limit / 100 * percent }
	requests := b.share(nil, "requests", part(requestsPercent), true)
	of := func(parent *Share, name string) *Share {
		return b.share(parent, name, parent.limit/100*largestPart, parent.yields)
	}
	b.Logs, b.Traces, b.Metrics = of(requests, "log_requests"), of(requests, "trace_requests"), of(requests, "metric_requests")
	rows := b.share(nil, "rows", part(rowsPercent), false)
	b.LogRows, b.TraceRows = of(rows, "log_rows"), of(rows, "trace_rows")
	b.Merges = b.share(nil, "merges", part(mergesPercent), false)
	b.Merges.asks = true
	b.Queries = b.share(nil, "queries", part(queriesPercent), true)
	b.Caches = b.share(nil, "caches", part(cachesPercent)/100*largestPart, false)
	b.Open = b.share(nil, "open_segments", part(cachesPercent)-b.Caches.limit, false)
	b.register(reg)
	return b
}

// waitForGiven returns a channel that is closed when something is given back from
// now on.
func (b *Budget) waitForGiven() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given == nil {
		b.given = make(chan struct{})
	}
	return b.given
}

// wake tells those who wait; b.mu is held.
func (b *Budget) wake() {
	if b.given != nil {
		close(b.given)
		b.given = nil
	}
}

func (b *Budget) share(parent *Share, name string, limit int64, yields bool) *Share {
	s := &Share{budget: b, parent: parent, name: name, limit: limit, yields: yields,
		refused: b.refusals.WithLabelValues(name, "share")}
	if yields {
		s.late = b.refusals.WithLabelValues(name, "heap")
	}
	b.shares = append(b.shares, s)
	return s
}

func (b *Budget) register(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	gauge := func(name, help string, labels prometheus.Labels, f func() int64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 { return float64(f()) }))
	}
	reg.MustRegister(b.refusals)
	gauge("hinomi_memory_limit_bytes", "Memory that the process may use (limits.memory).", nil, b.Limit)
	gauge("hinomi_memory_heap_limit_bytes", "Of it, what the Go runtime may use: Go's soft memory limit.", nil, b.HeapLimit)
	for _, s := range b.shares {
		label := prometheus.Labels{"share": s.name}
		gauge("hinomi_memory_share_bytes", "Memory in use, by share. Requests and rows have that of their parts in them.", label, s.Used)
		gauge("hinomi_memory_share_limit_bytes", "Memory that a share has.", label, s.Limit)
	}
}

// Limit is the memory of the process.
func (b *Budget) Limit() int64 { return b.limit }

// LargestMerge is how many bytes of texts a merge may keep at once.
func (b *Budget) LargestMerge() int64 { return b.Merges.limit / 2 }

// FlushAt is at how many bytes a table writes its rows to a segment: a table may
// have one lot that fills, one that is written, and one that waits for that.
func (b *Budget) FlushAt(configured int64) int64 { return min(configured, b.LogRows.limit/3) }
