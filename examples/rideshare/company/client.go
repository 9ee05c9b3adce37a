package company

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"hinomi/examples/rideshare/telemetry"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// callTimeout bounds a call between services.
const callTimeout = 10 * time.Second

// call sends a request to another service with the trace context and the baggage. template is the path with its
// parameters' names, path the real one. An answer of 400 and more is an error.
func (r *request) call(method, target, template, path string, in *Ride) (Ride, error) {
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	ctx, sp := r.rev.span(ctx, method+" "+template, trace.SpanKindClient, []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(method), semconv.ServerAddress(target), semconv.ServerPort(80),
		semconv.URLFull("http://" + target + path), semconv.URLTemplate(template), semconv.NetworkProtocolVersion("1.1"),
	})
	out, status, err := r.send(ctx, method, target, path, in)
	if status != 0 {
		sp.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	kind := ""
	if err != nil {
		kind = errorKind(err)
		if status >= 400 {
			kind = strconv.Itoa(status)
		}
	}
	sp.finish(kind, err)
	if err != nil {
		return out, fail(http.StatusBadGateway, kind, fmt.Errorf("call %s: %w", target, err))
	}
	return out, nil
}

func (r *request) send(ctx context.Context, method, target, path string, in *Ride) (Ride, int, error) {
	var out Ride
	var body io.Reader = http.NoBody
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return out, 0, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+target+path, body)
	if err != nil {
		return out, 0, err
	}
	req.Header.Set("User-Agent", r.rev.svc.name+"/"+r.rev.set.Identity.Version)
	req.Header.Set("X-Request-Id", r.id)
	telemetry.Propagator().Inject(ctx, propagation.HeaderCarrier(req.Header))
	resp, err := r.c.network.routes[target].transport.RoundTrip(req)
	if err != nil {
		return out, 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes))
	if err != nil {
		return out, resp.StatusCode, err
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, resp.StatusCode, fmt.Errorf("the answer is not JSON: %w", err)
	}
	if resp.StatusCode >= 400 {
		return out, resp.StatusCode, fmt.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, out.Error)
	}
	return out, resp.StatusCode, nil
}

// errorKind gives an error a name of low cardinality.
func errorKind(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	default:
		return "connection_closed"
	}
}
