// Package tempo answers Grafana Tempo's HTTP API under /tempo/api: traces by id,
// TraceQL search, tags and their values. Paths and JSON are Tempo's
// (https://grafana.com/docs/tempo/latest/api_docs/).
package tempo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"hinomi/internal/api/apierr"
	"hinomi/internal/api/compress"
	"hinomi/internal/model"
	"hinomi/internal/query/traceql"
	"hinomi/internal/store"
)

// defaultSince is the range of a search that names none. Tempo looks at what its
// ingesters hold then, which has no counterpart here.
const defaultSince = 24 * time.Hour

// Options wire the API. Engine, Store and Scope are needed.
type Options struct {
	Engine  *traceql.Engine
	Store   store.TraceStore
	Scope   func(*http.Request) model.Scope
	Logger  *slog.Logger
	Now     func() time.Time
	Version string
}

// API is the handler set. It has no state of its own.
type API struct{ o Options }

// New checks the options.
func New(o Options) (*API, error) {
	if o.Engine == nil || o.Store == nil || o.Scope == nil {
		return nil, errors.New("tempo: Options.Engine, Options.Store and Options.Scope are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &API{o: o}, nil
}

// Register adds the routes under /tempo/api/ and the gRPC service.
func (a *API) Register(root *http.ServeMux) {
	root.Handle("/"+streamingService+"/", a.streaming())
	mux := http.NewServeMux()
	root.Handle("/tempo/", compress.New(mux))
	const p = "GET /tempo/api/"
	mux.HandleFunc(p+"traces/{id}", a.handle(a.traceV1))
	mux.HandleFunc(p+"v2/traces/{id}", a.handle(a.traceV2))
	mux.HandleFunc(p+"search", a.handle(a.search))
	mux.HandleFunc(p+"search/tags", a.handle(a.tagsV1))
	mux.HandleFunc(p+"search/tag/{name}/values", a.handle(a.valuesV1))
	mux.HandleFunc(p+"v2/search/tags", a.handle(a.tagsV2))
	mux.HandleFunc(p+"v2/search/tag/{name}/values", a.handle(a.valuesV2))
	for _, path := range []string{"metrics/query_range", "v2/metrics/query_range"} {
		mux.HandleFunc(p+path, a.handle(a.queryRange))
	}
	mux.HandleFunc(p+"metrics/query", a.handle(a.queryInstant))
	mux.HandleFunc(p+"status/buildinfo", a.handle(a.buildInfo))
	// Without it a client of a path that we do not have would get the UI.
	mux.HandleFunc("/tempo/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("%s %s is not part of the Tempo API here", r.Method, r.URL.Path), http.StatusNotFound)
	})
	mux.HandleFunc(p+"echo", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "echo") })
}

// statusOf chooses the status for an error of any layer.
func statusOf(err error) int { return apierr.Status(err, traceql.AtFault) }

func (a *API) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		code := statusOf(err)
		if code == http.StatusInternalServerError {
			a.o.Logger.Error("Tempo API request", "path", r.URL.Path, "err", err)
		}
		http.Error(w, err.Error(), code)
	}
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// seconds reads a time in Unix seconds, with or without a fraction.
func seconds(name, s string, def time.Time) (time.Time, error) {
	if s == "" || s == "0" {
		return def, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > math.MaxInt64/1e9 {
		return def, apierr.BadRequest("invalid %s %q: give Unix seconds", name, s)
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e9)), nil
}

// bounds reads start and end.
func (a *API) bounds(r *http.Request) (start, end time.Time, err error) {
	q := r.URL.Query()
	if end, err = seconds("end", q.Get("end"), a.o.Now()); err != nil {
		return start, end, err
	}
	if start, err = seconds("start", q.Get("start"), end.Add(-defaultSince)); err != nil {
		return start, end, err
	}
	if !start.Before(end) {
		return start, end, apierr.BadRequest("http parameter start must be before end. received start=%d end=%d", start.Unix(), end.Unix())
	}
	return start, end, nil
}

func (a *API) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	version := a.o.Version
	if version == "" {
		version = "dev"
	}
	// Clients choose features by Tempo's version, so it is the version of the
	// API that is spoken.
	return writeJSON(w, map[string]string{
		"version": "2.8.0", "revision": version, "branch": "hinomi", "buildDate": "", "buildUser": "", "goVersion": runtime.Version(),
	})
}
