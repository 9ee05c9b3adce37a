package app

import (
	"context"
	"io/fs"
	"math"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	upstream "github.com/prometheus/prometheus/promql"

	promapi "hinomi/internal/api/prometheus"
	apiv1 "hinomi/internal/api/v1"
	"hinomi/internal/query/logql"
	"hinomi/internal/store/columnar"
	"hinomi/ui"
)

// pages mounts the UI and the API of its own.
func (a *App) pages(engine upstream.QueryEngine, logs *logql.Engine, mux *http.ServeMux) error {
	m := a.stores.metrics
	instant, ranged := apiv1.PromQL(engine, m.ContextQueryable(promapi.ScopeFromContext))
	metricBytes := cached(10*time.Second, func() int64 { return dirBytes(m.Dir()) })
	api, err := apiv1.New(apiv1.Options{
		Instant: instant, Range: ranged,
		Context: func(r *http.Request) context.Context { return promapi.ContextWithScope(r.Context(), a.scope(r)) },
		Ready: func() error {
			if a.collector == nil {
				return nil
			}
			return a.collector.Running()
		},
		Search: func(ctx context.Context, r logql.Request) (*logql.Search, error) {
			return logs.Search(ctx, promapi.ScopeFromContext(ctx), r)
		},
		Ledger: a.ledgerEntries,
		Alerts: a.pageAlerts,
		Stores: func(context.Context) []apiv1.StoreStatus {
			metrics := apiv1.StoreStatus{Name: "metrics", Rows: -1, Bytes: metricBytes(), Damaged: int(m.Corruptions())}
			if oldest, err := m.StartTime(); err == nil && oldest != math.MaxInt64 {
				metrics.Oldest = oldest
			}
			if blocks, err := m.Admin().BlockMetas(); err == nil {
				metrics.Segments = len(blocks)
			}
			return []apiv1.StoreStatus{metrics, tableStatus("logs", a.stores.logs.Table), tableStatus("traces", a.stores.traces.Table)}
		},
		Version: a.opts.Version, Started: a.started, Logger: a.log,
	})
	if err != nil {
		return err
	}
	mux.Handle(apiv1.Prefix+"/", api)
	mux.Handle("/", ui.Handler())
	return nil
}

func (a *App) ledgerEntries() []apiv1.LedgerEntry {
	lines := a.ledger.Snapshot()
	out := make([]apiv1.LedgerEntry, 0, len(lines))
	for _, l := range lines {
		e := apiv1.LedgerEntry{
			Source: l.Source, Signal: string(l.Signal), Received: l.Received, Stored: l.Stored,
			Rejected: map[string]int64{}, Duplicates: l.Duplicates, LastSeen: l.LastSeen.UnixMilli(), LastRejection: l.LastError,
		}
		for reason, n := range l.Rejected {
			e.Rejected[string(reason)] = n
		}
		if !l.LastErrAt.IsZero() {
			e.LastRejected = l.LastErrAt.UnixMilli()
		}
		out = append(out, e)
	}
	return out
}

func tableStatus(name string, t *columnar.Table) apiv1.StoreStatus {
	s := t.Stats()
	return apiv1.StoreStatus{
		Name: name, Rows: s.Rows, Bytes: s.SegmentBytes + s.WALBytes, Segments: s.Segments,
		Damaged: len(t.Damages()), Oldest: s.MinTs / int64(time.Millisecond),
	}
}

// dirBytes is the size of the files below dir; files that vanish meanwhile do not count.
func dirBytes(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

// cached remembers fn's value for ttl, because every open page asks.
func cached[T any](ttl time.Duration, fn func() T) func() T {
	var mu sync.Mutex
	var value T
	var at time.Time
	return func() T {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(at) > ttl {
			value, at = fn(), time.Now()
		}
		return value
	}
}
