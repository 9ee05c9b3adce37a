package tempo

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hinomi/internal/api/apierr"
	"hinomi/internal/query/traceql"
	"hinomi/internal/store"
)

// rootMissing is what Tempo shows for a trace whose root span is not there.
const rootMissing = "<root span not yet received>"

type searchResponse struct {
	Traces  []traceMeta   `json:"traces"`
	Metrics searchMetrics `json:"metrics"`
}

type searchMetrics struct {
	InspectedTraces int    `json:"inspectedTraces,omitempty"`
	InspectedBytes  string `json:"inspectedBytes,omitempty"`
	InspectedSpans  string `json:"inspectedSpans,omitempty"`
	TotalBlocks     int    `json:"totalBlocks,omitempty"`
	CompletedJobs   int    `json:"completedJobs,omitempty"`
	TotalJobs       int    `json:"totalJobs,omitempty"`

	inspectedBytes, inspectedSpans uint64
}

// done says that the one job there is was completed, or was not.
func (s searchMetrics) done(partial bool) searchMetrics {
	s.TotalJobs, s.CompletedJobs = 1, 1
	if partial {
		s.CompletedJobs = 0
	}
	return s
}

type traceMeta struct {
	TraceID         string                  `json:"traceID"`
	RootServiceName string                  `json:"rootServiceName,omitempty"`
	RootTraceName   string                  `json:"rootTraceName,omitempty"`
	Start           string                  `json:"startTimeUnixNano"`
	DurationMs      int64                   `json:"durationMs,omitempty"`
	SpanSet         *spanSet                `json:"spanSet,omitempty"`
	SpanSets        []spanSet               `json:"spanSets,omitempty"`
	ServiceStats    map[string]serviceStats `json:"serviceStats,omitempty"`
}

type serviceStats struct {
	SpanCount  int `json:"spanCount,omitempty"`
	ErrorCount int `json:"errorCount,omitempty"`
}

type spanSet struct {
	Spans      []foundSpan `json:"spans"`
	Matched    int         `json:"matched"`
	Attributes []attribute `json:"attributes,omitempty"`
}

type foundSpan struct {
	SpanID     string      `json:"spanID"`
	Name       string      `json:"name,omitempty"`
	Start      string      `json:"startTimeUnixNano"`
	Duration   string      `json:"durationNanos"`
	Attributes []attribute `json:"attributes,omitempty"`
}

type attribute struct {
	Key   string `json:"key"`
	Value object `json:"value"`
}

func attributeOf(n traceql.Named) attribute {
	a := attribute{Key: n.Name}
	switch v := n.Val; v.Type {
	case traceql.TypeInt:
		a.Value = object{"intValue": strconv.FormatInt(v.Int, 10)}
	case traceql.TypeFloat:
		a.Value = object{"doubleValue": jsonFloat(v.Flt)}
	case traceql.TypeBool:
		a.Value = object{"boolValue": v.Int != 0}
	case traceql.TypeArray:
		a.Value = object{"arrayValue": object{"values": elementsOf(v)}}
	default:
		a.Value = object{"stringValue": v.Text()}
	}
	return a
}

func elementsOf(v traceql.Static) []object {
	out := []object{}
	for _, e := range v.Elements() {
		out = append(out, attributeOf(traceql.Named{Val: e}).Value)
	}
	return out
}

func attributesOf(list []traceql.Named) []attribute {
	var out []attribute
	for _, n := range list {
		out = append(out, attributeOf(n))
	}
	return out
}

func (a *API) search(w http.ResponseWriter, r *http.Request) error {
	req, err := a.searchRequest(r)
	if err != nil {
		return err
	}
	res, err := a.o.Engine.Search(r.Context(), a.o.Scope(r), req)
	if err != nil {
		return searchError(err)
	}
	metrics := searchMetricsOf(res)
	if wantsProtobuf(r) {
		return writeProto(w, searchWire(res.Traces, metrics))
	}
	out := searchResponse{Traces: []traceMeta{}, Metrics: metrics}
	for _, f := range res.Traces {
		out.Traces = append(out.Traces, meta(f))
	}
	return writeJSON(w, out)
}

// searchError introduces what is wrong with a query.
func searchError(err error) error {
	var pe *traceql.ParseError
	if errors.As(err, &pe) {
		return fmt.Errorf("invalid TraceQL query: %w", err)
	}
	return err
}

func searchMetricsOf(res traceql.Result) searchMetrics {
	m := metricsOf(res.Stats).done(res.Partial)
	m.InspectedTraces = res.Inspected
	return m
}

func metricsOf(s store.ScanStats) searchMetrics {
	return searchMetrics{
		inspectedBytes: uint64(s.BytesScanned), inspectedSpans: uint64(s.RowsScanned),
		InspectedBytes: strconv.FormatInt(s.BytesScanned, 10), InspectedSpans: strconv.FormatInt(s.RowsScanned, 10),
		TotalBlocks: s.Segments,
	}
}

