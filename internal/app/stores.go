package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"hinomi/internal/config"
	"hinomi/internal/memory"
	"hinomi/internal/model"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
	"hinomi/internal/store/metricstore"
	"hinomi/internal/store/statestore"
	"hinomi/internal/store/tracestore"
)

// stores are open as long as the app runs, across reloads.
type stores struct {
	logs    *logstore.Store
	traces  *tracestore.Store
	metrics *metricstore.Store
	state   *statestore.Store
}

// openStores opens them side by side: each may have a WAL to replay.
func (a *App) openStores(ctx context.Context, cfg *config.Config) error {
	s := &stores{}
	logs, err := a.records(cfg, "logs", logRecords(cfg))
	if err != nil {
		return err
	}
	traces, err := a.records(cfg, "traces", traceRecords(cfg))
	if err != nil {
		return err
	}
	open := columnar.NewOpenFiles(0, a.memory.Open.Limit(), a.memory.Open)
	a.shareMemory(&logs, a.memory.LogRows, open)
	a.shareMemory(&traces, a.memory.TraceRows, open)
	var wg sync.WaitGroup
	var errs [4]error
	wg.Go(func() { s.logs, errs[0] = logstore.Open(logs) })
	wg.Go(func() { s.traces, errs[1] = tracestore.Open(traces) })
	wg.Go(func() { s.metrics, errs[2] = a.openMetrics(cfg) })
	wg.Go(func() {
		s.state, errs[3] = statestore.Open(ctx, statestore.Options{Dir: filepath.Join(cfg.Data.Dir, "state"), Logger: a.log.With("store", "state")})
	})
	wg.Wait()
	if s.logs != nil {
		a.life.add("log store", func(context.Context) error { return s.logs.Close() })
	}
	if s.traces != nil {
		a.life.add("trace store", func(context.Context) error { return s.traces.Close() })
	}
	if s.metrics != nil {
		a.life.add("metric store", func(context.Context) error { return s.metrics.Close() })
		a.life.goRun("downsampling", s.metrics.RunLongTerm)
	}
	if s.state != nil {
		a.life.add("state store", func(context.Context) error { return s.state.Close() })
	}
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("open the stores: %w", err)
		}
	}
	a.stores = s
	a.exemplars = &exemplarTraces{queryable: s.metrics.ContextQueryable(func(context.Context) model.Scope { return model.ScopeAll() }), log: a.log}
	if err := a.applyPolicies(cfg); err != nil {
		return err
	}
	return syncDirs(cfg.Data.Dir)
}

func (a *App) openMetrics(cfg *config.Config) (*metricstore.Store, error) {
	o := metricstore.Options{
		Dir: filepath.Join(cfg.Data.Dir, "metrics"), Retention: cfg.Metrics.Retention.D(), OutOfOrderWindow: cfg.Metrics.OutOfOrderWindow.D(),
		Logger: a.log.With("store", "metrics"), Registerer: a.registry, Now: time.Now,
	}
	if cfg.Metrics.Downsample {
		bucket, err := openBucket(cfg)
		if err != nil {
			return nil, err
		}
		o.LongTerm = &metricstore.LongTerm{
			Retention5m: cfg.Metrics.Retention5m.D(), Retention1h: cfg.Metrics.Retention1h.D(), Bucket: bucket, LocalBytes: int64(cfg.Metrics.LocalBytes),
		}
		for _, r := range cfg.Metrics.RetentionRules {
			ms, err := r.Matchers()
			if err != nil {
				return nil, err
			}
			o.LongTerm.Rules = append(o.LongTerm.Rules, metricstore.RetentionRule{Matchers: ms, Keep: r.Keep.D()})
		}
	}
	return metricstore.Open(o)
}

func (a *App) records(cfg *config.Config, name string, r records) (columnar.Options, error) {
	tiers, archive, err := places(name, r.tiers, r.archive)
	if err != nil {
		return columnar.Options{}, err
	}
	return columnar.Options{
		Dir: filepath.Join(cfg.Data.Dir, name), Retention: r.retention.D(),
		MemtableBytes: int(r.memtable), CacheBytes: int64(r.cache),
		Tiers: tiers, Archive: archive, RangeCacheBytes: int64(r.tierCache), ReceiptWindow: r.duplicates.D(),
		Logger: a.log, Registerer: a.registry,
	}, nil
}

// shareMemory makes a table use the memory of the process; what was configured for
// the table alone is clipped by it.
func (a *App) shareMemory(o *columnar.Options, rows *memory.Share, open *columnar.OpenFiles) {
	o.MemtableBytes = int(a.memory.FlushAt(int64(o.MemtableBytes)))
	o.CacheBytes = min(o.CacheBytes, a.memory.Caches.Limit()/2)
	o.OpenFiles = open
	o.Memory = columnar.Memory{
		Rows: rows, Merges: a.memory.Merges, MergeBytes: a.memory.LargestMerge(), Queries: a.memory.Queries, Cache: a.memory.Caches,
	}
}
