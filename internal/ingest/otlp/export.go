package otlp

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"hinomi/internal/ingest/gate"
	"hinomi/internal/memory"
	"hinomi/internal/model"
)

// call is how requests of one signal are decoded, stored and answered.
type call struct {
	signal      model.Signal
	proto, json decode
	// direct is the short way, nil where there is none.
	direct *Direct
	// answer makes the response of a request whose rows the receipt tells of.
	answer func(*gate.Receipt) message
}

// decode reads a request and returns how it is sent into its pipeline.
type decode func(body []byte) (func(context.Context) error, error)

func (r *otlpReceiver) tracesCall() call {
	with := func(unmarshal func(ptraceotlp.ExportRequest, []byte) error) decode {
		return func(body []byte) (func(context.Context) error, error) {
			req := ptraceotlp.NewExportRequest()
			err := unmarshal(req, body)
			return func(ctx context.Context) error {
				if req.Traces().SpanCount() == 0 {
					return nil
				}
				return r.traces.ConsumeTraces(ctx, req.Traces())
			}, err
		}
	}
	return call{model.Traces, with(ptraceotlp.ExportRequest.UnmarshalProto), with(ptraceotlp.ExportRequest.UnmarshalJSON), r.directTraces, traceResponse}
}

func traceResponse(receipt *gate.Receipt) message {
	resp := ptraceotlp.NewExportResponse()
	if n, msg := receipt.Rejected(); n > 0 {
		resp.PartialSuccess().SetRejectedSpans(int64(n))
		resp.PartialSuccess().SetErrorMessage(msg)
	}
	return resp
}

func (r *otlpReceiver) metricsCall() call {
	with := func(unmarshal func(pmetricotlp.ExportRequest, []byte) error) decode {
		return func(body []byte) (func(context.Context) error, error) {
			req := pmetricotlp.NewExportRequest()
			err := unmarshal(req, body)
			return func(ctx context.Context) error {
				if req.Metrics().DataPointCount() == 0 {
					return nil
				}
				return r.metrics.ConsumeMetrics(ctx, req.Metrics())
			}, err
		}
	}
	return call{model.Metrics, with(pmetricotlp.ExportRequest.UnmarshalProto), with(pmetricotlp.ExportRequest.UnmarshalJSON), nil, metricResponse}
}

func metricResponse(receipt *gate.Receipt) message {
	resp := pmetricotlp.NewExportResponse()
	if n, msg := receipt.Rejected(); n > 0 {
		resp.PartialSuccess().SetRejectedDataPoints(int64(n))
		resp.PartialSuccess().SetErrorMessage(msg)
	}
	return resp
}

func (r *otlpReceiver) logsCall() call {
	with := func(unmarshal func(plogotlp.ExportRequest, []byte) error) decode {
		return func(body []byte) (func(context.Context) error, error) {
			req := plogotlp.NewExportRequest()
			err := unmarshal(req, body)
			return func(ctx context.Context) error {
				if req.Logs().LogRecordCount() == 0 {
					return nil
				}
				return r.logs.ConsumeLogs(ctx, req.Logs())
			}, err
		}
	}
	return call{model.Logs, with(plogotlp.ExportRequest.UnmarshalProto), with(plogotlp.ExportRequest.UnmarshalJSON), r.directLogs, logResponse}
}

func logResponse(receipt *gate.Receipt) message {
	resp := plogotlp.NewExportResponse()
	if n, msg := receipt.Rejected(); n > 0 {
		resp.PartialSuccess().SetRejectedLogRecords(int64(n))
		resp.PartialSuccess().SetErrorMessage(msg)
	}
	return resp
}

// handle stores a request, unless it was stored before, and returns the response.
// Nothing of an encoded body is kept.
func (c call) handle(ctx context.Context, body []byte, json bool) (message, error) {
	ctx, receipt := gate.WithReceipt(ctx)
	store := func(ctx context.Context) error { return c.store(ctx, body, json) }
	var err error
	if c.direct != nil {
		err = c.direct.Once(ctx, body, store)
	} else {
		err = store(ctx)
	}
	var bad *malformedError
	switch {
	case errors.As(err, &bad), errors.Is(err, memory.ErrTooLarge):
		return nil, err
	case err != nil:
		return nil, asStatus(err)
	}
	return c.answer(receipt), nil
}

// store stores a request, on the short way where there is one.
func (c call) store(ctx context.Context, body []byte, json bool) error {
	refuse, read := func() error { return check(c.signal, body) }, c.proto
	if json {
		refuse, read = func() error { return checkJSON(body) }, c.json
	}
	if err := refuse(); err != nil {
		return &malformedError{err}
	}
	if c.direct != nil && !json {
		if ok, err := c.direct.Store(ctx, body); ok {
			return err
		}
	}
	if err := roomToDecode(ctx, c.signal, body, json); err != nil {
		return err
	}
	export, err := safely(read, body)
	if err != nil {
		return &malformedError{err}
	}
	return export(ctx)
}

// asStatus maps a pipeline's error to the code the OTLP specification gives it:
// InvalidArgument must not be sent again, Unavailable should be.
func asStatus(err error) error {
	if isRefusal(err) {
		return refusal(err).Err()
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	code := codes.Unavailable
	switch {
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case consumererror.IsPermanent(err):
		code = codes.InvalidArgument
	}
	s := status.New(code, err.Error())
	if code == codes.Unavailable {
		s = withRetry(s)
	}
	return s.Err()
}
