package collector

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.uber.org/zap"
)

// telemetryConfig accepts any service::telemetry section, so that a user's
// Collector configuration works as it is. Hinomi observes its intake itself
// (the ledger, /metrics, its own log), so nothing in it has an effect.
type telemetryConfig struct {
	Settings map[string]any `mapstructure:",remain"`
}

// newTelemetryFactory sends what components log to our logger and gives them no
// meter or tracer: there is no second listener and no second SDK.
func newTelemetryFactory(log *slog.Logger) telemetry.Factory {
	return telemetry.NewFactory(
		func() component.Config { return &telemetryConfig{} },
		telemetry.WithCreateLogger(func(context.Context, telemetry.LoggerSettings, component.Config) (*zap.Logger, component.ShutdownFunc, error) {
			return zap.New(slogCore{log}), nil, nil
		}),
	)
}
