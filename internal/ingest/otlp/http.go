package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"hinomi/internal/memory"
	"hinomi/internal/model"
)

const (
	protoType = "application/x-protobuf"
	jsonType  = "application/json"
)

// message is a request or response of one signal.
type message interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

func (r *otlpReceiver) handler(c call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			writeError(w, responseType(req), http.StatusMethodNotAllowed, codes.InvalidArgument, "use POST")
			return
		}
		typ, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
		if err != nil || typ != protoType && typ != jsonType {
			err := fmt.Errorf("Content-Type %q is not supported, send %s or %s", req.Header.Get("Content-Type"), protoType, jsonType)
			r.malformed(Source, c.signal, err)
			writeError(w, protoType, http.StatusUnsupportedMediaType, codes.InvalidArgument, err.Error())
			return
		}
		// The server limits the body before and after decompression.
		buf := r.bodies.Get().(*[]byte)
		body, err := memory.RequestFrom(req.Context()).ReadAll(req.Body, *buf, req.ContentLength)
		defer func(read []byte) {
			if cap(read) <= maxPooledBody {
				*buf = read
				r.bodies.Put(buf)
			}
		}(body)
		if isRefusal(err) {
			r.refuse(w, typ, c.signal, err)
			return
		}
		if err != nil {
			code := http.StatusBadRequest
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				code = http.StatusRequestEntityTooLarge
				err = tooLarge(large.Limit)
			}
			r.malformed(Source, c.signal, err)
			writeError(w, typ, code, codes.InvalidArgument, err.Error())
			return
		}
		if typ == jsonType {
			if err := roomToDecode(req.Context(), c.signal, body, true); err != nil {
				r.refuse(w, typ, c.signal, err)
				return
			}
			// Texts of the decoded request may be views.
			body = bytes.Clone(body)
		}
		resp, err := c.handle(req.Context(), body, typ == jsonType)
		var bad *malformedError
		if errors.As(err, &bad) {
			r.malformed(Source, c.signal, bad.err)
			writeError(w, typ, http.StatusBadRequest, codes.InvalidArgument, fmt.Sprintf("body is not an OTLP %s request: %s", c.signal, bad.err))
			return
		}
		if errors.Is(err, memory.ErrTooLarge) {
			r.refuse(w, typ, c.signal, err)
			return
		}
		if err != nil {
			s, _ := status.FromError(asStatus(err))
			writeError(w, typ, httpCode(s.Code()), s.Code(), s.Message())
			return
		}
		writeMessage(w, typ, resp)
	})
}

// maxPooledBody is the largest body whose memory is used again.
const maxPooledBody = 8 << 20

// malformedError is when a request cannot be decoded.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return e.err.Error() }

// safely turns a panic of a decoder on hostile input into an error.
func safely(read decode, body []byte) (export func(context.Context) error, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode: %v", p)
		}
	}()
	return read(body)
}

// undecompressed answers a request whose encoding is unknown or broken, before
// it reaches its handler.
func (r *otlpReceiver) undecompressed(w http.ResponseWriter, req *http.Request, text string, code int) {
	cfg := r.cfg.Protocols.HTTP.Get()
	for signal, path := range map[model.Signal]string{model.Traces: string(cfg.TracesURLPath), model.Metrics: string(cfg.MetricsURLPath), model.Logs: string(cfg.LogsURLPath)} {
		if req.URL.Path == path {
			r.malformed(Source, signal, errors.New(text))
		}
	}
	writeError(w, responseType(req), code, codes.InvalidArgument, text)
}

// responseType answers in the type of the request, protobuf when it has none.
func responseType(req *http.Request) string {
	if typ, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type")); typ == jsonType {
		return jsonType
	}
	return protoType
}

func httpCode(c codes.Code) int {
	switch c {
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Aborted:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func writeMessage(w http.ResponseWriter, typ string, m message) {
	marshal := m.MarshalProto
	if typ == jsonType {
		marshal = m.MarshalJSON
	}
	body, err := marshal()
	if err != nil {
		writeError(w, typ, http.StatusInternalServerError, codes.Internal, err.Error())
		return
	}
	w.Header().Set("Content-Type", typ)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
}

func writeError(w http.ResponseWriter, typ string, httpStatus int, code codes.Code, text string) {
	s := &spb.Status{Code: int32(code), Message: text}
	var body []byte
	var err error
	if typ == jsonType {
		body, err = protojson.Marshal(s)
	} else {
		body, err = proto.Marshal(s)
	}
	if err != nil {
		httpStatus, body = http.StatusInternalServerError, nil
	}
	if httpStatus == http.StatusServiceUnavailable || httpStatus == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("Content-Type", typ)
	w.WriteHeader(httpStatus)
	_, _ = w.Write(body)
}
