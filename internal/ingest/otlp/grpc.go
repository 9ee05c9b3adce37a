package otlp

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"hinomi/internal/model"
)

// The services of the protocol, by signal.
var serviceNames = map[model.Signal]string{
	model.Logs:    "opentelemetry.proto.collector.logs.v1.LogsService",
	model.Traces:  "opentelemetry.proto.collector.trace.v1.TraceService",
	model.Metrics: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}

// bytesCodec hands the bytes of a request to the service, which decodes them:
// what grpc would decode itself could neither be checked before nor counted
// when it is malformed, and would be answered with the code Internal, which
// blames the server.
type bytesCodec struct{}

// Name implements encoding.CodecV2.
func (bytesCodec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(message)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	b, err := m.MarshalProto()
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

// Unmarshal implements encoding.CodecV2.
func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*mem.Buffer)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	*b = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// register serves one signal's Export.
func (r *otlpReceiver) register(c call) {
	method := "/" + serviceNames[c.signal] + "/Export"
	r.grpc.RegisterService(&grpc.ServiceDesc{
		ServiceName: serviceNames[c.signal],
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			var body mem.Buffer
			if err := decode(&body); err != nil {
				return nil, err
			}
			handle := func(ctx context.Context, body any) (any, error) { return r.export(ctx, c, body.(mem.Buffer)) }
			if interceptor == nil {
				return handle(ctx, body)
			}
			return interceptor(ctx, body, &grpc.UnaryServerInfo{Server: srv, FullMethod: method}, handle)
		}}},
	}, r)
}

func (r *otlpReceiver) export(ctx context.Context, c call, body mem.Buffer) (message, error) {
	// Nothing of the body is kept.
	defer body.Free()
	resp, err := c.handle(ctx, body.ReadOnlyData(), false)
	var bad *malformedError
	if errors.As(err, &bad) {
		r.malformed(Source, c.signal, bad.err)
		return nil, status.Error(codes.InvalidArgument, fmt.Sprintf("body is not an OTLP %s request: %s", c.signal, bad.err))
	}
	return resp, err
}
