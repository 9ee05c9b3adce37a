package telemetry

import (
	"context"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// countedSpans tells the recorder how each export ended, so that a test can tell a loss before the network
// from a loss behind it.
type countedSpans struct {
	sdktrace.SpanExporter
	record Recorder
}

func (c countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	c.record("spans", len(spans), err)
	return err
}

type countedLogs struct {
	sdklog.Exporter
	record Recorder
}

func (c countedLogs) Export(ctx context.Context, records []sdklog.Record) error {
	err := c.Exporter.Export(ctx, records)
	c.record("logs", len(records), err)
	return err
}

// countedMetrics is used by the readers of all services: one reader's shutdown must not end the others' exporter.
type countedMetrics struct {
	sdkmetric.Exporter
	record Recorder
}

func (c countedMetrics) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	err := c.Exporter.Export(ctx, rm)
	n := 0
	for _, s := range rm.ScopeMetrics {
		n += len(s.Metrics)
	}
	c.record("metrics", n, err)
	return err
}

func (countedMetrics) Shutdown(context.Context) error { return nil }
