package company

import (
	"context"
	"time"

	"hinomi/examples/rideshare/ledger"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// span is one SDK span with the facts the ledger needs about it.
type span struct {
	trace.Span
	c       *Company
	service string
	name    string
	kind    trace.SpanKind
	start   time.Time
}

func (rev *revision) span(ctx context.Context, name string, kind trace.SpanKind, attrs []attribute.KeyValue, links ...trace.Link) (context.Context, *span) {
	start := time.Now()
	ctx, s := rev.set.Tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...), trace.WithLinks(links...), trace.WithTimestamp(start))
	return ctx, &span{Span: s, c: rev.svc.c, service: rev.svc.name, name: name, kind: kind, start: start}
}

// finish ends the span; errorType and err say why it failed, an empty errorType that it did not.
func (s *span) finish(errorType string, err error) time.Duration {
	status := "unset"
	if errorType != "" {
		status = "error"
		s.SetAttributes(semconv.ErrorTypeKey.String(errorType))
		text := ""
		if err != nil {
			text = err.Error()
			s.RecordError(err)
		}
		s.SetStatus(codes.Error, text)
	}
	duration := time.Since(s.start)
	s.c.ledger.Span(s.SpanContext().TraceID().String(), ledger.SpanKey{Service: s.service, Name: s.name, Kind: s.kind.String(), Status: status})
	s.End(trace.WithTimestamp(s.start.Add(duration)))
	return duration
}
