// Package telemetry builds one OpenTelemetry SDK set per service on top of exporters and batchers they share.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// queueSize holds five seconds of spans at twenty times the default rate, or more than a minute at the default
	// rate while the exporter retries. Spans in the queue are about 3 KB each.
	queueSize = 16384
	// batchSize keeps requests below a few hundred kilobytes.
	batchSize = 1024
	// batchDelay is short so that a fault is seen soon.
	batchDelay = 500 * time.Millisecond
	// retryLimit is how long one export is retried on 429, 502, 503 and 504 before it counts as failed.
	retryLimit = time.Minute
)

// Recorder is told about every call of an exporter: signal is spans, logs or metrics.
type Recorder func(signal string, items int, err error)

// Options for a Pipeline. Either Endpoint is set or all three exporters are.
type Options struct {
	// Endpoint is the base URL of an OTLP/HTTP receiver, for example http://127.0.0.1:4318.
	Endpoint string
	// MetricInterval is the time between two exports of a service's metrics.
	MetricInterval time.Duration
	Record         Recorder

	Spans   sdktrace.SpanExporter
	Logs    sdklog.Exporter
	Metrics sdkmetric.Exporter
}

// Pipeline is what the SDK sets share: one batcher for spans, one for logs, one exporter for each signal.
type Pipeline struct {
	spans    sdktrace.SpanProcessor
	logs     sdklog.Processor
	metrics  sdkmetric.Exporter
	interval time.Duration

	closeOnce sync.Once
	closeErr  error
}

// NewPipeline connects to nothing yet: the first export does.
func NewPipeline(ctx context.Context, o Options) (*Pipeline, error) {
	if o.Record == nil {
		o.Record = func(string, int, error) {}
	}
	if o.MetricInterval <= 0 {
		o.MetricInterval = 5 * time.Second
	}
	if o.Endpoint != "" {
		if err := dial(ctx, &o); err != nil {
			return nil, err
		}
	}
	if o.Spans == nil || o.Logs == nil || o.Metrics == nil {
		return nil, errors.New("telemetry: no destination; give an OTLP endpoint")
	}
	return &Pipeline{
		spans: sdktrace.NewBatchSpanProcessor(countedSpans{o.Spans, o.Record}, sdktrace.WithMaxQueueSize(queueSize),
			sdktrace.WithMaxExportBatchSize(batchSize), sdktrace.WithBatchTimeout(batchDelay), sdktrace.WithExportTimeout(retryLimit+10*time.Second)),
		logs: sdklog.NewBatchProcessor(countedLogs{o.Logs, o.Record}, sdklog.WithMaxQueueSize(queueSize),
			sdklog.WithExportMaxBatchSize(batchSize), sdklog.WithExportInterval(batchDelay), sdklog.WithExportTimeout(retryLimit+10*time.Second)),
		metrics:  countedMetrics{o.Metrics, o.Record},
		interval: o.MetricInterval,
	}, nil
}

// dial makes the three OTLP/HTTP exporters. Retry on 429 and 503 honours Retry-After.
func dial(ctx context.Context, o *Options) error {
	var err error
	o.Spans, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint+"/v1/traces"),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second, MaxElapsedTime: retryLimit}))
	if err != nil {
		return fmt.Errorf("make the trace exporter for %s: %w", o.Endpoint, err)
	}
	o.Logs, err = otlploghttp.New(ctx, otlploghttp.WithEndpointURL(o.Endpoint+"/v1/logs"),
		otlploghttp.WithCompression(otlploghttp.GzipCompression),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second, MaxElapsedTime: retryLimit}))
	if err != nil {
		return fmt.Errorf("make the log exporter for %s: %w", o.Endpoint, err)
	}
	o.Metrics, err = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(o.Endpoint+"/v1/metrics"),
		otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second, MaxElapsedTime: retryLimit}))
	if err != nil {
		return fmt.Errorf("make the metric exporter for %s: %w", o.Endpoint, err)
	}
	return nil
}

// Flush returns when every span and log record so far was given to an exporter and that one had its answer.
// Metrics are flushed by each Set, because readers are not shared.
func (p *Pipeline) Flush(ctx context.Context) error {
	return errors.Join(p.spans.ForceFlush(ctx), p.logs.ForceFlush(ctx))
}

// Close flushes and ends the batchers. Close every Set first: their readers use the shared metric exporter.
func (p *Pipeline) Close(ctx context.Context) error {
	p.closeOnce.Do(func() {
		p.closeErr = errors.Join(p.spans.Shutdown(ctx), p.logs.Shutdown(ctx), p.metrics.(countedMetrics).Exporter.Shutdown(ctx))
	})
	return p.closeErr
}
