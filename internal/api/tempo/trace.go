package tempo

import (
	"encoding/hex"
	"net/http"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/api/apierr"
	"hinomi/internal/store"
)

const protobufType = "application/protobuf"

// traceID reads up to 32 hex digits; leading zeros may be missing.
func traceID(s string) (id [16]byte, err error) {
	if s == "" || len(s) > 32 {
		return id, apierr.BadRequest("trace IDs have 1 to 32 hex characters, got %q", s)
	}
	b, err := hex.DecodeString(strings.Repeat("0", 32-len(s)) + s)
	if err != nil {
		return id, apierr.BadRequest("trace IDs can only contain hex characters: %q", s)
	}
	copy(id[:], b)
	return id, nil
}

// fetch reads the trace that the request names.
func (a *API) fetch(r *http.Request) (ptrace.Traces, store.ScanStats, error) {
	id, err := traceID(r.PathValue("id"))
	if err != nil {
		return ptrace.Traces{}, store.ScanStats{}, err
	}
	var from, to int64
	if q := r.URL.Query(); q.Get("start") != "" || q.Get("end") != "" {
		start, end, err := a.bounds(r)
		if err != nil {
			return ptrace.Traces{}, store.ScanStats{}, err
		}
		// The times are where the caller saw spans of the trace; others may lie
		// around them.
		from, to = start.Add(-defaultSince).UnixNano(), end.Add(defaultSince).UnixNano()
	}
	return a.o.Store.Trace(r.Context(), a.o.Scope(r), id, from, to)
}

func wantsProtobuf(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), protobufType)
}

// traceV1 answers the trace as Tempo's Trace message: in protobuf the same as
// OTLP's TracesData, in JSON with "batches".
func (a *API) traceV1(w http.ResponseWriter, r *http.Request) error {
	td, _, err := a.fetch(r)
	if err != nil {
		return err
	}
	if wantsProtobuf(r) {
		b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		if err != nil {
			return err
		}
		return writeProto(w, b)
	}
	return writeJSON(w, map[string]any{"batches": resourceSpans(td)})
}

// traceV2 answers TraceByIDResponse: the trace, metrics and, when something of
// it could not be read, that it is partial.
func (a *API) traceV2(w http.ResponseWriter, r *http.Request) error {
	td, stats, err := a.fetch(r)
	if err != nil {
		return err
	}
	const partial = "some damaged parts of the store could not be read: spans may be missing"
	if wantsProtobuf(r) {
		b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		if err != nil {
			return err
		}
		out := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
		out = protowire.AppendBytes(protowire.AppendTag(out, 2, protowire.BytesType), nil)
		if stats.Incomplete() {
			out = protowire.AppendVarint(protowire.AppendTag(out, 3, protowire.VarintType), 1)
			out = protowire.AppendString(protowire.AppendTag(out, 4, protowire.BytesType), partial)
		}
		return writeProto(w, out)
	}
	res := map[string]any{"trace": map[string]any{"resourceSpans": resourceSpans(td)}, "metrics": map[string]any{}}
	if stats.Incomplete() {
		res["status"], res["message"] = "PARTIAL", partial
	}
	return writeJSON(w, res)
}

func writeProto(w http.ResponseWriter, b []byte) error {
	w.Header().Set("Content-Type", protobufType)
	_, err := w.Write(b)
	return err
}
