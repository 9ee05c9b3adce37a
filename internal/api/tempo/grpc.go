package tempo

import (
	"context"
	"errors"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"hinomi/internal/api/apierr"
	"hinomi/internal/model"
	"hinomi/internal/query/traceql"
	"hinomi/internal/store"
)

// streamingService is the service that Grafana calls for streaming search. It
// lies at the root: gRPC has no path prefixes.
const streamingService = "tempopb.StreamingQuerier"

// maxMessageBytes bounds a request; queries are bounded to 128 KiB.
const maxMessageBytes = 1 << 20

// rawCodec hands messages over as bytes: wire.go and wireread.go know their
// fields.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(message)
	if !ok {
		return nil, errors.New("not a message")
	}
	return mem.BufferSlice{mem.SliceBuffer(m)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*message)
	if !ok {
		return errors.New("not a message")
	}
	*m = data.Materialize()
	return nil
}

// Name is that of protobuf, which is what the bytes are.
func (rawCodec) Name() string { return "proto" }

type scopeKey struct{}

// streaming is the gRPC service as a handler of the HTTP port, which speaks
// HTTP/2 without TLS.
func (a *API) streaming() http.Handler {
	srv := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxRecvMsgSize(maxMessageBytes))
	desc := grpc.ServiceDesc{ServiceName: streamingService, HandlerType: (*any)(nil)}
	for name, h := range map[string]func(context.Context, message, func(message) error) error{
		"Search":              a.streamSearch,
		"SearchTags":          a.streamTags,
		"SearchTagsV2":        a.streamTagsV2,
		"SearchTagValues":     a.streamValues,
		"SearchTagValuesV2":   a.streamValuesV2,
		"MetricsQueryRange":   a.streamRange,
		"MetricsQueryInstant": a.streamInstant,
	} {
		desc.Streams = append(desc.Streams, grpc.StreamDesc{StreamName: name, ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			var req message
			if err := s.RecvMsg(&req); err != nil {
				return err
			}
			err := h(s.Context(), req, func(m message) error { return s.SendMsg(m) })
			if err != nil {
				a.o.Logger.Debug("Tempo streaming request", "method", name, "err", err)
			}
			return grpcStatus(err)
		}})
	}
	srv.RegisterService(&desc, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			http.Error(w, "gRPC needs HTTP/2: this port speaks it without TLS (h2c)", http.StatusHTTPVersionNotSupported)
			return
		}
		ctx := context.WithValue(r.Context(), scopeKey{}, a.o.Scope(r))
		srv.ServeHTTP(w, r.WithContext(ctx))
	})
}

func scopeOf(ctx context.Context) model.Scope {
	s, _ := ctx.Value(scopeKey{}).(model.Scope)
	return s
}

// grpcStatus turns an error into the gRPC status of its HTTP code.
func grpcStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	code := codes.Internal
	switch statusOf(err) {
	case http.StatusBadRequest:
		code = codes.InvalidArgument
	case http.StatusNotFound:
		code = codes.NotFound
	case apierr.ClientClosed:
		code = codes.Canceled
	case http.StatusGatewayTimeout:
		code = codes.DeadlineExceeded
	case http.StatusServiceUnavailable:
		code = codes.Unavailable
	}
	return status.Error(code, err.Error())
}

// secondsBounds are the bounds of a request that gives Unix seconds, 0 for none.
func (a *API) secondsBounds(start, end uint64) (from, to time.Time, err error) {
	to = a.o.Now()
	if end != 0 {
		to = time.Unix(int64(end), 0)
	}
	from = to.Add(-defaultSince)
	if start != 0 {
		from = time.Unix(int64(start), 0)
	}
	if !from.Before(to) {
		return from, to, apierr.BadRequest("start must be before end. received start=%d end=%d", start, end)
	}
	return from, to, nil
}

// streamSearch sends traces as they are found; the last message says that the
// search is complete.
func (a *API) streamSearch(ctx context.Context, m message, send func(message) error) error {
	f, err := readFields(m)
	if err != nil {
		return err
	}
	req := traceql.Request{
		Query: f.str(8), Limit: int(f.uint(4)), Spss: int(f.uint(9)),
		MinDuration: time.Duration(f.uint(2)) * time.Millisecond, MaxDuration: time.Duration(f.uint(3)) * time.Millisecond,
	}
	if req.Start, req.End, err = a.secondsBounds(f.uint(5), f.uint(6)); err != nil {
		return err
	}
	if req.Query == "" {
		tags, err := f.strMap(1)
		if err != nil {
			return err
		}
		req.Query = tagsMapQuery(tags)
	}
	req.Found = func(res traceql.Result) error {
		metrics := searchMetricsOf(res)
		metrics.CompletedJobs = 0
		return send(searchWire(res.Traces, metrics))
	}
	res, err := a.o.Engine.Search(ctx, scopeOf(ctx), req)
	if err != nil {
		return searchError(err)
	}
	return send(searchWire(res.Traces, searchMetricsOf(res)))
}

