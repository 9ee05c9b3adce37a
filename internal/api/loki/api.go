// Package loki answers Grafana Loki's HTTP API: queries, labels and push. Paths
// and JSON are Loki's (https://grafana.com/docs/loki/latest/reference/loki-http-api/),
// errors are plain text as Loki's are.
package loki

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/api/apierr"
	"hinomi/internal/memory"
	"hinomi/internal/model"
	"hinomi/internal/query/logql"
	"hinomi/internal/store"
)

// Limits of a push. Loki's own default for a request is 100 MB; a request is in
// memory a few times while it is decoded, and several come at once.
const (
	DefaultMaxBodyBytes    = 32 << 20
	DefaultMaxDecodedBytes = 64 << 20
)

// apiVersion is the version of Loki whose API is spoken: Grafana turns features on by
// it.
const apiVersion = "3.7.0"

// Gate takes in what was pushed. source names the door for the ledger; body is what
// ld was decoded from, nil when the same bytes again would mean other lines.
type Gate func(ctx context.Context, scope model.Scope, source string, body []byte, ld plog.Logs) (store.WriteResult, error)

// Options wire the API. Engine and Scope are needed; without Write there is no
// push route, and without Patterns and Deleter those routes answer 404.
type Options struct {
	Engine          *logql.Engine
	Scope           func(*http.Request) model.Scope
	Write           Gate
	Patterns        PatternsFunc
	Deleter         Deleter
	Malformed       func(source string, signal model.Signal, err error) // told of pushes that cannot be decoded
	Logger          *slog.Logger
	Now             func() time.Time
	Version         string
	Memory          *memory.Share // admits pushes before they are read; nil: all of them
	MaxBodyBytes    int64         // of a push as sent
	MaxDecodedBytes int64         // of a push, decompressed
}

// API is the handler set. Its only state are the tails that run: Close ends them.
type API struct {
	o     Options
	tails *tails
}

// New checks the options.
func New(o Options) (*API, error) {
	if o.Engine == nil || o.Scope == nil {
		return nil, errors.New("loki: Options.Engine and Options.Scope are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Malformed == nil {
		o.Malformed = func(string, model.Signal, error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if o.MaxDecodedBytes <= 0 {
		o.MaxDecodedBytes = DefaultMaxDecodedBytes
	}
	return &API{o: o, tails: &tails{stop: make(chan struct{})}}, nil
}

// Register adds the routes under /loki/api/v1/.
func (a *API) Register(mux *http.ServeMux) {
	const p = "/loki/api/v1/"
	read := func(path string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc("GET "+p+path, a.handle(h))
		mux.HandleFunc("POST "+p+path, a.handle(h))
	}
	read("query", a.query)
	read("query_range", a.queryRange)
	read("labels", a.labels)
	read("label", a.labels)
	read("label/{name}/values", a.labelValues)
	read("series", a.series)
	read("index/stats", a.indexStats)
	read("index/volume", a.volume)
	read("index/volume_range", a.volumeRange)
	read("detected_labels", a.detectedLabels)
	read("detected_fields", a.detectedFields)
	read("detected_field/{name}/values", a.detectedFieldValues)
	read("patterns", a.patterns)
	read("drilldown-limits", a.drilldownLimits)
	mux.HandleFunc("GET "+p+"tail", a.tail)
	for method, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST": a.requestDelete, "PUT": a.requestDelete, "GET": a.listDeletes, "DELETE": a.cancelDelete,
	} {
		mux.HandleFunc(method+" "+p+"delete", a.handle(h))
	}
	read("format_query", a.formatQuery)
	mux.HandleFunc("GET "+p+"status/buildinfo", a.handle(a.buildInfo))
	if a.o.Write != nil {
		mux.HandleFunc("POST "+p+"push", a.handle(a.push))
		mux.HandleFunc(p+"push", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "push is a POST", http.StatusMethodNotAllowed)
		})
	}
	// Without it a client of a path that we do not have would get the UI.
	mux.HandleFunc("/loki/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("%s %s is not part of the Loki API here", r.Method, r.URL.Path), http.StatusNotFound)
	})
}

func badRequest(err error) error { return &apierr.Error{Code: http.StatusBadRequest, Err: err} }

// statusOf chooses the status for an error of any layer.
func statusOf(err error) int {
	code := apierr.Status(err, logql.AtFault)
	if code == http.StatusServiceUnavailable && errors.Is(err, store.ErrOverloaded) {
		return http.StatusTooManyRequests // as Loki asks its clients to slow down
	}
	return code
}

func (a *API) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if acceptsGzip(r) {
			g := &gzipWriter{ResponseWriter: w}
			defer g.Close() //nolint:errcheck // the client is gone
			w = g
		}
		err := h(w, r)
		if err == nil {
			return
		}
		code := statusOf(err)
		if code == http.StatusInternalServerError {
			a.o.Logger.Error("Loki API request", "path", r.URL.Path, "err", err)
		}
		http.Error(w, err.Error(), code)
	}
}

func (a *API) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	version := a.o.Version
	if version == "" {
		version = "dev"
	}
	return writeJSON(w, map[string]string{
		"version": apiVersion, "revision": version, "branch": "hinomi", "buildDate": "", "buildUser": "", "goVersion": runtime.Version(),
	})
}
