package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"hinomi/internal/config"
)

// ErrRestart is when a changed setting takes effect only with a new process.
var ErrRestart = errors.New("needs a restart")

// Reload makes cfg the running configuration. Everything fallible is checked
// before anything is changed: a bad configuration changes nothing.
func (a *App) Reload(ctx context.Context, cfg *config.Config) error {
	a.reload.Lock()
	defer a.reload.Unlock()
	old := a.cfg.Load()
	if err := Check(ctx, cfg, a.opts.Version); err != nil {
		return err
	}
	for name, same := range map[string]bool{
		"server": old.Server == cfg.Server, "data": old.Data == cfg.Data, "limits": old.Limits == cfg.Limits, "logs": sameLogs(old.Logs, cfg.Logs),
		"traces": sameTraces(old.Traces, cfg.Traces), "metrics": reflect.DeepEqual(old.Metrics, cfg.Metrics), "query": old.Query == cfg.Query,
		"host_metrics": old.HostMetrics == cfg.HostMetrics, "notifications": old.Notifications == cfg.Notifications,
	} {
		if !same {
			return fmt.Errorf("section %s changed: %w", name, ErrRestart)
		}
	}
	sc, err := scrapeConfig(cfg, a.Addr())
	if err != nil {
		return err
	}
	j, err := judge(cfg, a.externalURL(cfg), a.log)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(old.Ingest, cfg.Ingest) {
		if err := a.collector.Apply(ctx, cfg.Ingest); err != nil {
			return fmt.Errorf("ingest: %w", err)
		}
	}
	before := a.scraper.Config()
	if err := a.scraper.Apply(sc); err != nil {
		// The intake goes back, so that a reload happens whole or not at all.
		return errors.Join(err, a.collector.Apply(ctx, old.Ingest))
	}
	if err := a.rules.Apply(j.rules, cfg.Rules.Interval.D()); err != nil {
		return errors.Join(err, a.scraper.Apply(before), a.collector.Apply(ctx, old.Ingest))
	}
	// What was validated cannot fail here; rows that a rule removes do not come back.
	if err := a.applyPolicies(cfg); err != nil {
		return errors.Join(err, a.applyPolicies(old))
	}
	a.worker.SetTargets(j.targets)
	a.alerting.Apply(j.alerting)
	a.cfg.Store(cfg)
	a.log.Info("configuration reloaded")
	return nil
}

// sameLogs compares what needs a restart: rules and the disk budget do not.
func sameLogs(a, b config.Logs) bool {
	a.RetentionRules, b.RetentionRules, a.MaxBytes, b.MaxBytes = nil, nil, 0, 0
	return reflect.DeepEqual(a, b)
}

// sameTraces compares what needs a restart: rules, the disk budget and sampling do not.
func sameTraces(a, b config.Traces) bool {
	a.RetentionRules, b.RetentionRules, a.MaxBytes, b.MaxBytes = nil, nil, 0, 0
	a.Sampling, b.Sampling = config.Sampling{}, config.Sampling{}
	return reflect.DeepEqual(a, b)
}
