package otlp

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"hinomi/internal/memory"
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
	r.grpc.RegisterService(&grpc.ServiceDesc{
		ServiceName: serviceNames[c.signal],
		HandlerType: (*any)(nil),
		// As a stream of one message, which looks the same from outside: a service
		// is asked before the message of a stream is read.
		Streams: []grpc.StreamDesc{{StreamName: "Export", ServerStreams: true, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			return r.serveExport(c, stream)
		}}},
	}, r)
}

// serveExport admits, reads and answers one request.
func (r *otlpReceiver) serveExport(c call, stream grpc.ServerStream) error {
	room, err := r.share(c.signal).BeginWith(stream.Context(), received*int64(r.maxMessage))
	if err != nil {
		r.malformed(Source, c.signal, err)
		return refusal(err).Err()
	}
	defer room.End()
	var body mem.Buffer
	if err := stream.RecvMsg(&body); err != nil {
		return err // gRPC has answered it: what is too large with RESOURCE_EXHAUSTED, without a delay.
	}
	if err := room.Resize(memory.Spread * int64(body.Len())); err != nil {
		body.Free()
		r.malformed(Source, c.signal, err)
		return refusal(err).Err()
	}
	resp, err := r.export(memory.WithRequest(stream.Context(), room), c, body)
	if err != nil {
		return err
	}
	return stream.SendMsg(resp)
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
	return resp, asStatus(err)
}
