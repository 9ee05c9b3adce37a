// Package jaeger answers Jaeger's query APIs under /jaeger, so that the Jaeger UI
// and Grafana's Jaeger data source work: the UI's own JSON at /jaeger/api and the
// OTLP JSON of version 3 at /jaeger/api/v3
// (https://www.jaegertracing.io/docs/latest/architecture/apis/).
package jaeger

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hinomi/internal/api/apierr"
	"hinomi/internal/api/compress"
	"hinomi/internal/model"
	"hinomi/internal/query/traceql"
	"hinomi/internal/store"
)

// Link is a number of calls from one service to another.
type Link struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount uint64 `json:"callCount"`
}

// Options wire the API. Engine, Store and Scope are needed.
type Options struct {
	Engine *traceql.Engine
	Store  store.TraceStore
	Scope  func(*http.Request) model.Scope
	// Dependencies counts the calls between services in [from, to]. Nil: there are
	// none.
	Dependencies func(r *http.Request, from, to time.Time) ([]Link, error)
	Logger       *slog.Logger
	Now          func() time.Time
}

// API is the handler set. It has no state of its own.
type API struct{ o Options }

// New checks the options.
func New(o Options) (*API, error) {
	if o.Engine == nil || o.Store == nil || o.Scope == nil {
		return nil, errors.New("jaeger: Options.Engine, Options.Store and Options.Scope are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dependencies == nil {
		o.Dependencies = func(*http.Request, time.Time, time.Time) ([]Link, error) { return nil, nil }
	}
	return &API{o: o}, nil
}

// Register adds the routes under /jaeger/.
func (a *API) Register(root *http.ServeMux) {
	mux := http.NewServeMux()
	root.Handle("/jaeger/", compress.New(mux))
	const p = "GET /jaeger/api/"
	mux.HandleFunc(p+"services", a.handle(a.services))
	mux.HandleFunc(p+"services/{service}/operations", a.handle(a.operationNames))
	mux.HandleFunc(p+"operations", a.handle(a.operations))
	mux.HandleFunc(p+"traces", a.handle(a.search))
	mux.HandleFunc(p+"traces/{id}", a.handle(a.trace))
	mux.HandleFunc(p+"dependencies", a.handle(a.dependencies))
	const v3 = p + "v3/"
	mux.HandleFunc(v3+"services", a.handleV3(a.servicesV3))
	mux.HandleFunc(v3+"operations", a.handleV3(a.operationsV3))
	mux.HandleFunc(v3+"traces", a.handleV3(a.searchV3))
	mux.HandleFunc(v3+"traces/{id}", a.handleV3(a.traceV3))
	mux.HandleFunc(v3+"trace-summaries", a.handleV3(a.summariesV3))
	mux.HandleFunc("/jaeger/", a.handle(func(_ http.ResponseWriter, r *http.Request) error {
		code := http.StatusNotFound
		if strings.HasPrefix(r.URL.Path, "/jaeger/api/metrics/") || strings.HasPrefix(r.URL.Path, "/jaeger/api/archive/") {
			code = http.StatusNotImplemented
		}
		return &apierr.Error{Code: code, Err: fmt.Errorf("%s %s is not part of the Jaeger API here", r.Method, r.URL.Path)}
	}))
}

func badParam(name string, err error) error {
	return apierr.BadRequest("unable to parse param '%s': %w", name, err)
}

// statusOf chooses the status for an error of any layer.
func statusOf(err error) int { return apierr.Status(err, traceql.AtFault) }

// response is the envelope of the UI's JSON.
type response struct {
	Data   any             `json:"data"`
	Total  int             `json:"total"`
	Limit  int             `json:"limit"`
	Offset int             `json:"offset"`
	Errors []responseError `json:"errors"`
}

type responseError struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

func (a *API) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		code := a.failed(r, err)
		writeJSON(w, code, response{Errors: []responseError{{Code: code, Msg: errorText(err)}}})
	}
}

// handleV3 answers errors as the gRPC gateway of version 3 does.
func (a *API) handleV3(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		code := a.failed(r, err)
		writeJSON(w, code, map[string]any{"error": map[string]any{"httpCode": code, "message": errorText(err)}})
	}
}

func (a *API) failed(r *http.Request, err error) int {
	code := statusOf(err)
	if code == http.StatusInternalServerError {
		a.o.Logger.Error("Jaeger API request", "path", r.URL.Path, "err", err)
	}
	return code
}

// notFound is Jaeger's text for a trace that is not there; clients look for it.
const notFound = "trace not found"

func errorText(err error) string {
	if errors.Is(err, store.ErrNotFound) {
		return notFound
	}
	return err.Error()
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client is gone, which nobody can be told
}
