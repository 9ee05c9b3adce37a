package columnar

import "github.com/prometheus/client_golang/prometheus"

// metrics are the table's own telemetry, labelled with its name.
type metrics struct {
	rows         prometheus.Counter
	appendErrors prometheus.Counter
	damaged      prometheus.Counter
	compactions  prometheus.Counter
	removed      *prometheus.CounterVec
	flushSeconds prometheus.Histogram
	all          []prometheus.Collector
}

func newMetrics(reg prometheus.Registerer, t *Table) *metrics {
	label := prometheus.Labels{"table": t.schema.Name}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: label})
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: label}, f)
	}
	m := &metrics{
		rows:         counter("hinomi_store_rows_total", "Rows made durable."),
		appendErrors: counter("hinomi_store_append_errors_total", "Appends refused because the WAL could not be written or synced."),
		damaged:      counter("hinomi_store_damaged_units_total", "Files or row groups that were found damaged and are left out of answers."),
		compactions:  counter("hinomi_store_compactions_total", "Merges of segments."),
		removed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hinomi_store_removed_rows_total", ConstLabels: label,
			Help: "Rows that left the store, by reason: retention, rule, budget, sampling, deletion."}, []string{"reason"}),
		flushSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hinomi_store_flush_seconds", Help: "Time to write a memtable to segments.", ConstLabels: label, Buckets: prometheus.ExponentialBuckets(0.01, 4, 7)}),
	}
	m.all = []prometheus.Collector{
		m.rows, m.appendErrors, m.damaged, m.compactions, m.removed, m.flushSeconds,
		gauge("hinomi_store_memtable_bytes", "Memory of rows that are not yet in a segment.", func() float64 { return float64(t.Stats().MemtableBytes) }),
		gauge("hinomi_store_wal_bytes", "Size of the WAL on disk.", func() float64 { return float64(t.Stats().WALBytes) }),
		gauge("hinomi_store_segment_bytes", "Size of the segments on disk.", func() float64 { return float64(t.Stats().SegmentBytes) }),
		gauge("hinomi_store_segments", "Number of segments.", func() float64 { return float64(t.Stats().Segments) }),
		gauge("hinomi_store_receipts", "Acknowledged requests that would be recognized if they were sent again.", func() float64 { return float64(t.receipts.len()) }),
		gauge("hinomi_store_cache_bytes", "Memory of unpacked pages, dictionaries and results of searches kept for queries.", func() float64 { return float64(t.cache.size()) }),
	}
	m.all = append(m.all, t.tiers.stats)
	reg.MustRegister(m.all...)
	return m
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	for _, c := range m.all {
		reg.Unregister(c)
	}
}

// Stats describe a table now.
type Stats struct {
	Rows          int64 // in segments and memory
	Segments      int
	SegmentBytes  int64
	WALBytes      int64
	MemtableRows  int
	MemtableBytes int
	MinTs, MaxTs  int64 // Unix ns; 0 when there are no rows
}

// Stats returns sizes; it reads no files.
func (t *Table) Stats() Stats {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := Stats{Segments: len(t.segments), MemtableRows: t.mem.rows, MemtableBytes: t.mem.bytes}
	span := func(lo, hi int64) {
		if s.MinTs == 0 || lo < s.MinTs {
			s.MinTs = lo
		}
		s.MaxTs = max(s.MaxTs, hi)
	}
	mems := []*memtable{t.mem}
	if t.frozen != nil {
		mems = append(mems, t.frozen)
		s.MemtableRows += t.frozen.rows
		s.MemtableBytes += t.frozen.bytes
	}
	for _, m := range mems {
		for _, b := range m.blocks {
			span(b.minTs, b.maxTs)
		}
	}
	s.Rows = int64(s.MemtableRows)
	for _, seg := range t.segments {
		s.Rows += seg.Rows
		s.SegmentBytes += seg.Bytes
		span(seg.MinTs, seg.MaxTs)
	}
	if t.wal != nil {
		s.WALBytes = t.wal.size()
	}
	return s
}
