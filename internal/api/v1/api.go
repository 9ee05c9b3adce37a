// Package v1 serves Hinomi's own HTTP API under /api/hinomi/v1/: what its pages
// need beyond the standard query APIs. The OpenAPI 3.1 document is made from
// the types here and served at /api/hinomi/v1/openapi.json; errors are RFC 9457
// problem documents. Times are Unix milliseconds, durations name their unit,
// shares are fractions of 1.
package v1

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hinomi/internal/api/compress"
)

// Prefix is the path below which every operation lives.
const Prefix = "/api/hinomi/v1"

// Options are the parts that the API answers from. Instant and Range are
// required; a part that is nil answers as an empty one.
type Options struct {
	// Instant and Range evaluate PromQL in the scope of their context. See PromQL.
	Instant InstantFunc
	Range   RangeFunc
	// Context gives a request's context the scope of its credential.
	Context func(*http.Request) context.Context
	// Ready returns why Hinomi cannot answer yet, or nil.
	Ready func() error
	// Ledger is what came in, by source and signal, since the process started.
	Ledger func() []LedgerEntry
	// Stores describes every store.
	Stores func(context.Context) []StoreStatus
	// Alerts lists pending and firing alerts in the scope of its context.
	Alerts func(context.Context) ([]Alert, error)
	// Search looks for log lines.
	Search SearchFunc

	Version string
	Started time.Time
	// Now may be replaced in tests.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o *Options) setDefaults() error {
	if o.Instant == nil || o.Range == nil {
		return errors.New("the Hinomi API needs Instant and Range")
	}
	if o.Context == nil {
		o.Context = func(r *http.Request) context.Context { return r.Context() }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Ledger == nil {
		o.Ledger = func() []LedgerEntry { return nil }
	}
	if o.Stores == nil {
		o.Stores = func(context.Context) []StoreStatus { return nil }
	}
	if o.Alerts == nil {
		o.Alerts = func(context.Context) ([]Alert, error) { return nil, nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Started.IsZero() {
		o.Started = o.Now()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// api answers the operations.
type api struct {
	Options
	meter meter
}

// New returns the handler of everything under Prefix.
func New(o Options) (http.Handler, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	doc := register(mux, &api{Options: o})
	mux.HandleFunc("GET "+Prefix+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(doc) // the client went away: nobody to tell
	})
	mux.HandleFunc("/", notFound)
	return compress.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(o.Context(r)))
	})), nil
}

// Document is the OpenAPI document, indented, as it is committed for the
// generation of the pages' types.
func Document() ([]byte, error) {
	doc := register(http.NewServeMux(), &api{})
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(v, "", "  ")
	return append(out, '\n'), err
}

// register adds the operations to mux and returns the OpenAPI document. The
// version in it is the API's, not the program's: the document must not change
// with every build.
func register(mux *http.ServeMux, a *api) []byte {
	config := huma.DefaultConfig("Hinomi", "1")
	config.Info.Description = "What Hinomi's own pages need beyond the standard query APIs. " +
		"Times are Unix milliseconds; durations name their unit; shares are fractions of 1."
	// The document is served by us (huma marshals it lazily, without a lock), there
	// is no page that would load scripts from elsewhere, and answers carry no $schema.
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	h := humago.New(mux, config)
	get(h, "status", "/status", "Hinomi itself: intake ledger and stores", a.status)
	get(h, "overview", "/overview", "The state of everything in one answer", a.overview)
	get(h, "services", "/services", "Every service with its state, worst first", a.services)
	get(h, "service", "/services/{name}", "One service with operations and dependencies", a.service)
	registerSearch(h, a)
	doc, err := json.Marshal(h.OpenAPI())
	if err != nil {
		panic(err) // the types are ours: any test finds it
	}
	return doc
}

func get[I, O any](h huma.API, id, path, summary string, fn func(context.Context, *I) (*O, error)) {
	huma.Register(h, huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: Prefix + path, Summary: summary,
	}, fn)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{
		Title: "Not Found", Status: http.StatusNotFound,
		Detail: "there is no " + r.Method + " " + r.URL.Path + ": see " + Prefix + "/openapi.json",
	})
}

// unavailable turns a failed read into a problem document that says what to do.
func (a *api) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return huma.NewError(499, "the client went away")
	}
	if notReady := a.Ready(); notReady != nil {
		return huma.Error503ServiceUnavailable("Hinomi is still opening its stores: try again in a moment", notReady)
	}
	a.Logger.Warn("answer a page", "err", err)
	return huma.Error500InternalServerError("reading the metrics of the services: look at Hinomi's log", err)
}
