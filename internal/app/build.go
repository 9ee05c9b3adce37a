package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	prommeta "github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	apiexport "hinomi/internal/api/export"
	"hinomi/internal/api/loki"
	promapi "hinomi/internal/api/prometheus"
	"hinomi/internal/api/tempo"
	"hinomi/internal/config"
	"hinomi/internal/detect/pattern"
	"hinomi/internal/ingest/collector"
	"hinomi/internal/ingest/gate"
	"hinomi/internal/ingest/ledger"
	"hinomi/internal/ingest/remotewrite"
	"hinomi/internal/ingest/spanmetrics"
	"hinomi/internal/memory"
	"hinomi/internal/model"
	"hinomi/internal/query/logql"
	"hinomi/internal/query/plan"
	"hinomi/internal/query/promql"
	"hinomi/internal/query/traceql"
	"hinomi/internal/store"
)

// build wires everything on top of the stores and returns the handler. The
// order of stops is the reverse of the order of starts: what is judged must not
// end before what judges it, or absent() and "no traffic" would fire on every
// shutdown; what is fed by others starts before them.
func (a *App) build(ctx context.Context, cfg *config.Config) (http.Handler, error) {
	j, err := judge(cfg, a.externalURL(cfg), a.log)
	if err != nil {
		return nil, err
	}
	a.ledger = ledger.New(a.registry, time.Now)
	gen := spanmetrics.New(spanmetrics.Options{
		Appender: func(ctx context.Context) storage.Appender { return a.stores.metrics.Appender(ctx, model.ScopeAll()) },
		Logger:   a.log, Registerer: a.registry, Now: time.Now,
	})
	a.life.goRun("span metrics", gen.Run)
	a.gate = gate.New(gate.Options{
		Logs: a.stores.logs.AppendLogs, LogsWire: a.stores.logs.AppendWire, Traces: a.stores.traces.AppendTraces, Metrics: a.stores.metrics.AppendOTLP,
		TracesWire: a.stores.traces.AppendWire, Receipts: a.receipts(cfg),
		Ledger: a.ledger, AfterTraces: gen.Observe, AfterTracesWire: gen.ObserveWire,
	})
	mux := http.NewServeMux()
	if err := a.newScraper(); err != nil {
		return nil, err
	}
	logs, err := logql.New(logql.Options{Store: a.stores.logs, Budget: budget(cfg), MaxSamples: a.most(logql.DefaultMaxSamples)})
	if err != nil {
		return nil, err
	}
	if err := a.prometheus(cfg, logs, mux); err != nil {
		return nil, err
	}
	if err := a.loki(logs, mux); err != nil {
		return nil, err
	}
	if err := a.tempo(cfg, mux); err != nil {
		return nil, err
	}
	mux.Handle(apiexport.Path, apiexport.New(a.exporter()))
	if err := a.startAlerting(ctx, cfg, j, mux); err != nil {
		return nil, err
	}
	a.collector = collector.New(a.collectorOptions())
	if err := a.collector.Apply(ctx, cfg.Ingest); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	a.life.add("intake", func(context.Context) error { return a.collector.Stop() })
	if err := a.startPull(cfg); err != nil {
		return nil, err
	}
	if err := a.startRules(cfg, j); err != nil {
		return nil, err
	}
	return mux, nil
}

// receipts are the stores that remember requests, by signal.
func (a *App) receipts(cfg *config.Config) map[model.Signal]store.Receipts {
	out := map[model.Signal]store.Receipts{}
	if cfg.Logs.DuplicateWindow > 0 {
		out[model.Logs] = a.stores.logs
	}
	if cfg.Traces.DuplicateWindow > 0 {
		out[model.Traces] = a.stores.traces
	}
	return out
}

func (a *App) collectorOptions() collector.Options {
	return collector.Options{Gate: a.gate, Scope: model.ScopeAll(), Version: a.opts.Version, Logger: a.log, Admission: a.requests}
}

// requests is the memory for requests of a signal.
func (a *App) requests(signal model.Signal) *memory.Share {
	switch signal {
	case model.Logs:
		return a.memory.Logs
	case model.Traces:
		return a.memory.Traces
	}
	return a.memory.Metrics
}

