package company

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hinomi/examples/rideshare/fault"
	"hinomi/examples/rideshare/ledger"
	"hinomi/examples/rideshare/telemetry"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// maxBodyBytes bounds a request between services; a ride is about 200 bytes.
const maxBodyBytes = 16 << 10

// endpoint is one route of a service.
type endpoint struct {
	method, route string
	// median of the service's own latency, without its calls.
	median time.Duration
	// trouble is the small share of requests that fail by themselves, with the text of that error.
	trouble     float64
	troubleText string
	handle      func(r *request, in Ride) (Ride, error)
}

// request is one piece of work of a service: an HTTP request or a message of the queue.
type request struct {
	c    *Company
	rev  *revision
	ctx  context.Context
	log  *slog.Logger
	rng  *rand.Rand
	id   string
	path func(name string) string
}

// failure is an error with the status that a service answers and its low-cardinality type.
type failure struct {
	status int
	kind   string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(status int, kind string, err error) error { return &failure{status, kind, err} }

// register puts the endpoints into the mux of the service.
func (s *service) register() {
	s.mux = http.NewServeMux()
	for _, e := range s.routes {
		s.mux.HandleFunc(e.method+" "+e.route, func(w http.ResponseWriter, req *http.Request) { s.serve(w, req, e) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		s.serve(w, req, endpoint{method: req.Method, handle: func(*request, Ride) (Ride, error) {
			return Ride{}, fail(http.StatusNotFound, "404", fmt.Errorf("no route for %s", req.Method))
		}})
	})
}

// serve answers one HTTP request. Span, log, metrics and ledger are complete before the answer is written, so
// whoever has the answer can rely on them.
func (s *service) serve(w http.ResponseWriter, req *http.Request, e endpoint) {
	s.c.work.begin()
	defer s.c.work.done()
	rev := s.acquire()
	defer rev.release()

	ctx := telemetry.Propagator().Extract(req.Context(), propagation.HeaderCarrier(req.Header))
	isRoot := !trace.SpanContextFromContext(ctx).IsValid()
	name := e.method
	if e.route != "" {
		name += " " + e.route
	}
	client, _, _ := net.SplitHostPort(req.RemoteAddr)
	attrs := make([]attribute.KeyValue, 0, 16)
	attrs = append(attrs, semconv.HTTPRequestMethodKey.String(e.method), semconv.URLScheme("http"), semconv.URLPath(req.URL.Path),
		semconv.ServerAddress(s.name), semconv.ServerPort(80), semconv.ClientAddress(client),
		semconv.NetworkProtocolVersion("1.1"), semconv.UserAgentOriginal(req.UserAgent()))
	if e.route != "" {
		attrs = append(attrs, semconv.HTTPRoute(e.route))
	}
	id := req.Header.Get("X-Request-Id")
	attrs = append(attrs, attribute.String("request.id", id))
	ctx, sp := rev.span(ctx, name, trace.SpanKindServer, attrs)

	caller, _, _ := strings.Cut(req.UserAgent(), "/")
	r := &request{
		c: s.c, rev: rev, ctx: ctx, log: rev.set.Logger.With("request.id", id), id: id, path: req.PathValue,
		rng: Draws(s.c.seed, id, caller, s.name, e.method, req.URL.Path),
	}
	out, err := r.run(e, req.Body)
	status := http.StatusOK
	kind := ""
	if err != nil {
		status, kind = http.StatusInternalServerError, "500"
		var f *failure
		if errors.As(err, &f) {
			status, kind = f.status, f.kind
		}
	}
	s.finish(r, sp, e, status, kind, err, isRoot)

	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Trace-Id", sp.SpanContext().TraceID().String())
	w.WriteHeader(status)
	if err != nil {
		out = Ride{Error: err.Error()}
	}
	// A caller that went away notices by itself.
	_ = json.NewEncoder(w).Encode(out)
}

// run decodes the body, applies faults and natural trouble, spends the service's own time and calls the handler.
func (r *request) run(e endpoint, body io.Reader) (Ride, error) {
	var in Ride
	data, err := io.ReadAll(io.LimitReader(body, maxBodyBytes))
	if err != nil {
		return in, fail(http.StatusBadRequest, "400", fmt.Errorf("read the body: %w", err))
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &in); err != nil {
			return in, fail(http.StatusBadRequest, "400", fmt.Errorf("the body must be a ride as JSON: %w", err))
		}
	}
	if err := r.injected(); err != nil {
		return in, err
	}
	trouble := r.rng.Float64() < e.trouble
	r.spend(e.median)
	if trouble {
		return in, fail(http.StatusInternalServerError, "500", errors.New(e.troubleText))
	}
	return e.handle(r, in)
}

// injected applies the latency and errors faults of the service. Their draws are their own, so that a fault does
// not change what else happens to a ride.
func (r *request) injected() error {
	svc := r.rev.svc.name
	for _, f := range r.c.faults.Of(svc, fault.Latency) {
		if Draws(r.c.seed, f.ID, svc, r.id).Float64() < f.Share {
			r.wait(time.Duration(f.LatencyMS) * time.Millisecond)
		}
	}
	for _, f := range r.c.faults.Of(svc, fault.Errors) {
		if Draws(r.c.seed, f.ID, svc, r.id).Float64() < f.Share {
			return fail(f.Status, strconv.Itoa(f.Status), fmt.Errorf("injected fault %s: %s answers %d", f.ID, svc, f.Status))
		}
	}
	return nil
}

func (s *service) finish(r *request, sp *span, e endpoint, status int, kind string, err error, isRoot bool) {
	code := semconv.HTTPResponseStatusCode(status)
	sp.SetAttributes(code)
	spanError := kind
	if status < 500 {
		// A 4xx is the caller's error: by the conventions the server's span stays unset.
		spanError = ""
	}
	duration := sp.finish(spanError, err)
	fields := []any{"http.request.method", e.method, "http.route", e.route, "http.response.status_code", status, "duration_ms", float64(duration.Microseconds()) / 1000}
	switch {
	case status >= 500:
		r.log.ErrorContext(r.ctx, "request failed", append(fields, "error.type", kind, "error", err.Error())...)
	case status >= 400:
		r.log.WarnContext(r.ctx, "request refused", append(fields, "error.type", kind, "error", err.Error())...)
	default:
		r.log.InfoContext(r.ctx, "request completed", fields...)
	}
	attrs := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(e.method), semconv.HTTPRoute(e.route), code, semconv.URLScheme("http")}
	if spanError != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(kind))
	}
	r.rev.instruments.duration.Record(r.ctx, duration.Seconds(), metric.WithAttributes(attrs...))
	s.c.ledger.Request(ledger.RequestKey{Service: s.name, Method: e.method, Route: e.route, Status: status})
	if isRoot {
		s.c.ledger.Root(sp.SpanContext().TraceID().String(), r.id, s.name, sp.name, status, sp.start, duration)
	}
}

// spend takes the time of the service's own work, log-normal around the median.
func (r *request) spend(median time.Duration) {
	d := logNormal(r.rng, median)
	if r.c.instant {
		return
	}
	r.wait(d)
}

func (r *request) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.ctx.Done():
	}
}
