package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// receiver is an OTLP/HTTP endpoint that first refuses each path once with 503.
func receiver(t *testing.T) (*httptest.Server, func() map[string]int) {
	var mu sync.Mutex
	seen := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path]++
		w.Header().Set("Content-Type", "application/x-protobuf")
		if seen[r.URL.Path] == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	return s, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		out := map[string]int{}
		for k, v := range seen {
			out[k] = v
		}
		return out
	}
}

func TestEverySignalIsRetriedAndAcknowledged(t *testing.T) {
	ctx := context.Background()
	server, seen := receiver(t)
	var mu sync.Mutex
	acknowledged := map[string]int{}
	p, err := NewPipeline(ctx, Options{Endpoint: server.URL, MetricInterval: time.Hour, Record: func(signal string, n int, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("export of %s: %v", signal, err)
		}
		acknowledged[signal] += n
	}})
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]int{}
	s := NewSet(p, Identity{"payment", "v1", "payment-1", "money"}, func(level string) { levels[level]++ })
	spanCtx, span := s.Tracer.Start(ctx, "x")
	s.Logger.WarnContext(spanCtx, "careful")
	span.End()
	c, err := s.Meter.Int64Counter("c")
	if err != nil {
		t.Fatal(err)
	}
	c.Add(spanCtx, 1)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.FlushMetrics(ctx); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	for _, signal := range []string{"spans", "logs", "metrics"} {
		if acknowledged[signal] != 1 {
			t.Errorf("%s: %d acknowledged", signal, acknowledged[signal])
		}
	}
	mu.Unlock()
	for _, path := range []string{"/v1/traces", "/v1/logs", "/v1/metrics"} {
		if seen()[path] != 2 {
			t.Errorf("%s was called %d times, want a refusal and a retry", path, seen()[path])
		}
	}
	if levels["WARN"] != 1 {
		t.Errorf("levels %v", levels)
	}
	for range 2 {
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBaggageBecomesAttributes(t *testing.T) {
	out := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(baggageCopier{}), sdktrace.WithSyncer(out))
	b, err := baggage.Parse("rider.tier=gold,city=osaka,http.route=forged")
	if err != nil {
		t.Fatal(err)
	}
	_, s := tp.Tracer("t").Start(baggage.ContextWithBaggage(context.Background(), b), "x")
	s.End()
	got := map[string]string{}
	for _, kv := range out.GetSpans()[0].Attributes {
		got[string(kv.Key)] = kv.Value.AsString()
	}
	if len(got) != 2 || got["rider.tier"] != "gold" || got["city"] != "osaka" {
		t.Errorf("attributes %v", got)
	}
}

func TestPipelineNeedsADestination(t *testing.T) {
	if _, err := NewPipeline(context.Background(), Options{}); err == nil {
		t.Error("no error")
	}
}
