package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is a question with the address at which each kind of server is asked it.
type query struct {
	name     string
	url      func(base string) string
	victoria func(base string) string // of VictoriaLogs; nil: it is not asked
}

type answer struct {
	hits     string  // readable
	value    float64 // the same of every server: lines, or the sum of counts
	p50, p99 float64
}

// queries are the dozen questions of the table, each in the API that a Grafana
// user would ask through.
func queries(set *dataSet, o options) []query {
	from, to := began, began+int64(max(o.logs, o.spans))*100_000+1
	param := func(kv ...string) string {
		v := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v.Encode()
	}
	loki := func(name, q string, extra ...string) query {
		args := append([]string{"query", q, "start", strconv.FormatInt(from, 10), "end", strconv.FormatInt(to, 10)}, extra...)
		return query{name: name, url: func(base string) string { return base + "/loki/api/v1/query_range?" + param(args...) }}
	}
	// One point at the end of the range, over all of it.
	seconds := fmt.Sprintf("[%ds]", (to-from)/1e9+1)
	count := func(name, q string) query {
		return query{name: name, url: func(base string) string {
			return base + "/loki/api/v1/query?" + param("query", fmt.Sprintf(q, seconds), "time", strconv.FormatInt(to, 10))
		}}
	}
	traceID := hex.EncodeToString([]byte(freshID(set.spans[len(set.spans)/2].trace, 0)[:16]))
	// A word that one line in thousands has, and its span id.
	rare := set.logs[len(set.logs)/3]
	logTrace := hex.EncodeToString([]byte(freshID(set.logs[len(set.logs)/2].trace, 0)[:16]))
	// The same question in LogsQL: lines, or counts.
	also := func(q query, logsql string, extra ...string) query {
		q.victoria = func(base string) string {
			args := append([]string{"query", logsql, "start", strconv.FormatInt(from, 10), "end", strconv.FormatInt(to, 10)}, extra...)
			return base + "/select/logsql/query?" + param(args...)
		}
		return q
	}
	search := func(name, q string) query {
		return query{name: name, url: func(base string) string {
			return base + "/tempo/api/search?" + param("q", q, "limit", "20", "start", strconv.FormatInt(from/1e9, 10), "end", strconv.FormatInt(to/1e9+1, 10))
		}}
	}
	lastScrape := int64(max(0, o.samples/max(1, o.series)-1)) * scrapeMs
	prom := func(name, q string) query {
		return query{name: name, url: func(base string) string {
			return base + "/api/v1/query?" + param("query", q, "time", strconv.FormatInt((began/1e6+lastScrape)/1000+1, 10))
		}}
	}
	service := set.logs[0].service
	var list []query
	if o.logs > 0 {
		all := `{service_name=~".+"}`
		lines := []string{"limit", "100"}
		list = append(list,
			also(loki("log: needle token", all+` |= "`+rare.span+`"`, lines...), rare.span, lines...),
			also(loki("log: token that is nowhere", all+` |= "`+strings.Repeat("0123456789abcdef", 2)+`"`, lines...), strings.Repeat("0123456789abcdef", 2), lines...),
			also(loki("log: trace id", all+` | trace_id="`+logTrace+`"`, lines...), "trace_id:="+logTrace, lines...),
			also(loki("log: attribute of many values = value", all+` | client_address="10.1.2.3"`, lines...), `client.address:="10.1.2.3"`, lines...),
			also(loki("log: last 100 of a service", `{service_name="`+service+`"}`, lines...), `{service.name="`+service+`"}`, lines...),
			also(count("log: count by service", `sum by (service_name) (count_over_time({service_name=~".+"}%s))`), "* | stats by (service.name) count() n"),
			also(count("log: count by level", `sum by (detected_level) (count_over_time({service_name=~".+"}%s))`), "* | stats by (severity) count() n"),
			also(loki("log: count by level over time", `sum by (detected_level) (count_over_time(`+all+`[1m]))`, "step", "60"), "* | stats by (_time:1m, severity) count() n"),
			also(count("log: phrase count", `sum(count_over_time({service_name=~".+"} |= "order" %s))`), `~"order" | stats count() n`),
			also(count("log: regex count", `sum(count_over_time({service_name=~".+"} |~ "order.*id" %s))`), `~"order.*id" | stats count() n`),
			also(count("log: negative filter count", `sum(count_over_time({service_name=~".+"} != "Success" %s))`), `!~"Success" | stats count() n`),
			also(count("log: substring over everything", `sum(count_over_time({service_name=~".+"} |= "oute" %s))`), `~"oute" | stats count() n`),
			also(count("log: attribute = value", `sum(count_over_time({service_name=~".+"} | http_response_status_code="300" %s))`), "http.response.status_code:=300 | stats count() n"),
			also(count("log: count by attribute", `sum by (http_route) (count_over_time({service_name=~".+"} %s))`), "* | stats by (http.route) count() n"),
			also(loki("log: errors per service per minute", `sum by (service_name) (count_over_time({service_name=~".+"} | detected_level="error" [1m]))`, "step", "60"),
				"severity:=ERROR | stats by (_time:1m, service.name) count() n"),
		)
	}
	if o.spans > 0 {
		list = append(list,
			query{name: "trace: by id", url: func(base string) string { return base + "/tempo/api/traces/" + traceID }},
			search("trace: service and duration", `{ resource.service.name = "`+set.spans[0].service+`" && duration > 100ms }`),
			search("trace: attribute = value", `{ span.http.response.status_code = 500 }`),
			search("trace: errors", `{ status = error }`),
			search("trace: service and operation", `{ resource.service.name = "`+set.spans[0].service+`" && name = "`+set.spans[0].name+`" }`),
		)
	}
	if o.samples > 0 {
		list = append(list,
			prom("promql: count of all", `count({job="bench"})`),
			prom("promql: sum by instance", `sum by (instance) (http_requests_total)`),
			prom("promql: rate by route", `sum by (route) (rate(http_requests_total[5m]))`),
			prom("promql: histogram_quantile", `histogram_quantile(0.99, sum by (le, route) (rate(http_request_duration_seconds_bucket[5m])))`),
			prom("promql: error ratio with join", `sum by (instance) (rate(http_requests_total{code=~"5.."}[5m])) / on (instance) sum by (instance) (rate(http_requests_total[5m]))`),
			prom("promql: topk", `topk(10, sum by (instance) (bench_gauge_97))`),
		)
	}
	return list
}

