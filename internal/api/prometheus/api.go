// Package prometheus serves the Prometheus HTTP API under /api/v1. The
// semantics are Prometheus' own handlers; this package gives them Hinomi's
// stores, rules and targets, and a scope for every request.
package prometheus

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	upstream "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"hinomi/internal/model"
)

// Limits of the remote read endpoint, as in Prometheus.
const (
	readSampleLimit      = 5e7
	readConcurrencyLimit = 10
	readFrameBytes       = 1 << 20
)

// Options are the parts that the API answers from. Engine, Queryable,
// Exemplars, TSDB, Metadata and Scope are required; a part that is nil answers
// as an empty one.
type Options struct {
	Engine    promql.QueryEngine
	Parser    parser.Parser                   // what Engine parses with
	Queryable storage.SampleAndChunkQueryable // reads inside ScopeFromContext
	Exemplars storage.ExemplarQueryable       // reads inside ScopeFromContext
	TSDB      v1.TSDBAdminStats
	// Metadata lists type, unit and help by metric family ("" for all).
	Metadata func(scope model.Scope, family string) map[string][]metadata.Metadata
	// Scope is whose data the request's credential may reach.
	Scope func(*http.Request) model.Scope

	Rules         func(context.Context) v1.RulesRetriever
	Alertmanagers func(context.Context) v1.AlertmanagerRetriever
	Targets       func(context.Context) v1.TargetRetriever
	ScrapePools   func(context.Context) v1.ScrapePoolsRetriever

	// Ready returns why queries cannot be answered yet (503), or nil.
	Ready func() error
	// Config is what status/config shows, in Prometheus' format.
	Config func() config.Config
	// Flags is what status/flags shows.
	Flags map[string]string
	// Runtime completes status/runtimeinfo: fields that are zero are filled in.
	Runtime func() v1.RuntimeInfo
	// Version is Hinomi's; status/buildinfo shows Prometheus' version with it as
	// revision, because clients choose features by the Prometheus version.
	Version       string
	ListenAddress string // host:port, for the global URLs of targets
	ExternalURL   string
	Lookback      time.Duration

	Logger     *slog.Logger
	Registerer upstream.Registerer
	Gatherer   upstream.Gatherer
}

func (o *Options) setDefaults() error {
	switch {
	case o.Engine == nil, o.Queryable == nil, o.Exemplars == nil, o.TSDB == nil, o.Metadata == nil, o.Scope == nil:
		return errors.New("the Prometheus API needs Engine, Queryable, Exemplars, TSDB, Metadata and Scope")
	}
	if o.Rules == nil {
		o.Rules = func(context.Context) v1.RulesRetriever { return empty{} }
	}
	if o.Alertmanagers == nil {
		o.Alertmanagers = func(context.Context) v1.AlertmanagerRetriever { return empty{} }
	}
	if o.Targets == nil {
		o.Targets = func(context.Context) v1.TargetRetriever { return empty{} }
	}
	if o.ScrapePools == nil {
		o.ScrapePools = func(context.Context) v1.ScrapePoolsRetriever { return empty{} }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Config == nil {
		o.Config = func() config.Config { return config.DefaultConfig }
	}
	if o.Flags == nil {
		o.Flags = map[string]string{}
	}
	if o.Runtime == nil {
		o.Runtime = func() v1.RuntimeInfo { return v1.RuntimeInfo{} }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Gatherer == nil {
		o.Gatherer = upstream.NewRegistry()
	}
	return nil
}

// New returns the handler of everything under /api/v1/ except the intake
// paths, which the caller mounts beside it.
func New(o Options) (http.Handler, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	start := time.Now()
	api := v1.NewAPI(
		o.Engine, readEncoder{o.Queryable}, nil, nil, o.Exemplars,
		o.ScrapePools, o.Targets, o.Alertmanagers,
		o.Config, o.Flags,
		v1.GlobalURLOptions{ListenAddress: o.ListenAddress, Host: o.ListenAddress, Scheme: "http"},
		whenReady(o.Ready),
		o.TSDB, "", false, // admin off: it would cross scopes
		false, 0, // search off
		o.Logger, o.Rules,
		readSampleLimit, readConcurrencyLimit, readFrameBytes,
		false, nil,
		func() (v1.RuntimeInfo, error) { return runtimeInfo(o.Runtime(), start) },
		buildInfo(o.Version),
		func() []notifications.Notification { return []notifications.Notification{} },
		func() (<-chan notifications.Notification, func(), bool) { return nil, func() {}, false },
		o.Gatherer, o.Registerer, v1.DefaultStatsRenderer,
		false, nil, // remote write is an intake of its own
		false, false, false, false, // so is OTLP
		o.Lookback, false, true, nil,
		features.NewRegistry(),
		v1.OpenAPIOptions{ExternalURL: o.ExternalURL, Version: prometheusVersion()},
		o.Parser,
	)
	router := route.New().WithPrefix("/api/v1")
	api.Register(router)

	mux := http.NewServeMux()
	mux.Handle("/api/v1/metadata", whenReady(o.Ready)(serveMetadata(o.Metadata)))
	mux.Handle("/", router)
	return withScope(o.Scope, guardWhole(mux)), nil
}

// whenReady answers 503 while ready returns an error.
func whenReady(ready func() error) func(http.HandlerFunc) http.HandlerFunc {
	return func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := ready(); err != nil {
				writeError(w, http.StatusServiceUnavailable, "unavailable", err.Error())
				return
			}
			next(w, r)
		}
	}
}

// prometheusModule names the module whose version clients choose features by.
const prometheusModule = "github.com/prometheus/prometheus"

// prometheusVersion translates the module's version (v0.313.5) to the release
// that it belongs to (3.13.5). It is "3.0.0" in a binary without module
// information, the oldest release whose API this is.
func prometheusVersion() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, dep := range info.Deps {
			if dep.Path == prometheusModule {
				return releaseOf(dep.Version)
			}
		}
	}
	return releaseOf("")
}

func buildInfo(version string) *v1.PrometheusVersion {
	return &v1.PrometheusVersion{
		Version:   prometheusVersion(),
		Revision:  "hinomi-" + version,
		Branch:    "HEAD",
		BuildUser: "hinomi",
		GoVersion: runtime.Version(),
	}
}

func runtimeInfo(ri v1.RuntimeInfo, start time.Time) (v1.RuntimeInfo, error) {
	if ri.StartTime.IsZero() {
		ri.StartTime = start
		ri.ReloadConfigSuccess = true
	}
	if ri.LastConfigTime.IsZero() {
		ri.LastConfigTime = ri.StartTime
	}
	ri.ServerTime = time.Now()
	ri.GoroutineCount = runtime.NumGoroutine()
	ri.GOMAXPROCS = runtime.GOMAXPROCS(0)
	ri.GOMEMLIMIT = debug.SetMemoryLimit(-1)
	ri.GOGC = os.Getenv("GOGC")
	ri.GODEBUG = os.Getenv("GODEBUG")
	var err error
	if ri.CWD, err = os.Getwd(); err != nil {
		return ri, err
	}
	ri.Hostname, err = os.Hostname()
	return ri, err
}
