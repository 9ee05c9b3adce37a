package collector

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/ingest/gate"
	"hinomi/internal/ingest/otlp"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// exporterConfig is the (empty) configuration of the exporter "hinomi".
type exporterConfig struct{}

// newExporterFactory returns the exporter that ends every default pipeline: it
// hands records to the gate and returns when they are durable. Errors that the
// sender can mend by sending again stay plain, all others are permanent, which
// is how the Collector's receivers tell them apart.
func newExporterFactory(g *gate.Gate, scope model.Scope) exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("hinomi"),
		func() component.Config { return &exporterConfig{} },
		exporter.WithLogs(func(_ context.Context, set exporter.Settings, _ component.Config) (exporter.Logs, error) {
			f, err := consumer.NewLogs(func(ctx context.Context, ld plog.Logs) error {
				_, err := g.Logs(ctx, scope, source(set), ld)
				return verdict(err)
			}, consumer.WithCapabilities(consumer.Capabilities{MutatesData: true}))
			return logsExporter{Logs: f}, err
		}, component.StabilityLevelStable),
		exporter.WithTraces(func(_ context.Context, set exporter.Settings, _ component.Config) (exporter.Traces, error) {
			f, err := consumer.NewTraces(func(ctx context.Context, td ptrace.Traces) error {
				_, err := g.Traces(ctx, scope, source(set), td)
				return verdict(err)
			}, consumer.WithCapabilities(consumer.Capabilities{MutatesData: true}))
			return tracesExporter{Traces: f}, err
		}, component.StabilityLevelStable),
		exporter.WithMetrics(func(_ context.Context, set exporter.Settings, _ component.Config) (exporter.Metrics, error) {
			f, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
				_, err := g.Metrics(ctx, scope, source(set), md)
				return verdict(err)
			}, consumer.WithCapabilities(consumer.Capabilities{MutatesData: true}))
			return metricsExporter{Metrics: f}, err
		}, component.StabilityLevelStable),
	)
}

// source names the rows in the ledger: "otlp", or "otlp/name" behind a named
// exporter ("hinomi/name").
func source(set exporter.Settings) string {
	if n := set.ID.Name(); n != "" {
		return otlp.Source + "/" + n
	}
	return otlp.Source
}

func verdict(err error) error {
	if err == nil || store.Retryable(err) || err == context.Canceled {
		return err
	}
	return consumererror.NewPermanent(err)
}

// stateless is a component without life of its own: the stores outlive it.
type stateless struct{}

func (stateless) Start(context.Context, component.Host) error { return nil }
func (stateless) Shutdown(context.Context) error              { return nil }

type logsExporter struct {
	stateless
	consumer.Logs
}

type tracesExporter struct {
	stateless
	consumer.Traces
}

type metricsExporter struct {
	stateless
	consumer.Metrics
}