func meta(f traceql.Found) traceMeta {
	m := traceMeta{
		TraceID: f.TraceID, RootServiceName: f.RootService, RootTraceName: f.RootName,
		Start: strconv.FormatInt(f.Start, 10), DurationMs: f.Duration / int64(time.Millisecond), ServiceStats: map[string]serviceStats{},
	}
	if f.RootName == "" && f.RootService == "" {
		m.RootServiceName = rootMissing
	}
	for name, s := range f.ServiceStats {
		m.ServiceStats[name] = serviceStats{s.Spans, s.Errors}
	}
	for _, set := range f.Sets {
		s := spanSet{Matched: set.Matched, Attributes: attributesOf(set.Attrs), Spans: []foundSpan{}}
		for _, sp := range set.Spans {
			s.Spans = append(s.Spans, foundSpan{
				SpanID: sp.ID, Name: sp.Name, Start: strconv.FormatInt(sp.Start, 10),
				Duration: strconv.FormatInt(sp.Duration, 10), Attributes: attributesOf(sp.Attrs),
			})
		}
		m.SpanSets = append(m.SpanSets, s)
	}
	if len(m.SpanSets) > 0 {
		m.SpanSet = &m.SpanSets[0]
	}
	return m
}

// searchRequest reads q, or the older tags, and the limits.
func (a *API) searchRequest(r *http.Request) (traceql.Request, error) {
	q := r.URL.Query()
	req := traceql.Request{Query: q.Get("q")}
	var err error
	if req.Start, req.End, err = a.bounds(r); err != nil {
		return req, err
	}
	for name, dst := range map[string]*int{"limit": &req.Limit, "spss": &req.Spss} {
		if s := q.Get(name); s != "" {
			if *dst, err = strconv.Atoi(s); err != nil || *dst <= 0 {
				return req, apierr.BadRequest("invalid %s: must be a positive number", name)
			}
		}
	}
	for name, dst := range map[string]*time.Duration{"minDuration": &req.MinDuration, "maxDuration": &req.MaxDuration} {
		if s := q.Get(name); s != "" {
			if *dst, err = time.ParseDuration(s); err != nil || *dst < 0 {
				return req, apierr.BadRequest("invalid %s %q: write a duration such as 100ms", name, s)
			}
		}
	}
	if req.MaxDuration > 0 && req.MaxDuration < req.MinDuration {
		return req, apierr.BadRequest("invalid maxDuration: must be greater than minDuration")
	}
	if req.Query != "" && q.Get("tags") != "" {
		return req, apierr.BadRequest("invalid request: can't specify tags and q in the same query")
	}
	if req.Query == "" {
		req.Query, err = tagsQuery(q)
	}
	return req, err
}

// searchParams are the parameters that are no tags.
var searchParams = []string{"q", "tags", "minDuration", "maxDuration", "limit", "spss", "start", "end"}

var tagPair = regexp.MustCompile(`^\s*([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)`)

// tagsQuery turns tags=service.name=cart http.status_code=500 into TraceQL. As
// in Tempo text matches when it contains the value.
func tagsQuery(q url.Values) (string, error) {
	var conds []string
	if !q.Has("tags") && !q.Has("start") && !q.Has("end") {
		// The oldest clients send each tag as a parameter.
		for _, k := range slices.Sorted(maps.Keys(q)) {
			if v := q.Get(k); v != "" && !slices.Contains(searchParams, k) {
				conds = append(conds, tagCondition(k, v))
			}
		}
	}
	rest := q.Get("tags")
	for strings.TrimSpace(rest) != "" {
		m := tagPair.FindStringSubmatch(rest)
		if m == nil {
			return "", apierr.BadRequest("invalid tags %q: write key=value pairs with spaces between", q.Get("tags"))
		}
		rest = rest[len(m[0]):]
		val := m[2]
		if u, err := strconv.Unquote(val); err == nil {
			val = u
		}
		conds = append(conds, tagCondition(m[1], val))
	}
	return joinConditions(conds), nil
}

// tagsMapQuery is tagsQuery of the tags in a gRPC request.
func tagsMapQuery(tags map[string]string) string {
	var conds []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		conds = append(conds, tagCondition(k, tags[k]))
	}
	return joinConditions(conds)
}

func joinConditions(conds []string) string {
	if len(conds) == 0 {
		return "{ }"
	}
	parts := make([]string, len(conds))
	for i, c := range conds {
		parts[i] = "{ " + c + " }"
	}
	return strings.Join(parts, " && ")
}

func tagCondition(key, val string) string {
	re := strconv.Quote("(?is).*" + regexp.QuoteMeta(val) + ".*")
	switch key {
	case "error":
		if val == "true" {
			return "status = error"
		}
		return "status != error"
	case "status.code", "status":
		switch val {
		case "error", "ok", "unset":
			return "status = " + val
		}
	case "name":
		return "name =~ " + re
	case "root.name":
		return "rootName =~ " + re
	case "root.service.name":
		return "rootServiceName =~ " + re
	}
	attr := "." + strconv.Quote(key)
	cond := attr + " =~ " + re
	if f, err := strconv.ParseFloat(val, 64); err == nil {
		cond += fmt.Sprintf(" || %s = %s", attr, strconv.FormatFloat(f, 'f', -1, 64))
	}
	if b, err := strconv.ParseBool(val); err == nil {
		cond += fmt.Sprintf(" || %s = %v", attr, b)
	}
	return cond
}
