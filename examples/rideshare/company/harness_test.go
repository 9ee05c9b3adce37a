package company_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hinomi/examples/rideshare/company"
	"hinomi/examples/rideshare/ledger"
	"hinomi/examples/rideshare/telemetry"
	"hinomi/examples/rideshare/traffic"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// logsInMemory keeps what was exported.
type logsInMemory struct {
	mu      sync.Mutex
	records []sdklog.Record
}

func (l *logsInMemory) Export(_ context.Context, records []sdklog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		l.records = append(l.records, r.Clone())
	}
	return nil
}
func (*logsInMemory) Shutdown(context.Context) error   { return nil }
func (*logsInMemory) ForceFlush(context.Context) error { return nil }

func (l *logsInMemory) all() []sdklog.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]sdklog.Record(nil), l.records...)
}

// metricsInMemory keeps the newest sum of each counter and the count of each histogram by service instance.
type metricsInMemory struct {
	mu   sync.Mutex
	last map[string]map[string]float64
}

func (*metricsInMemory) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}
func (*metricsInMemory) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}
func (m *metricsInMemory) Export(_ context.Context, rm *metricdata.ResourceMetrics) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	instance, _ := rm.Resource.Set().Value("service.instance.id")
	sums := map[string]float64{}
	for _, s := range rm.ScopeMetrics {
		for _, metric := range s.Metrics {
			switch d := metric.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					sums[metric.Name] += float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					sums[metric.Name] += float64(p.Count)
				}
			}
		}
	}
	m.last[instance.AsString()] = sums
	return nil
}
func (*metricsInMemory) ForceFlush(context.Context) error { return nil }
func (*metricsInMemory) Shutdown(context.Context) error   { return nil }

func (m *metricsInMemory) sum(name string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var total float64
	for _, sums := range m.last {
		total += sums[name]
	}
	return total
}

// harness is a running company whose telemetry stays in memory.
type harness struct {
	*company.Company
	t       *testing.T
	spans   *tracetest.InMemoryExporter
	logs    *logsInMemory
	metrics *metricsInMemory
}

func start(t *testing.T, seed uint64) *harness {
	t.Helper()
	h := &harness{t: t, spans: tracetest.NewInMemoryExporter(), logs: &logsInMemory{}, metrics: &metricsInMemory{last: map[string]map[string]float64{}}}
	c, err := company.New(context.Background(), company.Options{Listen: "127.0.0.1:0", Seed: seed, Instant: true,
		Telemetry: telemetry.Options{Spans: h.spans, Logs: h.logs, Metrics: h.metrics, MetricInterval: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	h.Company = c
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		for range 2 {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return h
}

// rides makes n rides with all that follows and returns the ledger after a flush.
func (h *harness) rides(n int) ledger.Snapshot {
	h.t.Helper()
	riders, err := traffic.New(traffic.Options{Do: h.Do, Seed: h.Seed(), Rate: 200, Rides: n, Instant: true})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := riders.Run(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	return h.flush()
}

func (h *harness) flush() ledger.Snapshot {
	h.t.Helper()
	s, err := h.Flush(context.Background(), 1<<20, false)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// ask sends one request from outside to a service and returns the status.
func (h *harness) ask(method, path, body string) (int, error) {
	req, err := http.NewRequest(method, "http://"+h.Addr()+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

func requestsOf(s ledger.Snapshot, service string, status int) (n int64) {
	for _, r := range s.Requests {
		if r.Service == service && r.Status == status {
			n += r.Count
		}
	}
	return n
}

func logsOf(s ledger.Snapshot, service, level string) (n int64) {
	for _, l := range s.Logs {
		if l.Service == service && l.Level == level {
			n += l.Count
		}
	}
	return n
}
