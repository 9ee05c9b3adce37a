package company

import (
	"fmt"
	"net/http"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// refusedAfter is what a refused connection to a dependency costs.
const refusedAfter = 2 * time.Millisecond

// query is a statement on the service's PostgreSQL database. When the database is down it returns a failure with
// status 500.
func (r *request) query(operation, table, text string, median time.Duration) error {
	svc := r.rev.svc.name
	return r.operate("postgres", operation+" "+table, median, 5432, []attribute.KeyValue{
		semconv.DBSystemNamePostgreSQL, semconv.DBNamespace(svc), semconv.DBOperationName(operation),
		semconv.DBCollectionName(table), semconv.DBQueryText(text),
	}, "db.query.text", text)
}

// cache is a command on the service's Redis. Callers go on without the cache when it is down.
func (r *request) cache(command, key string, median time.Duration) bool {
	text := command + " " + key
	err := r.operate("redis", command, median, 6379, []attribute.KeyValue{
		semconv.DBSystemNameRedis, semconv.DBNamespace("0"), semconv.DBOperationName(command), semconv.DBQueryText(text),
	}, "db.query.text", text)
	if err != nil {
		r.log.WarnContext(r.ctx, "cache unavailable, going on without it", "error", err.Error())
	}
	return err == nil
}

func (r *request) operate(dependency, name string, median time.Duration, port int, attrs []attribute.KeyValue, logKey, logValue string) error {
	host := dependency + "-" + r.rev.svc.name
	attrs = append(attrs, semconv.ServerAddress(host), semconv.ServerPort(port))
	_, sp := r.rev.span(r.ctx, name, trace.SpanKindClient, attrs)
	if r.c.faults.Down(r.rev.svc.name, dependency) {
		r.spend(refusedAfter)
		err := fmt.Errorf("%s: dial tcp %s:%d: connect: %w", dependency, host, port, syscall.ECONNREFUSED)
		sp.finish("connection_refused", err)
		return fail(http.StatusInternalServerError, dependency+"_unavailable", err)
	}
	r.spend(median)
	d := sp.finish("", nil)
	r.log.DebugContext(r.ctx, dependency+" operation", logKey, logValue, "duration_ms", float64(d.Microseconds())/1000)
	return nil
}
