package main

import (
	"strings"
	"testing"
	"time"
)

func TestDialects(t *testing.T) {
	set := &dataSet{
		logs:  []logRow{{service: "a", trace: strings.Repeat("1", 32), span: "2222222222222222"}},
		spans: []spanRow{{service: "a", name: "GET", trace: strings.Repeat("1", 32), span: "2222222222222222", duration: 5_000_000}},
	}
	asked := map[string]map[string]string{} // dialect, question → address
	for name := range dialects {
		d, err := dialectOf(name)
		if err != nil {
			t.Fatal(err)
		}
		asked[name] = map[string]string{}
		for _, q := range queries(set, options{logs: 1000, spans: 1000, samples: 1000, series: 10, batch: 100}) {
			if address, ok := d.address("http://x/", q); ok {
				asked[name][q.name] = address
			}
		}
		if len(asked[name]) == 0 {
			t.Errorf("%s is asked nothing", name)
		}
	}
	for name := range asked { // what another server is asked, Hinomi answers
		for q := range asked[name] {
			if asked[own][q] == "" {
				t.Errorf("%s is asked %q, Hinomi is not", name, q)
			}
		}
	}
	for _, c := range []struct{ dialect, question, prefix string }{
		{own, "log: trace id", "http://x/loki/api/v1/query_range?"},
		{own, "trace: by id", "http://x/tempo/api/traces/"},
		{own, "jaeger: by id", "http://x/jaeger/api/traces/"},
		{own, "promql: topk", "http://x/api/v1/query?"},
		{"loki", "log: count by level", "http://x/loki/api/v1/query?"},
		{"tempo", "trace: errors", "http://x/api/search?"},
		{"jaeger", "jaeger: errors", "http://x/api/traces?"},
		{"prometheus", "promql: topk", "http://x/api/v1/query?"},
		{"victorialogs", "log: count by level", "http://x/select/logsql/query?"},
	} {
		if got := asked[c.dialect][c.question]; !strings.HasPrefix(got, c.prefix) {
			t.Errorf("%s is asked %q at %q", c.dialect, c.question, got)
		}
	}
	if _, ok := asked["jaeger"]["trace: errors"]; ok {
		t.Error("Jaeger is asked TraceQL")
	}
	if _, err := dialectOf("graphite"); err == nil || !strings.Contains(err.Error(), "hinomi, jaeger, loki") {
		t.Errorf("an unknown dialect: %v", err)
	}
}

func TestSlowest(t *testing.T) {
	set := &dataSet{}
	for i, us := range []int64{50, 40, 40, 30, 20} {
		set.spans = append(set.spans, spanRow{service: "a", trace: string(rune('a' + i)), duration: us * 1000})
	}
	set.spans = append(set.spans, spanRow{service: "b", trace: "f", duration: 1e9})
	for _, c := range []struct{ spans, traces, want int }{
		{6, 1, 45}, {6, 2, 45}, {6, 3, 35}, {6, 4, 25}, {6, 9, 10},
		{12, 3, 45}, // each is there twice
		{60, 3, 45}, // too many even of the slowest
		{2, 9, 20},  // only the first were sent
	} {
		if got := slowest(set, c.spans, "a", c.traces); got != time.Duration(c.want)*time.Microsecond {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// The question for a request's id has to know what the load drew.
func TestSpanDrawsOf(t *testing.T) {
	rng := spanRand(3)
	for n := range 5 {
		if want, got := drawSpan(rng), spanDrawsOf(30+n, 10); got != want {
			t.Errorf("span %d: %+v, not %+v", 30+n, got, want)
		}
	}
}