func (a *App) prometheus(cfg *config.Config, logs *logql.Engine, mux *http.ServeMux) error {
	engine, err := promql.New(promql.Options{Timeout: cfg.Query.Timeout.D(), MaxSamples: a.most(promql.DefaultMaxSamples), Logger: a.log, Registerer: a.registry})
	if err != nil {
		return err
	}
	a.life.add("promql", func(context.Context) error { return engine.Close() })
	a.engine = engine
	m := a.stores.metrics
	api, err := promapi.New(promapi.Options{
		Engine: engine, Parser: promql.NewParser(),
		Queryable: m.ContextQueryable(promapi.ScopeFromContext), Exemplars: m.ContextQueryable(promapi.ScopeFromContext),
		TSDB: m.Admin(), Metadata: m.Metadata, Scope: a.scope,
		Targets: a.targets, ScrapePools: a.scrapePools, Rules: a.rulesOf, Config: a.prometheusConfig,
		Version: a.opts.Version, ListenAddress: a.Addr(), ExternalURL: a.externalURL(cfg),
		Logger: a.log, Registerer: a.registry, Gatherer: a.registry,
	})
	if err != nil {
		return err
	}
	mux.Handle("/api/v1/", api)
	write, err := remotewrite.New(remotewrite.Options{
		Appendables: func(r *http.Request) (storage.AppendableV2, storage.Appendable) {
			app := m.Appendable(a.scope(r))
			return app, app
		},
		Rejected: rejectedSample,
		Metadata: func(r *http.Request, family string, md prommeta.Metadata) { m.NoteMetadata(a.scope(r), family, md) },
		Report: func(source string, signal model.Signal, received, stored int, rejected map[store.RejectReason]int) {
			a.ledger.Record(source, signal, received, stored, rejected, "see the answer the sender got")
		},
		Memory: a.memory.Metrics, Logger: a.log,
	})
	if err != nil {
		return err
	}
	mux.Handle("/api/v1/write", write)
	return a.pages(engine, logs, mux)
}

func (a *App) loki(engine *logql.Engine, mux *http.ServeMux) error {
	api, err := loki.New(loki.Options{Engine: engine, Scope: a.scope, Write: a.gate.LogsOnce, Malformed: a.gate.Malformed, Memory: a.memory.Logs, Logger: a.log, Version: a.opts.Version,
		Patterns: logPatterns(engine), Deleter: logDeleter{a.stores.logs}})
	if err != nil {
		return err
	}
	// Tails are hijacked connections, which the server's shutdown does not see.
	a.life.add("log tails", func(context.Context) error { return api.Close() })
	api.Register(mux)
	return nil
}

// logPatterns answers Loki's patterns, which writes <_> for what varies.
func logPatterns(engine *logql.Engine) loki.PatternsFunc {
	return func(ctx context.Context, scope model.Scope, r loki.PatternsRequest) ([]loki.Pattern, error) {
		found, start, _, err := engine.Patterns(ctx, scope, logql.PatternsRequest{From: r.From, To: r.To, Step: int64(r.Step), Selector: r.Selector})
		if err != nil {
			return nil, err
		}
		out := make([]loki.Pattern, len(found))
		for i, p := range found {
			out[i] = loki.Pattern{Text: strings.ReplaceAll(p.Pattern, pattern.Any, "<_>"), Level: p.Level}
			for k, n := range p.Counts {
				if !plan.IsAbsent(n) {
					out[i].Samples = append(out[i].Samples, loki.PatternSample{Ts: start + int64(k)*int64(r.Step), Lines: int64(n)})
				}
			}
		}
		return out, nil
	}
}

func (a *App) tempo(cfg *config.Config, mux *http.ServeMux) error {
	engine, err := traceql.New(traceql.Options{Store: a.stores.traces, Budget: budget(cfg)})
	if err != nil {
		return err
	}
	api, err := tempo.New(tempo.Options{Engine: engine, Store: a.stores.traces, Scope: a.scope, Logger: a.log, Version: a.opts.Version})
	if err != nil {
		return err
	}
	api.Register(mux)
	return a.jaeger(engine, mux)
}

// sampleBytes is what a sample takes in a query.
const sampleBytes = 24

// most is how many samples one query may keep: the language's default, or what half
// of the memory of queries has room for.
func (a *App) most(samples int) int {
	return int(min(int64(samples), a.memory.Queries.Limit()/2/sampleBytes))
}

func budget(cfg *config.Config) store.Budget {
	return store.Budget{Rows: cfg.Query.MaxRows, Bytes: int64(cfg.Query.MaxBytes), Time: cfg.Query.Timeout.D()}
}

func (a *App) externalURL(cfg *config.Config) string {
	if cfg.Server.ExternalURL != "" {
		return cfg.Server.ExternalURL
	}
	return "http://" + a.Addr()
}
