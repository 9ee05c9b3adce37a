package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is a question with the path at which each API is asked it.
type query struct {
	name  string
	paths map[api]string
	limit int // of rows or traces; 0: everything
}

type answer struct {
	text     string
	p50, p99 float64
}

const (
	logLimit   = 100
	traceLimit = 20
)

func params(kv ...string) string {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v.Encode()
}

// queries are the questions of the table, each in the API that a Grafana or
// Jaeger user would ask through.
func queries(set *dataSet, o options) []query {
	from, to := began, began+int64(max(o.logs, o.spans))*rowNanos+1
	var list []query
	if o.logs > 0 {
		list = append(list, logQueries(set, o, from, to)...)
	}
	if o.spans > 0 {
		list = append(list, spanQueries(set, o, from, to)...)
	}
	if o.samples > 0 {
		list = append(list, sampleQueries(o)...)
	}
	return list
}

// logQueries are questions in LogQL, and the same in LogsQL.
func logQueries(set *dataSet, o options, from, to int64) []query {
	bounds := []string{"start", strconv.FormatInt(from, 10), "end", strconv.FormatInt(to, 10)}
	logsQL := func(q string, extra ...string) string {
		return "/select/logsql/query?" + params(append(append([]string{"query", q}, bounds...), extra...)...)
	}
	lines := func(name, q, victoria string) query {
		limit := []string{"limit", strconv.Itoa(logLimit)}
		return query{name: name, limit: logLimit, paths: map[api]string{
			lokiAPI:   "/loki/api/v1/query_range?" + params(append(append([]string{"query", q}, bounds...), limit...)...),
			logsQLAPI: logsQL(victoria, limit...),
		}}
	}
	over := func(name, q, victoria string) query {
		return query{name: name, paths: map[api]string{
			lokiAPI:   "/loki/api/v1/query_range?" + params(append(append([]string{"query", q}, bounds...), "step", "60")...),
			logsQLAPI: logsQL(victoria),
		}}
	}
	// One point at the end of the range, over all of it.
	seconds := fmt.Sprintf("[%ds]", (to-from)/1e9+1)
	count := func(name, q, victoria string) query {
		return query{name: name, paths: map[api]string{
			lokiAPI:   "/loki/api/v1/query?" + params("query", fmt.Sprintf(q, seconds), "time", strconv.FormatInt(to, 10)),
			logsQLAPI: logsQL(victoria),
		}}
	}
	const all = `{service_name=~".+"}`
	known := min(len(set.logs), o.logs)
	// A word that one line in thousands has: its span id.
	rare := set.logs[known/3].span
	logTrace := hex.EncodeToString([]byte(freshID(set.logs[known/2].trace, 0)[:16]))
	nowhere := strings.Repeat("0123456789abcdef", 2)
	service := set.logs[0].service
	return []query{
		lines("log: needle token", all+` |= "`+rare+`"`, rare),
		lines("log: token that is nowhere", all+` |= "`+nowhere+`"`, nowhere),
		lines("log: trace id", all+` | trace_id="`+logTrace+`"`, "trace_id:="+logTrace),
		lines("log: attribute of many values = value", all+` | client_address="10.1.2.3"`, `client.address:="10.1.2.3"`),
		lines("log: last 100 of a service", `{service_name="`+service+`"}`, `{service.name="`+service+`"}`),
		count("log: count by service", `sum by (service_name) (count_over_time({service_name=~".+"}%s))`, "* | stats by (service.name) count() n"),
		count("log: count by level", `sum by (detected_level) (count_over_time({service_name=~".+"}%s))`, "* | stats by (severity) count() n"),
		over("log: count by level over time", `sum by (detected_level) (count_over_time(`+all+`[1m]))`, "* | stats by (_time:1m, severity) count() n"),
		count("log: phrase count", `sum(count_over_time({service_name=~".+"} |= "order" %s))`, `~"order" | stats count() n`),
		count("log: regex count", `sum(count_over_time({service_name=~".+"} |~ "order.*id" %s))`, `~"order.*id" | stats count() n`),
		count("log: negative filter count", `sum(count_over_time({service_name=~".+"} != "Success" %s))`, `!~"Success" | stats count() n`),
		count("log: substring over everything", `sum(count_over_time({service_name=~".+"} |= "oute" %s))`, `~"oute" | stats count() n`),
		count("log: attribute = value", `sum(count_over_time({service_name=~".+"} | http_response_status_code="300" %s))`, "http.response.status_code:=300 | stats count() n"),
		count("log: count by attribute", `sum by (http_route) (count_over_time({service_name=~".+"} %s))`, "* | stats by (http.route) count() n"),
		over("log: errors per service per minute", `sum by (service_name) (count_over_time({service_name=~".+"} | detected_level="error" [1m]))`, "severity:=ERROR | stats by (_time:1m, service.name) count() n"),
	}
}

