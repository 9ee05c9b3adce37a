package longterm

import "github.com/prometheus/client_golang/prometheus"

// metrics tell how far the background job is.
type metrics struct {
	registry                        *prometheus.Registry
	days, failures, damaged, series prometheus.Counter
	seconds                         prometheus.Counter
	doneUntil                       prometheus.Gauge
	blocks, bytes                   *prometheus.GaugeVec
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "hinomi_downsampling_" + name, Help: help})
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		days:      counter("days_total", "Days of metrics that were downsampled."),
		failures:  counter("failures_total", "Runs of the downsampling job that failed; it tries again every minute."),
		damaged:   counter("damaged_blocks_total", "Downsampled blocks that could not be opened and are left out of answers."),
		series:    counter("rule_deleted_blocks_total", "Downsampled blocks that were rewritten because a retention rule deleted series of them."),
		seconds:   counter("seconds_total", "Time that downsampling took, pauses included."),
		doneUntil: prometheus.NewGauge(prometheus.GaugeOpts{Name: "hinomi_downsampling_done_until_timestamp_seconds", Help: "Raw metrics up to this time are downsampled and may be deleted by retention."}),
		blocks:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hinomi_downsampled_blocks", Help: "Downsampled blocks."}, []string{"resolution"}),
		bytes:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hinomi_downsampled_bytes", Help: "Size of the downsampled blocks."}, []string{"resolution"}),
	}
	m.registry.MustRegister(m.days, m.failures, m.damaged, m.series, m.seconds, m.doneUntil, m.blocks, m.bytes)
	return m
}

// set writes the gauges from the state of s.
func (m *metrics) set(s *Store) {
	m.doneUntil.Set(float64(s.DoneUntil()) / 1000)
	for _, r := range resolutions {
		bytes := int64(0)
		blocks := s.of(r.millis)
		for _, b := range blocks {
			bytes += b.reader.Size()
		}
		m.blocks.WithLabelValues(r.name).Set(float64(len(blocks)))
		m.bytes.WithLabelValues(r.name).Set(float64(bytes))
	}
}
