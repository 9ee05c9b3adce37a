package jaeger

import (
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"hinomi/internal/api/apierr"
	"hinomi/internal/query/traceql"
)

// Defaults of a search: Jaeger's, and an hour when nothing bounds the time.
const (
	defaultLimit    = 100
	defaultLookback = time.Hour
)

// query is a search. Everything but the time has to hold on one span.
type query struct {
	service, operation string
	tags               map[string]string
	start, end         time.Time
	min, max           time.Duration
	limit              int
}

// request turns the search into TraceQL.
func (q query) request() traceql.Request {
	var conds []string
	if q.service != "" {
		conds = append(conds, "resource.service.name = "+strconv.Quote(q.service))
	}
	if q.operation != "" {
		conds = append(conds, "name = "+strconv.Quote(q.operation))
	}
	if q.min > 0 {
		conds = append(conds, "duration >= "+q.min.String())
	}
	if q.max > 0 {
		conds = append(conds, "duration <= "+q.max.String())
	}
	for _, k := range slices.Sorted(maps.Keys(q.tags)) {
		conds = append(conds, tagCondition(k, q.tags[k]))
	}
	return traceql.Request{
		Query: "{ " + strings.Join(conds, " && ") + " }", Start: q.start, End: q.end, Limit: min(q.limit, traceql.DefaultMaxLimit), Spss: 1,
	}
}

// tagCondition looks for a tag on the span or its process. Tags are texts, so
// numbers and booleans match by how they are written. Some tags are made by the
// conversion from OpenTelemetry and mean its fields; exceptions lie in events.
func tagCondition(key, val string) string {
	text := strconv.Quote(val)
	switch key {
	case "error":
		switch val {
		case "true":
			return "(status = error || .error = true)"
		case "false":
			return "(status != error && (.error = nil || .error = false))"
		}
	case "span.kind":
		if i := slices.Index(kindNames, val); i > 0 {
			return "kind = " + val
		}
	case "otel.status_code":
		if s := strings.ToLower(val); s == "ok" || s == "error" || s == "unset" {
			return "status = " + s
		}
	case "otel.status_description":
		return "statusMessage = " + text
	case "otel.scope.name", "otel.library.name":
		return "instrumentation:name = " + text
	case "otel.scope.version", "otel.library.version":
		return "instrumentation:version = " + text
	case "event":
		return "event:name = " + text
	}
	attr := "." + quoteName(key)
	if strings.HasPrefix(key, "exception.") {
		attr = "event" + attr
	}
	or := []string{attr + " = " + text}
	if n, err := strconv.ParseInt(val, 10, 64); err == nil && strconv.FormatInt(n, 10) == val && n > math.MinInt64 {
		or = append(or, attr+" = "+val)
	} else if f, err := strconv.ParseFloat(val, 64); err == nil && floatText.MatchString(val) && strconv.FormatFloat(f, 'f', -1, 64) == val {
		or = append(or, attr+" = "+val)
	}
	if val == "true" || val == "false" {
		or = append(or, attr+" = "+val)
	}
	return "(" + strings.Join(or, " || ") + ")"
}

// floatText are the floats that TraceQL writes the same.
var floatText = regexp.MustCompile(`^-?[0-9]+\.[0-9]+$`)

