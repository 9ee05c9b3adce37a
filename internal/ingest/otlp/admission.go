package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"hinomi/internal/memory"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Admission is the memory for requests of a signal under way. Nil: unbounded.
type Admission func(model.Signal) *memory.Share

func (r *otlpReceiver) share(signal model.Signal) *memory.Share {
	if r.admission == nil {
		return nil
	}
	return r.admission(signal)
}

const (
	// retryAfter is when a sender that was refused should try again.
	retryAfter = 5 * time.Second
	// maxZstdWindow is the largest window of the content encoding zstd (RFC 9659).
	// A decoder takes it at once, however small the body.
	maxZstdWindow = 8 << 20
	// maxSnappyRatio is more than any snappy block expands: a copy of at most 64
	// bytes takes 2 or 3.
	maxSnappyRatio = 64
	// receiving is how many gRPC messages of the largest size can arrive side by
	// side: their size is only known when they are there.
	receiving = 4
	// received is what a gRPC message takes until it is there: packed and unpacked.
	received = 2
)

// admit decides about a request before anything of its body is read or unpacked. The
// request's memory is in the context of next.
func (r *otlpReceiver) admit(next http.Handler) http.Handler {
	cfg := r.cfg.Protocols.HTTP.Get()
	signals := map[string]model.Signal{string(cfg.TracesURLPath): model.Traces, string(cfg.MetricsURLPath): model.Metrics, string(cfg.LogsURLPath): model.Logs}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		signal, ok := signals[req.URL.Path]
		if !ok || req.Method != http.MethodPost {
			next.ServeHTTP(w, req)
			return
		}
		if most := cfg.ServerConfig.MaxRequestBodySize; req.ContentLength > most {
			err := tooLarge(most)
			r.malformed(Source, signal, err)
			writeError(w, responseType(req), http.StatusRequestEntityTooLarge, codes.InvalidArgument, err.Error())
			return
		}
		room, err := r.begin(req, r.share(signal))
		if err != nil {
			r.refuse(w, responseType(req), signal, err)
			return
		}
		defer room.End()
		next.ServeHTTP(w, req.WithContext(memory.WithRequest(req.Context(), room)))
	})
}

func tooLarge(most int64) error {
	return fmt.Errorf("request is larger than max_request_body_size (%d bytes): send smaller batches", most)
}

func (r *otlpReceiver) begin(req *http.Request, share *memory.Share) (*memory.Request, error) {
	length := req.ContentLength
	switch req.Header.Get("Content-Encoding") {
	case "":
		return share.Begin(req.Context(), length, false)
	case "zstd":
		return share.BeginWith(req.Context(), min(maxZstdWindow+max(length, 0), share.Limit()))
	case "snappy":
		// A block is read and unpacked as a whole before its reader is asked.
		most := r.cfg.Protocols.HTTP.Get().ServerConfig.MaxRequestBodySize
		if length < 0 {
			length = most
		}
		return share.BeginWith(req.Context(), min(length+min(length*maxSnappyRatio, most), share.Limit()))
	}
	return share.Begin(req.Context(), length, true)
}

// refuse counts and answers a request for which there is no memory, now or ever.
func (r *otlpReceiver) refuse(w http.ResponseWriter, typ string, signal model.Signal, err error) {
	r.malformed(Source, signal, err)
	s := refusal(err)
	code := httpCode(s.Code())
	if errors.Is(err, memory.ErrTooLarge) {
		code = http.StatusRequestEntityTooLarge
	}
	writeError(w, typ, code, s.Code(), s.Message())
}

// isRefusal tells whether err is about memory.
func isRefusal(err error) bool {
	return errors.Is(err, memory.ErrTooLarge) || errors.Is(err, store.ErrOverloaded)
}

// refusal is the status of such an error.
func refusal(err error) *status.Status {
	switch {
	case errors.Is(err, memory.ErrTooLarge):
		return status.New(codes.InvalidArgument, err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.Canceled, err.Error())
	}
	return withRetry(status.New(codes.Unavailable, err.Error()))
}

// withRetry tells a sender when to try again (OTLP specification, "OTLP/gRPC
// Throttling").
func withRetry(s *status.Status) *status.Status {
	if d, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)}); err == nil {
		return d
	}
	return s
}

// roomToDecode takes the memory that the decoded form of a request needs besides its
// body and its columns.
func roomToDecode(ctx context.Context, signal model.Signal, body []byte, json bool) error {
	left := maxDecodedBytes
	if json {
		left -= bytes.Count(body, []byte{'{'})*messageBytes + len(body)
	} else {
		walk(requests[signal], body, 0, &left)
	}
	return memory.RequestFrom(ctx).Grow(int64(len(body))*memory.Spread + int64(maxDecodedBytes-max(left, 0)))
}

// largestMessage is the largest gRPC message: as configured, or less where the memory
// does not suffice for several at once.
func (r *otlpReceiver) largestMessage(configuredMiB int) int {
	most := int64(configuredMiB) << 20
	if most <= 0 {
		most = 4 << 20 // gRPC's default.
	}
	for _, signal := range []model.Signal{model.Logs, model.Traces, model.Metrics} {
		most = min(most, r.share(signal).Limit()/receiving/received)
	}
	return int(most)
}

// unzstd unpacks a body with little memory.
func (r *otlpReceiver) unzstd(body io.ReadCloser) (io.ReadCloser, error) {
	d, ok := r.unpackers.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow)); err != nil {
			return nil, err
		}
	}
	if err := d.Reset(body); err != nil {
		return nil, err
	}
	return &unzstdReader{d, r, body}, nil
}

type unzstdReader struct {
	*zstd.Decoder
	r    *otlpReceiver
	body io.Closer
}

// Close gives the decoder back.
func (u *unzstdReader) Close() error {
	if u.Decoder != nil {
		// A decoder that keeps its reader would keep the request.
		if err := u.Reset(nil); err == nil {
			u.r.unpackers.Put(u.Decoder)
		}
		u.Decoder = nil
	}
	return u.body.Close()
}
