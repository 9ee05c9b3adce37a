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
)

type traceServer struct {
	r *otlpReceiver
}

// Export implements the trace service.
func (s *traceServer) Export(ctx context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	resp := ptraceotlp.NewExportResponse()
	ctx, receipt := gate.WithReceipt(ctx)
	if req.Traces().SpanCount() == 0 {
		return resp, nil
	}
	if err := s.r.traces.ConsumeTraces(ctx, req.Traces()); err != nil {
		return resp, asStatus(err)
	}
	return traceResponse(receipt), nil
}

func traceResponse(receipt *gate.Receipt) ptraceotlp.ExportResponse {
	resp := ptraceotlp.NewExportResponse()
	if n, msg := receipt.Rejected(); n > 0 {
		resp.PartialSuccess().SetRejectedSpans(int64(n))
		resp.PartialSuccess().SetErrorMessage(msg)
	}
	return resp
}

type metricServer struct {
	r *otlpReceiver
}

// Export implements the metrics service.
func (s *metricServer) Export(ctx context.Context, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	resp := pmetricotlp.NewExportResponse()
	ctx, receipt := gate.WithReceipt(ctx)
	if req.Metrics().DataPointCount() == 0 {
		return resp, nil
	}
	if err := s.r.metrics.ConsumeMetrics(ctx, req.Metrics()); err != nil {
		return resp, asStatus(err)
	}
	if n, msg := receipt.Rejected(); n > 0 {
		resp.PartialSuccess().SetRejectedDataPoints(int64(n))
		resp.PartialSuccess().SetErrorMessage(msg)
	}
	return resp, nil
}

type logServer struct {
	r *otlpReceiver
}

// Export implements the logs service.
func (s *logServer) Export(ctx context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	resp := plogotlp.NewExportResponse()
	ctx, receipt := gate.WithReceipt(ctx)
	if req.Logs().LogRecordCount() == 0 {
		return resp, nil
	}
	if err := s.r.logs.ConsumeLogs(ctx, req.Logs()); err != nil {
		return resp, asStatus(err)
	}
	return logResponse(receipt), nil
}

func logResponse(receipt *gate.Receipt) plogotlp.ExportResponse {
	resp := plogotlp.NewExportResponse()
	if n, msg := receipt.Rejected(); n > 0 {
		resp.PartialSuccess().SetRejectedLogRecords(int64(n))
		resp.PartialSuccess().SetErrorMessage(msg)
	}
	return resp
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