// spanQueries are questions in TraceQL, and the like to Jaeger's API, which always
// names a service.
func spanQueries(set *dataSet, o options, from, to int64) []query {
	known := min(len(set.spans), o.spans)
	first, rare := set.spans[0], set.spans[known/3]
	traceID := hex.EncodeToString([]byte(freshID(set.spans[known/2].trace, 0)[:16]))
	// Servers that file a span under its end find it here too.
	for _, s := range set.spans {
		to = max(to, began+int64(o.spans)*rowNanos+s.duration+1)
	}
	slow := fmt.Sprintf("%dus", slowest(set, o.spans, first.service, traceLimit-1).Microseconds())
	requestID := spanDrawsOf(known/3, o.batch).requestID
	search := func(name, q string) query {
		return query{name: "trace: " + name, limit: traceLimit, paths: map[api]string{tempoAPI: "/api/search?" + params("q", q,
			"limit", strconv.Itoa(traceLimit), "start", strconv.FormatInt(from/1e9, 10), "end", strconv.FormatInt(to/1e9+1, 10))}}
	}
	jaeger := func(name, service string, extra ...string) query {
		return query{name: "jaeger: " + name, limit: traceLimit, paths: map[api]string{jaegerAPI: "/api/traces?" + params(append(extra,
			"service", service, "limit", strconv.Itoa(traceLimit), "start", strconv.FormatInt(from/1e3, 10), "end", strconv.FormatInt(to/1e3+1, 10))...)}}
	}
	return []query{
		{name: "trace: by id", paths: map[api]string{tempoAPI: "/api/traces/" + traceID}},
		search("service and duration", `{ resource.service.name = "`+first.service+`" && duration > 100ms }`),
		search("slowest of a service", `{ resource.service.name = "`+first.service+`" && duration >= `+slow+` }`),
		search("attribute = value", `{ span.http.response.status_code = 500 }`),
		search("attribute of many values = value", `{ span.request.id = "`+requestID+`" }`),
		search("errors", `{ status = error }`),
		search("service and operation", `{ resource.service.name = "`+first.service+`" && name = "`+first.name+`" }`),
		{name: "jaeger: by id", paths: map[api]string{jaegerAPI: "/api/traces/" + traceID}},
		jaeger("service and duration", first.service, "minDuration", "100ms"),
		jaeger("slowest of a service", first.service, "minDuration", slow),
		jaeger("attribute = value", first.service, "tags", `{"http.response.status_code":"500"}`),
		jaeger("attribute of many values = value", rare.service, "tags", `{"request.id":"`+requestID+`"}`),
		jaeger("errors", first.service, "tags", `{"error":"true"}`),
		jaeger("service and operation", first.service, "operation", first.name),
	}
}

// slowest is a duration that at most so many traces of the service are longer than,
// so that a search for it can be compared trace by trace. It is whole microseconds
// and none has just it: servers do not agree on whether a bound is included.
func slowest(set *dataSet, spans int, service string, traces int) time.Duration {
	longest := map[string]int64{} // by trace; the same in every repetition
	for _, s := range set.spans[:min(spans, len(set.spans))] {
		if s.service == service {
			longest[s.trace] = max(longest[s.trace], s.duration)
		}
	}
	var all []int64
	for _, d := range longest {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b int64) int { return cmp.Compare(b, a) })
	repetitions := (spans + len(set.spans) - 1) / len(set.spans)
	bound := time.Duration(0)
	for i, d := range append(all, 0)[1:] {
		between := time.Duration(d+all[i]) / 2 / time.Microsecond * time.Microsecond
		if int64(between) <= d {
			continue
		}
		if (i+1)*repetitions > traces && bound != 0 {
			break
		}
		bound = between
	}
	return bound
}

func sampleQueries(o options) []query {
	lastScrape := int64(max(0, o.samples/max(1, o.series)-1)) * scrapeMs
	at := strconv.FormatInt((began/1e6+lastScrape)/1000+1, 10)
	prom := func(name, q string) query {
		return query{name: "promql: " + name, paths: map[api]string{prometheusAPI: "/api/v1/query?" + params("query", q, "time", at)}}
	}
	return []query{
		prom("count of all", `count({job="bench"})`),
		prom("sum by instance", `sum by (instance) (http_requests_total)`),
		prom("rate by route", `sum by (route) (rate(http_requests_total[5m]))`),
		prom("histogram_quantile", `histogram_quantile(0.99, sum by (le, route) (rate(http_request_duration_seconds_bucket[5m])))`),
		prom("error ratio with join", `sum by (instance) (rate(http_requests_total{code=~"5.."}[5m])) / on (instance) sum by (instance) (rate(http_requests_total[5m]))`),
		prom("topk", `topk(10, sum by (instance) (bench_gauge_97))`),
	}
}

func ask(ctx context.Context, srv *server, address string, limit, rounds int) (answer, error) {
	var times []float64
	var body []byte
	for range rounds + 1 {
		start := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return answer{}, err
		}
		resp, err := srv.client.Do(req)
		if err != nil {
			return answer{}, err
		}
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return answer{}, err
		}
		if resp.StatusCode != http.StatusOK {
			return answer{}, fmt.Errorf("%s: %.300s", resp.Status, body)
		}
		times = append(times, float64(time.Since(start).Microseconds())/1000)
	}
	times = times[1:] // The first warms up.
	slices.Sort(times)
	return answer{text: summary(body, limit), p50: times[len(times)/2], p99: times[len(times)*99/100]}, nil
}
