package metricstore

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Metrics of the TSDB that are the only way to learn of an event.
const (
	// The TSDB logs out-of-order samples after they are in memory, and tells of
	// a failure only here.
	wblFailuresMetric     = "prometheus_tsdb_out_of_order_wbl_writes_failed_total"
	walCorruptionsMetric  = "prometheus_tsdb_wal_corruptions_total"
	mmapCorruptionsMetric = "prometheus_tsdb_mmap_chunk_corruptions_total"
)

// captureRegisterer is the registerer of one TSDB. It owns a registry, so that
// a store can be closed and opened again under one outer registerer, and
// remembers the collectors of the named metrics.
type captureRegisterer struct {
	registry *prometheus.Registry
	mu       sync.Mutex
	wanted   map[string]prometheus.Collector
}

func newCaptureRegisterer(names ...string) *captureRegisterer {
	c := &captureRegisterer{registry: prometheus.NewRegistry(), wanted: map[string]prometheus.Collector{}}
	for _, n := range names {
		c.wanted[n] = nil
	}
	return c
}

// Register implements prometheus.Registerer.
func (c *captureRegisterer) Register(col prometheus.Collector) error {
	if err := c.registry.Register(col); err != nil {
		return err
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		col.Describe(descs)
		close(descs)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	for d := range descs {
		for name := range c.wanted {
			if strings.Contains(d.String(), `"`+name+`"`) {
				c.wanted[name] = col
			}
		}
	}
	return nil
}

// MustRegister implements prometheus.Registerer; as there, a clash is a bug and panics.
func (c *captureRegisterer) MustRegister(cols ...prometheus.Collector) {
	for _, col := range cols {
		if err := c.Register(col); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (c *captureRegisterer) Unregister(col prometheus.Collector) bool {
	return c.registry.Unregister(col)
}

func (c *captureRegisterer) collector(name string) prometheus.Collector {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted[name]
}

// value is the present value of the named counter, 0 when it does not exist.
func (c *captureRegisterer) value(name string) float64 { return counterValue(c.collector(name)) }

func counterValue(col prometheus.Collector) float64 {
	if col == nil {
		return 0
	}
	ch := make(chan prometheus.Metric, 1)
	go func() {
		col.Collect(ch)
		close(ch)
	}()
	sum := 0.0
	for m := range ch {
		var out dto.Metric
		if m.Write(&out) == nil {
			sum += out.GetCounter().GetValue()
		}
	}
	return sum
}
