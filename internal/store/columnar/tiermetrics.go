package columnar

import "github.com/prometheus/client_golang/prometheus"

// tierMetrics tell what is where and what moves.
type tierMetrics struct {
	moved       prometheus.Counter
	archived    prometheus.Counter
	failed      prometheus.Counter
	unreachable prometheus.Counter
	table       *Table
	placeBytes  *prometheus.Desc
	cacheBytes  *prometheus.Desc
}

func newTierMetrics(t *Table) *tierMetrics {
	label := prometheus.Labels{"table": t.schema.Name}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: label})
	}
	return &tierMetrics{
		moved:       counter("hinomi_store_moved_segments_total", "Segments that moved to a tier."),
		archived:    counter("hinomi_store_archived_segments_total", "Segments that were copied to the archive."),
		failed:      counter("hinomi_store_place_failures_total", "Rounds of moving and archiving that failed in part; they are tried again."),
		unreachable: counter("hinomi_store_unreachable_total", "Requests of queries that an object store did not answer."),
		table:       t,
		placeBytes:  prometheus.NewDesc("hinomi_store_place_bytes", "Size of the segments in a tier; the table's own directory has no name.", []string{"place"}, label),
		cacheBytes:  prometheus.NewDesc("hinomi_store_range_cache_bytes", "Size on disk of what is cached of object stores.", nil, label),
	}
}

// Describe implements prometheus.Collector.
func (m *tierMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range []prometheus.Counter{m.moved, m.archived, m.failed, m.unreachable} {
		c.Describe(ch)
	}
	ch <- m.placeBytes
	ch <- m.cacheBytes
}

// Collect implements prometheus.Collector.
func (m *tierMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Counter{m.moved, m.archived, m.failed, m.unreachable} {
		c.Collect(ch)
	}
	bytes := map[string]int64{"": 0}
	m.table.mu.RLock()
	for _, s := range m.table.segments {
		bytes[s.Place] += s.Bytes
	}
	m.table.mu.RUnlock()
	for place, n := range bytes {
		ch <- prometheus.MustNewConstMetric(m.placeBytes, prometheus.GaugeValue, float64(n), place)
	}
	ch <- prometheus.MustNewConstMetric(m.cacheBytes, prometheus.GaugeValue, float64(m.table.tiers.ranges.size()))
}
