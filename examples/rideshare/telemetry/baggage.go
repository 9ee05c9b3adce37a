package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Propagator carries W3C trace context and baggage over HTTP and the queue.
func Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// copied are the baggage members that become span attributes: copying whatever a client sends would let it
// write any attribute.
var copied = [...]string{"rider.tier", "city"}

// baggageCopier writes the baggage of the context to every span that starts in it.
type baggageCopier struct{}

func (baggageCopier) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	b := baggage.FromContext(ctx)
	if b.Len() == 0 {
		return
	}
	for _, key := range copied {
		if v := b.Member(key).Value(); v != "" {
			s.SetAttributes(attribute.String(key, v))
		}
	}
}

func (baggageCopier) OnEnd(sdktrace.ReadOnlySpan)      {}
func (baggageCopier) Shutdown(context.Context) error   { return nil }
func (baggageCopier) ForceFlush(context.Context) error { return nil }
