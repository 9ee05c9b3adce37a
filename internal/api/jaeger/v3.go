package jaeger

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/api/apierr"
)

func (a *API) searchV3(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQueryV3(r.URL.Query())
	if err != nil {
		return err
	}
	list, _, err := a.find(r.Context(), a.o.Scope(r), q)
	if err != nil {
		return err
	}
	return writeTraces(w, list)
}

func (a *API) traceV3(w http.ResponseWriter, r *http.Request) error {
	id, err := traceID(r.PathValue("id"))
	if err != nil {
		return apierr.BadRequest("malformed parameter trace_id: %w", err)
	}
	p := r.URL.Query()
	var bounds [2]int64
	for i, names := range [][2]string{{"startTime", "start_time"}, {"endTime", "end_time"}} {
		s := param(p, names[0], names[1])
		if s == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return apierr.BadRequest("malformed parameter %s: %w", names[0], err)
		}
		bounds[i] = t.UnixNano()
	}
	if bounds[0] == 0 || bounds[1] == 0 {
		bounds = [2]int64{} // half a range bounds nothing
	} else {
		bounds[0] -= int64(around)
		bounds[1] += int64(around)
	}
	td, _, err := a.o.Store.Trace(r.Context(), a.o.Scope(r), id, bounds[0], bounds[1])
	if err != nil {
		return err
	}
	return writeTraces(w, []ptrace.Traces{td})
}

// writeTraces answers one chunk of the stream that the gRPC gateway makes:
// {"result": OTLP's TracesData}.
func writeTraces(w http.ResponseWriter, list []ptrace.Traces) error {
	if len(list) == 0 {
		return &apierr.Error{Code: http.StatusNotFound, Err: errors.New("No traces found")} //nolint:staticcheck // clients know the text
	}
	all := ptrace.NewTraces()
	for _, td := range list {
		td.ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
	}
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(all)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]json.RawMessage{"result": text})
	return nil
}

// summary is what the newest UI lists of a found trace.
type summary struct {
	TraceID   string           `json:"traceId"`
	Service   string           `json:"rootServiceName,omitempty"`
	Operation string           `json:"rootOperationName,omitempty"`
	Start     string           `json:"minStartTimeUnixNano,omitempty"`
	End       string           `json:"maxEndTimeUnixNano,omitempty"`
	Spans     int              `json:"spanCount,omitempty"`
	Errors    int              `json:"errorSpanCount,omitempty"`
	Orphans   int              `json:"orphanSpanCount,omitempty"`
	Services  []serviceSummary `json:"services,omitempty"`
}

type serviceSummary struct {
	Name   string `json:"name,omitempty"`
	Spans  int    `json:"spanCount,omitempty"`
	Errors int    `json:"errorSpanCount,omitempty"`
}

func (a *API) summariesV3(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQueryV3(r.URL.Query())
	if err != nil {
		return err
	}
	list, _, err := a.find(r.Context(), a.o.Scope(r), q)
	if err != nil {
		return err
	}
	out := make([]summary, len(list))
	for i, td := range list {
		out[i] = summarize(td)
	}
	writeJSON(w, http.StatusOK, map[string]any{"summaries": out})
	return nil
}

// eachSpan walks the spans with the names of their services.
func eachSpan(td ptrace.Traces, fn func(service string, sp ptrace.Span)) {
	for _, rs := range td.ResourceSpans().All() {
		service := ""
		if v, ok := rs.Resource().Attributes().Get("service.name"); ok {
			service = v.AsString()
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				fn(service, sp)
			}
		}
	}
}

func summarize(td ptrace.Traces) summary {
	ids := map[pcommon.SpanID]bool{}
	eachSpan(td, func(_ string, sp ptrace.Span) { ids[sp.SpanID()] = true })
	var s summary
	services := map[string]*serviceSummary{}
	var start, end, root pcommon.Timestamp
	eachSpan(td, func(service string, sp ptrace.Span) {
		st := services[service]
		if st == nil {
			st = &serviceSummary{Name: service}
			services[service] = st
		}
		s.Spans++
		st.Spans++
		if sp.Status().Code() == ptrace.StatusCodeError {
			s.Errors++
			st.Errors++
		}
		if s.Spans == 1 || sp.StartTimestamp() < start {
			start = sp.StartTimestamp()
		}
		end = max(end, sp.EndTimestamp())
		id := sp.TraceID()
		s.TraceID = hex.EncodeToString(id[:])
		switch parent := sp.ParentSpanID(); {
		case parent.IsEmpty() && (root == 0 || sp.StartTimestamp() < root):
			s.Service, s.Operation, root = service, sp.Name(), sp.StartTimestamp()
		case !parent.IsEmpty() && !ids[parent]:
			s.Orphans++
		}
	})
	s.Start, s.End = strconv.FormatUint(uint64(start), 10), strconv.FormatUint(uint64(end), 10)
	for _, st := range services {
		s.Services = append(s.Services, *st)
	}
	slices.SortFunc(s.Services, func(a, b serviceSummary) int { return cmp.Compare(a.Name, b.Name) })
	return s
}