func quoteName(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// parseQuery reads the parameters of the UI's search. Times are microseconds,
// durations texts such as 1.5s.
func (a *API) parseQuery(p url.Values) (query, error) {
	q := query{service: p.Get("service"), operation: p.Get("operation"), limit: defaultLimit}
	var err error
	if q.tags, err = parseTags(p["tag"], p["tags"]); err != nil {
		return q, err
	}
	if q.end, err = microseconds(p, "end", a.o.Now()); err != nil {
		return q, err
	}
	lookback := defaultLookback
	if s := p.Get("lookback"); s != "" && s != "custom" {
		d, err := model.ParseDuration(s)
		if err != nil {
			return q, badParam("lookback", err)
		}
		lookback = time.Duration(d)
	}
	if q.start, err = microseconds(p, "start", q.end.Add(-lookback)); err != nil {
		return q, err
	}
	if s := p.Get("limit"); s != "" {
		if q.limit, err = strconv.Atoi(s); err != nil {
			return q, badParam("limit", err)
		}
		if q.limit <= 0 {
			q.limit = defaultLimit
		}
	}
	for name, dst := range map[string]*time.Duration{"minDuration": &q.min, "maxDuration": &q.max} {
		if s := p.Get(name); s != "" {
			if *dst, err = time.ParseDuration(s); err != nil {
				return q, badParam(name, err)
			}
		}
	}
	if q.min != 0 && q.max != 0 && q.max < q.min {
		return q, apierr.BadRequest("'maxDuration' should be greater than 'minDuration'")
	}
	return q, nil
}

// parseTags reads tag=key:value and tags={"key":"value"}.
func parseTags(simple, objects []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range simple {
		k, v, ok := strings.Cut(s, ":")
		if !ok {
			return nil, apierr.BadRequest("malformed 'tag' parameter, expecting key:value, received: %s", s)
		}
		out[k] = v
	}
	for _, s := range objects {
		var m map[string]string
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			return nil, apierr.BadRequest("malformed 'tags' parameter, cannot unmarshal JSON: %w", err)
		}
		maps.Copy(out, m)
	}
	return out, nil
}

func microseconds(p url.Values, name string, def time.Time) (time.Time, error) {
	s := p.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return def, badParam(name, err)
	}
	if n < 0 || n > math.MaxInt64/1000 {
		return def, apierr.BadRequest("unable to parse param '%s': %d is out of range: give microseconds since 1970", name, n)
	}
	return time.UnixMicro(n), nil
}

func milliseconds(p url.Values, name string, def int64) (int64, error) {
	s := p.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return def, badParam(name, err)
	}
	return n, nil
}

// param reads a parameter by its name or by its older ones.
func param(p url.Values, names ...string) string {
	for _, n := range names {
		if v := p.Get(n); v != "" {
			return v
		}
	}
	return ""
}

// parseQueryV3 reads the parameters of version 3: times in RFC 3339.
func parseQueryV3(p url.Values) (query, error) {
	q := query{
		service: param(p, "query.serviceName", "query.service_name"), operation: param(p, "query.operationName", "query.operation_name"), limit: defaultLimit,
	}
	if s := p.Get("query.attributes"); s != "" {
		if err := json.Unmarshal([]byte(s), &q.tags); err != nil {
			return q, apierr.BadRequest("malformed parameter query.attributes: %w", err)
		}
	}
	times := map[string]*time.Time{"query.startTimeMin": &q.start, "query.startTimeMax": &q.end}
	for name, old := range map[string]string{"query.startTimeMin": "query.start_time_min", "query.startTimeMax": "query.start_time_max"} {
		s := param(p, name, old)
		if s == "" {
			return q, apierr.BadRequest("query.startTimeMin and query.startTimeMax are required")
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return q, apierr.BadRequest("malformed parameter %s: %w", name, err)
		}
		*times[name] = t
	}
	if !q.start.Before(q.end) {
		return q, apierr.BadRequest("query.startTimeMin must be before query.startTimeMax")
	}
	if s := param(p, "query.searchDepth", "query.search_depth", "query.num_traces"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			return q, apierr.BadRequest("malformed parameter query.searchDepth: %w", err)
		}
		if n > 0 {
			q.limit = n
		}
	}
	durations := map[string]*time.Duration{"query.durationMin": &q.min, "query.durationMax": &q.max}
	for name, old := range map[string]string{"query.durationMin": "query.duration_min", "query.durationMax": "query.duration_max"} {
		if s := param(p, name, old); s != "" {
			d, err := time.ParseDuration(s)
			if err != nil {
				return q, apierr.BadRequest("malformed parameter %s: %w", name, err)
			}
			*durations[name] = d
		}
	}
	return q, nil
}
