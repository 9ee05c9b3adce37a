package app

import (
	"context"
	"fmt"
	"log/slog"

	"hinomi/internal/config"
	"hinomi/internal/ingest/collector"
	"hinomi/internal/ingest/gate"
	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/metricstore"
)

// Check validates a configuration as Start would, without starting anything or
// touching the data directory.
func Check(ctx context.Context, cfg *config.Config, version string) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	opts := collector.Options{Gate: gate.New(gate.Options{}), Scope: model.ScopeAll(), Version: version, Logger: slog.New(slog.DiscardHandler)}
	if err := collector.Validate(ctx, opts, cfg.Ingest); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	if err := checkPlaces(cfg); err != nil {
		return err
	}
	if _, err := tracePolicy(&cfg.Traces, nil); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	if _, err := scrapeConfig(cfg, cfg.Server.Listen); err != nil {
		return err
	}
	if _, err := judge(cfg, cfg.Server.ExternalURL, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	return nil
}

// rejectedSample tells why the metric store refused a sample for good.
func rejectedSample(err error) (store.RejectReason, bool) { return metricstore.Rejected(err) }
