// Package gate is the one way into the stores: whatever the protocol, a request
// passes here, is counted in the ledger, stored durably, and only then shown to
// those who compute from it (span metrics). It answers with the store's result.
package gate

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/ingest/ledger"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Options name what the gate leads to. All are required but AfterTraces.
type Options struct {
	Logs    func(context.Context, model.Scope, plog.Logs) (store.WriteResult, error)
	Traces  func(context.Context, model.Scope, ptrace.Traces) (store.WriteResult, error)
	Metrics func(context.Context, model.Scope, pmetric.Metrics) (store.WriteResult, error)
	// LogsWire stores an encoded OTLP request of n records, or says with ok false
	// that it has to be decoded for Logs. It may be nil.
	LogsWire func(ctx context.Context, scope model.Scope, body []byte) (n int, res store.WriteResult, ok bool, err error)
	// TracesWire is the same for spans.
	TracesWire func(ctx context.Context, scope model.Scope, body []byte) (n int, res store.WriteResult, ok bool, err error)
	Ledger     *ledger.Ledger
	// Receipts are what the stores of some signals remember of requests. Of the
	// others, each request is a new one.
	Receipts map[model.Signal]store.Receipts
	// AfterTraces sees the spans that were stored, before the sender is
	// answered. It must not keep or change them.
	AfterTraces func(model.Scope, ptrace.Traces)
	// AfterTracesWire is AfterTraces for a request that TracesWire stored.
	AfterTracesWire func(model.Scope, []byte)
}

// Gate is safe for concurrent use.
type Gate struct {
	o Options

	mu      sync.Mutex
	flights map[flightKey]*flight
}

// New returns a gate.
func New(o Options) *Gate { return &Gate{o: o, flights: map[flightKey]*flight{}} }

// Logs stores log records of a source (a protocol's name).
func (g *Gate) Logs(ctx context.Context, scope model.Scope, source string, ld plog.Logs) (store.WriteResult, error) {
	n := ld.LogRecordCount()
	if n == 0 {
		return store.WriteResult{}, nil
	}
	res, err := g.o.Logs(ctx, scope, ld)
	g.record(ctx, source, model.Logs, n, res, err)
	return res, err
}

// LogsOnce is Logs for records that were decoded from body: the same body again is
// a duplicate, see Once. A nil body always counts as new.
func (g *Gate) LogsOnce(ctx context.Context, scope model.Scope, source string, body []byte, ld plog.Logs) (store.WriteResult, error) {
	if body == nil {
		return g.Logs(ctx, scope, source, ld)
	}
	ctx, receipt := WithReceipt(ctx)
	err := g.Once(ctx, scope, source, model.Logs, body, func(ctx context.Context) error {
		_, err := g.Logs(ctx, scope, source, ld)
		return err
	})
	return receipt.result(), err
}

// LogsWire is Logs for an encoded OTLP request. With ok false nothing has
// happened: the request has to be decoded.
func (g *Gate) LogsWire(ctx context.Context, scope model.Scope, source string, body []byte) (res store.WriteResult, ok bool, err error) {
	if g.o.LogsWire == nil {
		return res, false, nil
	}
	n, res, ok, err := g.o.LogsWire(ctx, scope, body)
	if ok && n > 0 {
		g.record(ctx, source, model.Logs, n, res, err)
	}
	return res, ok, err
}

// TracesWire is Traces for an encoded OTLP request. With ok false nothing has
// happened: the request has to be decoded.
func (g *Gate) TracesWire(ctx context.Context, scope model.Scope, source string, body []byte) (res store.WriteResult, ok bool, err error) {
	if g.o.TracesWire == nil {
		return res, false, nil
	}
	n, res, ok, err := g.o.TracesWire(ctx, scope, body)
	if !ok || n == 0 {
		return res, ok, err
	}
	g.record(ctx, source, model.Traces, n, res, err)
	if err == nil && res.Stored > 0 && g.o.AfterTracesWire != nil {
		g.o.AfterTracesWire(scope, body)
	}
	return res, ok, err
}

// Traces stores spans of a source.
func (g *Gate) Traces(ctx context.Context, scope model.Scope, source string, td ptrace.Traces) (store.WriteResult, error) {
	n := td.SpanCount()
	if n == 0 {
		return store.WriteResult{}, nil
	}
	res, err := g.o.Traces(ctx, scope, td)
	g.record(ctx, source, model.Traces, n, res, err)
	if err == nil && res.Stored > 0 && g.o.AfterTraces != nil {
		g.o.AfterTraces(scope, td)
	}
	return res, err
}

// Metrics stores metric data points of a source.
func (g *Gate) Metrics(ctx context.Context, scope model.Scope, source string, md pmetric.Metrics) (store.WriteResult, error) {
	n := md.DataPointCount()
	if n == 0 {
		return store.WriteResult{}, nil
	}
	res, err := g.o.Metrics(ctx, scope, md)
	g.record(ctx, source, model.Metrics, n, res, err)
	return res, err
}

// Malformed counts, as one row, a request that could not be decoded, or for which
// there was no memory: how many rows it has nobody knows.
func (g *Gate) Malformed(source string, signal model.Signal, err error) {
	reason := store.RejectMalformed
	if store.Retryable(err) {
		reason = ledger.ReasonRetry
	}
	g.o.Ledger.Record(source, signal, 1, 0, map[store.RejectReason]int{reason: 1}, err.Error())
}

func (g *Gate) record(ctx context.Context, source string, signal model.Signal, n int, res store.WriteResult, err error) {
	if err != nil {
		reason := store.RejectMalformed
		if store.Retryable(err) || errors.Is(err, context.Canceled) {
			reason = ledger.ReasonRetry
		}
		g.o.Ledger.Record(source, signal, n, 0, map[store.RejectReason]int{reason: n}, err.Error())
		return
	}
	example := ""
	for _, text := range res.Example {
		example = text
	}
	// The rejections are subtracted rather than Stored taken, because a metric
	// data point can become many samples (a histogram's buckets).
	g.o.Ledger.Record(source, signal, n, max(0, n-res.RejectedTotal()), res.Rejected, example)
	if r := receiptFrom(ctx); r != nil {
		r.add(res)
	}
}