func ask(ctx context.Context, srv *server, address string, rounds int) (answer, error) {
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
	a := answer{p50: times[len(times)/2], p99: times[len(times)*99/100]}
	a.hits, a.value = hits(body)
	return a, nil
}

// hits summarises an answer, readable and as one number that another kind of
// server gives too.
func hits(body []byte) (string, float64) {
	var a struct {
		Data struct {
			ResultType string
			Result     []struct {
				Value  []any
				Values [][]any
			}
		}
		Traces  []any
		Batches []any
	}
	if json.Unmarshal(body, &a) != nil || a.Data.ResultType == "" && a.Traces == nil && a.Batches == nil {
		return jsonLines(body)
	}
	switch {
	case a.Traces != nil:
		return fmt.Sprintf("%d traces", len(a.Traces)), float64(len(a.Traces))
	case a.Batches != nil:
		return fmt.Sprintf("%d batches", len(a.Batches)), float64(len(a.Batches))
	}
	rows, sum := 0, 0.0
	number := func(v []any) {
		if len(v) == 2 {
			if text, ok := v[1].(string); ok {
				n, _ := strconv.ParseFloat(text, 64)
				sum += n
			}
		}
	}
	for _, r := range a.Data.Result {
		rows += len(r.Values)
		number(r.Value)
		if a.Data.ResultType == "matrix" {
			for _, v := range r.Values {
				number(v)
			}
		}
	}
	if a.Data.ResultType == "streams" {
		return fmt.Sprintf("%d rows", rows), float64(rows)
	}
	return fmt.Sprintf("%d series, sum %.0f", len(a.Data.Result), sum), sum
}

// jsonLines summarises VictoriaLogs' answers: one object a line, with counts in
// the field n where there are any.
func jsonLines(body []byte) (string, float64) {
	if !strings.HasPrefix(string(body), "{\"") && len(body) > 0 {
		return "?", -1
	}
	rows, sum, counts := 0, 0.0, false
	for line := range strings.Lines(string(body)) {
		var row map[string]string
		if json.Unmarshal([]byte(line), &row) != nil {
			return "?", -1
		}
		rows++
		if n, ok := row["n"]; ok {
			v, _ := strconv.ParseFloat(n, 64)
			sum, counts = sum+v, true
		}
	}
	if counts {
		return fmt.Sprintf("%d series, sum %.0f", rows, sum), sum
	}
	return fmt.Sprintf("%d rows", rows), float64(rows)
}
