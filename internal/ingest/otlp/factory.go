// Package otlp is the OTLP receiver (gRPC and HTTP; protobuf and JSON) with the
// configuration of the Collector's own, under the same name. It differs in what
// the Collector's interfaces cannot express: rows that the stores refused are
// answered as partial success, requests that cannot be decoded are counted.
// Protocol: OpenTelemetry Protocol Specification 1.9, "OTLP/gRPC", "OTLP/HTTP".
package otlp

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"

	"hinomi/internal/model"
)

// Malformed is told of requests that cannot be decoded, or for which there is no
// memory.
type Malformed func(source string, signal model.Signal, err error)

// Direct is the short way where a receiver's only pipeline of a signal leads to the
// stores with nothing between. Both functions tell the request's receipt what
// became of the rows.
type Direct struct {
	// Once calls store unless the same request was acknowledged before.
	Once func(ctx context.Context, body []byte, store func(context.Context) error) error
	// Store stores an encoded request, so that nobody needs it decoded. With ok false
	// nothing has happened, and the request takes the way through the pipeline.
	Store func(ctx context.Context, body []byte) (ok bool, err error)
}

// Source is the name of this receiver's rows in the ledger.
const Source = "otlp"

// NewFactory returns the receiver's factory. Each receiver of a configuration
// serves all signals that its pipelines use on one pair of listeners. direct
// returns the short way of a receiver and signal, nil where there is none.
// admission is asked before a request is read.
func NewFactory(malformed Malformed, direct func(component.ID, model.Signal) *Direct, admission Admission) receiver.Factory {
	f := &factory{malformed: malformed, direct: direct, admission: admission, receivers: map[component.Config]*otlpReceiver{}}
	return receiver.NewFactory(
		component.MustNewType("otlp"),
		otlpreceiver.NewFactory().CreateDefaultConfig,
		receiver.WithTraces(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
			r := f.receiver(set, cfg)
			r.traces, r.directTraces = next, f.direct(set.ID, model.Traces)
			return r, nil
		}, component.StabilityLevelStable),
		receiver.WithMetrics(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			r := f.receiver(set, cfg)
			r.metrics = next
			return r, nil
		}, component.StabilityLevelStable),
		receiver.WithLogs(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
			r := f.receiver(set, cfg)
			r.logs, r.directLogs = next, f.direct(set.ID, model.Logs)
			return r, nil
		}, component.StabilityLevelStable),
	)
}

// factory shares one receiver between the signals of one configuration. It
// lives as long as one Collector service.
type factory struct {
	malformed Malformed
	direct    func(component.ID, model.Signal) *Direct
	admission Admission
	mu        sync.Mutex
	receivers map[component.Config]*otlpReceiver
}

func (f *factory) receiver(set receiver.Settings, cfg component.Config) *otlpReceiver {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.receivers[cfg]
	if r == nil {
		r = &otlpReceiver{cfg: cfg.(*otlpreceiver.Config), set: set, malformed: f.malformed, admission: f.admission}
		r.bodies.New = func() any { return new([]byte) }
		f.receivers[cfg] = r
	}
	return r
}
