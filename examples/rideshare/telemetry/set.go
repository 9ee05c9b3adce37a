package telemetry

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name of the instrumentation scope of everything the services make by hand.
const scope = "rideshare"

// Identity is who a service says it is.
type Identity struct {
	Service, Version, Instance, Team string
}

// Set is the SDK of one service at one version.
type Set struct {
	Identity Identity
	Tracer   trace.Tracer
	Meter    metric.Meter
	Logger   *slog.Logger

	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
}

// NewSet makes the providers of a service. count is called for each log record with its level.
func NewSet(p *Pipeline, id Identity, count func(level string)) *Set {
	res := resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName(id.Service), semconv.ServiceNamespace("rideshare"), semconv.ServiceVersion(id.Version),
		semconv.ServiceInstanceID(id.Instance), attribute.String("team", id.Team),
		attribute.String("deployment.environment.name", "demo"),
		semconv.TelemetrySDKName("opentelemetry"), semconv.TelemetrySDKLanguageGo)
	tp := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithSpanProcessor(baggageCopier{}), sdktrace.WithSpanProcessor(p.spans))
	lp := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(p.logs))
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(p.metrics, sdkmetric.WithInterval(p.interval))))
	bridge := otelslog.NewHandler(scope, otelslog.WithLoggerProvider(lp), otelslog.WithVersion(id.Version))
	return &Set{
		Identity: id, Tracer: tp.Tracer(scope), Meter: mp.Meter(scope),
		Logger: slog.New(countedHandler{bridge, count}), traces: tp, metrics: mp,
	}
}

// FlushMetrics exports the current value of every instrument.
func (s *Set) FlushMetrics(ctx context.Context) error { return s.metrics.ForceFlush(ctx) }

// Close exports the metrics a last time and ends the reader. The tracer and the logger need no end of their own:
// their processors belong to the Pipeline, and shutting them down here would end them for all services.
func (s *Set) Close(ctx context.Context) error {
	if err := s.metrics.Shutdown(ctx); err != nil && !errors.Is(err, sdkmetric.ErrReaderShutdown) {
		return err
	}
	return nil
}

// countedHandler counts a record and passes it on.
type countedHandler struct {
	slog.Handler
	count func(level string)
}

func (h countedHandler) Handle(ctx context.Context, r slog.Record) error {
	h.count(r.Level.String())
	return h.Handler.Handle(ctx, r)
}

func (h countedHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return countedHandler{h.Handler.WithAttrs(a), h.count}
}

func (h countedHandler) WithGroup(name string) slog.Handler {
	return countedHandler{h.Handler.WithGroup(name), h.count}
}
