package loki

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/golang/snappy"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/api/apierr"
	"hinomi/internal/memory"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// sourcePush names this door in the ledger.
const sourcePush = "loki_push"

// pushScope marks records of a push: the store takes all resource attributes as
// stream labels because of it.
const pushScope = "loki"

// push takes streams of log lines: protobuf with snappy, or JSON, plain or
// gzipped. It answers 204 when every line is stored durably.
func (a *API) push(w http.ResponseWriter, r *http.Request) error {
	compressed := r.Header.Get("Content-Encoding") != "" || r.Header.Get("Content-Type") != "application/json"
	room, err := a.o.Memory.Begin(r.Context(), min(r.ContentLength, a.o.MaxBodyBytes), compressed)
	if err != nil {
		return a.refused(w, err)
	}
	defer room.End()
	b, err := a.decodePush(w, r, room)
	if noMemory(err) {
		return a.refused(w, err)
	}
	if err != nil {
		a.o.Malformed(sourcePush, model.Logs, err)
		return err
	}
	if b.lines == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	res, err := a.o.Write(r.Context(), a.o.Scope(r), sourcePush, b.body, b.ld)
	if store.Retryable(err) {
		w.Header().Set("Retry-After", retryAfter)
	}
	if err != nil {
		return err
	}
	if n := res.RejectedTotal(); n > 0 {
		// Loki answers 400 to a partly refused push as well: clients must not
		// send the same lines again.
		var parts []string
		for reason, count := range res.Rejected {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", count, reason, res.Example[reason]))
		}
		slices.Sort(parts)
		return badRequest(fmt.Errorf("%d of %d lines were refused: %s", n, b.lines, strings.Join(parts, ", ")))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// decodePush reads a push whose lines are not stored yet.
func (a *API) decodePush(w http.ResponseWriter, r *http.Request, room *memory.Request) (*builder, error) {
	body, isJSON, err := a.pushBody(w, r, room)
	if err != nil {
		return nil, err
	}
	if err := room.Grow(decodedBytes(body, isJSON)); err != nil {
		return nil, err
	}
	b := newBuilder(a.o.Now())
	decode := decodeProto
	if isJSON {
		decode = decodeJSON
	}
	if err := decode(body, b); err != nil {
		return nil, badRequest(err)
	}
	if !b.timeless {
		b.body = body
	}
	return b, nil
}

func tooLarge(limit int64) error {
	return &apierr.Error{Code: http.StatusRequestEntityTooLarge, Err: fmt.Errorf("push is larger than %d bytes: send smaller batches", limit)}
}

// pushBody reads and decompresses the request within its limits.
func (a *API) pushBody(w http.ResponseWriter, r *http.Request, room *memory.Request) (body []byte, isJSON bool, err error) {
	if r.ContentLength > a.o.MaxBodyBytes {
		return nil, false, tooLarge(a.o.MaxBodyBytes)
	}
	ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON = ct == "application/json"
	raw, err := readAll(room, http.MaxBytesReader(w, r.Body, a.o.MaxBodyBytes), r.ContentLength, a.o.MaxBodyBytes)
	if err != nil {
		return nil, isJSON, err
	}
	enc := strings.ToLower(r.Header.Get("Content-Encoding"))
	switch {
	case enc == "gzip":
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, isJSON, badRequest(fmt.Errorf("body is not gzip: %w", err))
		}
		body, err = readAll(room, zr, -1, a.o.MaxDecodedBytes)
		return body, isJSON, err
	case !isJSON && (enc == "" || enc == "snappy"):
		n, err := snappy.DecodedLen(raw)
		if err != nil {
			return nil, isJSON, badRequest(fmt.Errorf("body is not snappy: %w", err))
		}
		if int64(n) > a.o.MaxDecodedBytes {
			return nil, isJSON, tooLarge(a.o.MaxDecodedBytes)
		}
		if err := room.Grow(int64(len(raw)) + int64(n)*memory.Spread); err != nil {
			return nil, isJSON, err
		}
		if body, err = snappy.Decode(nil, raw); err != nil {
			return nil, isJSON, badRequest(fmt.Errorf("body is not snappy: %w", err))
		}
		return body, isJSON, nil
	case enc == "" || enc == "identity":
		return raw, isJSON, nil
	}
	return nil, isJSON, &apierr.Error{Code: http.StatusUnsupportedMediaType, Err: fmt.Errorf("Content-Encoding %q is not supported: use gzip, snappy or none", enc)}
}

// readAll reads at most limit bytes; more is an error. length is how many are
// expected, negative when that is unknown.
func readAll(room *memory.Request, r io.Reader, length, limit int64) ([]byte, error) {
	b, err := room.ReadAll(io.LimitReader(r, limit+1), nil, length)
	var mbe *http.MaxBytesError
	switch {
	case errors.As(err, &mbe), int64(len(b)) > limit:
		return nil, tooLarge(limit)
	case noMemory(err):
		return nil, err
	case err != nil:
		return nil, badRequest(fmt.Errorf("read body: %w", err))
	}
	return b, nil
}

// setIDs lets a line with trace_id or span_id metadata be found from its trace.
func setIDs(lr plog.LogRecord, name, value string) {
	switch {
	case (name == "trace_id" || name == "traceID" || name == "traceid") && len(value) == 32:
		var id pcommon.TraceID
		if _, err := hex.Decode(id[:], []byte(value)); err == nil {
			lr.SetTraceID(id)
		}
	case (name == "span_id" || name == "spanID" || name == "spanid") && len(value) == 16:
		var id pcommon.SpanID
		if _, err := hex.Decode(id[:], []byte(value)); err == nil {
			lr.SetSpanID(id)
		}
	}
}