func (a *API) streamRange(ctx context.Context, m message, send func(message) error) error {
	f, err := readFields(m)
	if err != nil {
		return err
	}
	start, end := time.Unix(0, int64(f.uint(2))), time.Unix(0, int64(f.uint(3)))
	req := traceql.MetricsRequest{
		Query: f.str(1), Start: start, End: end, Step: time.Duration(f.uint(4)), Exemplars: int(f.uint(16)), MaxSeries: int(f.uint(17)), Instant: f.uint(18) != 0,
	}
	if req.Step == 0 {
		req.Step = defaultStep(end.Sub(start))
	}
	res, err := a.o.Engine.Metrics(ctx, scopeOf(ctx), req)
	if err != nil {
		return err
	}
	return send(rangeWire(res))
}

func (a *API) streamInstant(ctx context.Context, m message, send func(message) error) error {
	f, err := readFields(m)
	if err != nil {
		return err
	}
	res, err := a.o.Engine.Metrics(ctx, scopeOf(ctx), traceql.MetricsRequest{
		Query: f.str(1), Start: time.Unix(0, int64(f.uint(2))), End: time.Unix(0, int64(f.uint(3))), Instant: true,
	})
	if err != nil {
		return err
	}
	return send(instantWire(res))
}

func (a *API) streamTagScopes(ctx context.Context, m message) ([]scopeTags, string, error) {
	f, err := readFields(m)
	if err != nil {
		return nil, "", err
	}
	q := tagsRequest{scope: f.str(1), query: f.str(2), limit: int(f.uint(5))}
	if q.start, q.end, err = a.secondsBounds(f.uint(3), f.uint(4)); err != nil {
		return nil, "", err
	}
	scopes, err := a.tagScopes(ctx, scopeOf(ctx), q)
	return scopes, q.scope, err
}

func (a *API) streamTags(ctx context.Context, m message, send func(message) error) error {
	scopes, scope, err := a.streamTagScopes(ctx, m)
	if err != nil {
		return err
	}
	var out message
	for _, n := range tagNames(scopes, scope) {
		out.str(1, n)
	}
	out.sub(2, metricsOf(store.ScanStats{}).done(false).metadataWire())
	return send(out)
}

func (a *API) streamTagsV2(ctx context.Context, m message, send func(message) error) error {
	scopes, _, err := a.streamTagScopes(ctx, m)
	if err != nil {
		return err
	}
	var out message
	for _, s := range scopes {
		var x message
		x.str(1, s.Name)
		for _, t := range s.Tags {
			x.str(2, t)
		}
		out.sub(1, x)
	}
	out.sub(2, metricsOf(store.ScanStats{}).done(false).metadataWire())
	return send(out)
}

func (a *API) streamTagValues(ctx context.Context, m message, parse func(string) (*traceql.Attribute, error)) ([]traceql.Static, searchMetrics, error) {
	f, err := readFields(m)
	if err != nil {
		return nil, searchMetrics{}, err
	}
	attr, err := parse(f.str(1))
	if err != nil {
		return nil, searchMetrics{}, err
	}
	q := valuesRequest{attr: attr, query: f.str(2), limit: int(f.uint(6))}
	if q.start, q.end, err = a.secondsBounds(f.uint(4), f.uint(5)); err != nil {
		return nil, searchMetrics{}, err
	}
	return a.values(ctx, scopeOf(ctx), q)
}

func (a *API) streamValues(ctx context.Context, m message, send func(message) error) error {
	vals, metrics, err := a.streamTagValues(ctx, m, bareAttribute)
	if err != nil {
		return err
	}
	var out message
	for _, v := range valueTexts(vals) {
		out.str(1, v)
	}
	out.sub(2, metrics.metadataWire())
	return send(out)
}

func (a *API) streamValuesV2(ctx context.Context, m message, send func(message) error) error {
	vals, metrics, err := a.streamTagValues(ctx, m, traceql.ParseAttribute)
	if err != nil {
		return err
	}
	var out message
	for _, v := range vals {
		var x message
		x.str(1, typeNames[v.Type])
		x.str(2, v.Text())
		out.sub(1, x)
	}
	out.sub(2, metrics.metadataWire())
	return send(out)
}
