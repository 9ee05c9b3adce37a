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

type query struct {
	name string
	url  func(base string) string
}

type answer struct {
	hits     string
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
		return query{name, func(base string) string { return base + "/loki/api/v1/query_range?" + param(args...) }}
	}
	// One point at the end of the range, over all of it.
	seconds := fmt.Sprintf("[%ds]", (to-from)/1e9+1)
	count := func(name, q string) query {
		return query{name, func(base string) string {
			return base + "/loki/api/v1/query?" + param("query", fmt.Sprintf(q, seconds), "time", strconv.FormatInt(to, 10))
		}}
	}
	traceID := hex.EncodeToString([]byte(freshID(set.spans[len(set.spans)/2].trace, 0)[:16]))
	// A word that one line in thousands has, and its span id.
	rare := set.logs[len(set.logs)/3]
	logTrace := hex.EncodeToString([]byte(freshID(set.logs[len(set.logs)/2].trace, 0)[:16]))
	search := func(name, q string) query {
		return query{name, func(base string) string {
			return base + "/tempo/api/search?" + param("q", q, "limit", "20", "start", strconv.FormatInt(from/1e9, 10), "end", strconv.FormatInt(to/1e9+1, 10))
		}}
	}
	prom := func(name, q string) query {
		return query{name, func(base string) string {
			return base + "/api/v1/query?" + param("query", q, "time", strconv.FormatInt(began/1e9+30, 10))
		}}
	}
	service := set.logs[0].service
	var list []query
	if o.logs > 0 {
		all := `{service_name=~".+"}`
		list = append(list,
			loki("log: needle token", all+` |= "`+rare.span+`"`),
			loki("log: token that is nowhere", all+` |= "`+strings.Repeat("0123456789abcdef", 2)+`"`),
			loki("log: trace id", all+` | trace_id="`+logTrace+`"`),
			loki("log: attribute of many values = value", all+` | client_address="10.1.2.3"`),
			loki("log: last 100 of a service", `{service_name="`+service+`"}`, "limit", "100"),
			count("log: count by service", `sum by (service_name) (count_over_time({service_name=~".+"}%s))`),
			count("log: count by level", `sum by (detected_level) (count_over_time({service_name=~".+"}%s))`),
			loki("log: count by level over time", `sum by (detected_level) (count_over_time(`+all+`[1m]))`, "step", "60"),
			count("log: phrase count", `sum(count_over_time({service_name=~".+"} |= "order" %s))`),
			count("log: regex count", `sum(count_over_time({service_name=~".+"} |~ "order.*id" %s))`),
			count("log: negative filter count", `sum(count_over_time({service_name=~".+"} != "Success" %s))`),
			count("log: substring over everything", `sum(count_over_time({service_name=~".+"} |= "a" %s))`),
			count("log: attribute = value", `sum(count_over_time({service_name=~".+"} | http_response_status_code="300" %s))`),
			count("log: top-N of an attribute", `topk(5, sum by (http_route) (count_over_time({service_name=~".+"} %s)))`),
			loki("log: errors per service per minute", `sum by (service_name) (count_over_time({service_name=~".+"} | detected_level="error" [1m]))`, "step", "60"),
		)
	}
	if o.spans > 0 {
		list = append(list,
			query{"trace: by id", func(base string) string { return base + "/tempo/api/traces/" + traceID }},
			search("trace: service and duration", `{ resource.service.name = "`+set.spans[0].service+`" && duration > 100ms }`),
			search("trace: attribute = value", `{ span.http.response.status_code = 500 }`),
			search("trace: errors", `{ status = error }`),
			search("trace: service and operation", `{ resource.service.name = "`+set.spans[0].service+`" && name = "`+set.spans[0].name+`" }`),
		)
	}
	if o.samples > 0 {
		list = append(list, prom("promql: count of all", `count({job="bench"})`), prom("promql: sum by instance", `sum by (instance) ({__name__="bench_metric_7_total"})`))
	}
	return list
}

func ask(ctx context.Context, srv *server, q query, rounds int) (answer, error) {
	var times []float64
	var body []byte
	for range rounds + 1 {
		start := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.url(srv.base), nil)
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
	return answer{hits: hits(body), p50: times[len(times)/2], p99: times[len(times)*99/100]}, nil
}

// hits summarises an answer so that two systems' answers can be compared.
func hits(body []byte) string {
	var a struct {
		Data struct {
			Result []struct {
				Value  []any
				Values [][]any
			}
		}
		Traces  []any
		Batches []any
	}
	if json.Unmarshal(body, &a) != nil {
		return "?"
	}
	switch {
	case a.Traces != nil:
		return fmt.Sprintf("%d traces", len(a.Traces))
	case a.Batches != nil:
		return fmt.Sprintf("%d batches", len(a.Batches))
	}
	rows, sum := 0, 0.0
	for _, r := range a.Data.Result {
		rows += len(r.Values)
		if len(r.Value) == 2 {
			if text, ok := r.Value[1].(string); ok {
				v, _ := strconv.ParseFloat(text, 64)
				sum += v
			}
		}
	}
	if sum > 0 {
		return fmt.Sprintf("%d series, sum %.0f", len(a.Data.Result), sum)
	}
	return fmt.Sprintf("%d series, %d rows", len(a.Data.Result), rows)
}
