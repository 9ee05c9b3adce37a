package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"hinomi/test/harness"
)

// TestHostileQueries asks what nobody should, in all three languages: each
// gets an answer that says what is wrong, and the process goes on.
func TestHostileQueries(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	now := time.Now()
	d := door{h, t}
	d.post(200, h.OTLP+"/v1/logs", "application/x-protobuf", marshal(t, plogotlp.NewExportRequestFromLogs(otlpLogs([]string{"line"}, now))))
	d.post(200, h.OTLP+"/v1/traces", "application/x-protobuf", marshal(t, ptraceotlp.NewExportRequestFromTraces(otlpSpans("span", now))))
	seconds := func(at time.Time) string { return fmt.Sprint(at.Unix()) }
	deep := func(n int, open, middle, end string) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(end, n)
	}
	const (
		prom, promRange = "/api/v1/query", "/api/v1/query_range"
		loki, lokiRange = "/loki/api/v1/query", "/loki/api/v1/query_range"
		tempo           = "/tempo/api/search"
	)
	ago, at := seconds(now.Add(-time.Hour)), seconds(now)
	for _, c := range []struct {
		name, path string
		form       url.Values
		code       int
		text       string // a part of the answer
	}{
		{"PromQL syntax", prom, url.Values{"query": {`sum(up{`}}, 400, "1:8"},
		{"PromQL 10,000 parentheses", prom, url.Values{"query": {deep(10_000, "(", "up", ")")}}, 400, "1:4001"},
		{"PromQL 4 MB of parentheses", prom, url.Values{"query": {deep(60_000, "(", "up", ")")}}, 400, ""},
		{"PromQL 9 MB of minus", prom, url.Values{"query": {deep(9_000_000, "-", "1", "")}}, 400, ""},
		{"PromQL 4 MB of calls", prom, url.Values{"query": {deep(800_000, "abs(", "up", ")")}}, 400, ""},
		{"PromQL 4 MB of sums", promRange, url.Values{"query": {"1" + strings.Repeat("+1", 2_000_000)}, "start": {ago}, "end": {at}, "step": {"60"}}, 400, ""},
		{"PromQL deep in a selector of series", "/api/v1/series", url.Values{"match[]": {deep(60_000, "(", "up", ")")}}, 400, ""},
		{"PromQL deep to format", "/api/v1/format_query", url.Values{"query": {deep(60_000, "(", "up", ")")}}, 400, ""},
		{"PromQL deep to parse", "/api/v1/parse_query", url.Values{"query": {deep(60_000, "(", "up", ")")}}, 400, ""},
		{"PromQL deep exemplars", "/api/v1/query_exemplars", url.Values{"query": {deep(2_000_000, "(", "up", ")")}, "start": {ago}, "end": {at}}, 400, ""},
		{"PromQL regex of 10 kB", prom, url.Values{"query": {`up{job=~"` + strings.Repeat("(a|b)*", 1700) + `"}`}}, 200, ""},
		{"PromQL regex that explodes", prom, url.Values{"query": {`up{job=~"((a{1,100}){1,100}){1,100}"}`}}, 400, ""},
		{"PromQL a billion steps", promRange, url.Values{"query": {"up"}, "start": {"0"}, "end": {at}, "step": {"1"}}, 400, "exceeded maximum resolution"},
		{"PromQL no step", promRange, url.Values{"query": {"up"}, "start": {ago}, "end": {at}, "step": {"0"}}, 400, "step"},
		{"PromQL end before start", promRange, url.Values{"query": {"up"}, "start": {at}, "end": {ago}, "step": {"15"}}, 400, "end"},
		{"PromQL unicode", prom, url.Values{"query": {`{"温度", "部屋\"x"="居間"}`}}, 200, ""},
		{"PromQL huge range", prom, url.Values{"query": {`rate(up[100y])`}}, 200, ""},
		{"PromQL subquery of a year by 1ms", prom, url.Values{"query": {`max_over_time(vector(1)[1y:1ms])`}}, 400, "longer step"},

		{"LogQL syntax", loki, url.Values{"query": {`{a="b"`}}, 400, "line 1, col"},
		{"LogQL 10,000 parentheses", loki, url.Values{"query": {deep(10_000, "(", `rate({a="b"}[5m])`, ")")}}, 400, ""},
		{"LogQL 900 kB of parentheses", lokiRange, url.Values{"query": {deep(450_000, "(", `rate({a="b"}[5m])`, ")")}}, 400, ""},
		{"LogQL 900 kB of sums", loki, url.Values{"query": {"1" + strings.Repeat("+1", 450_000)}}, 400, ""},
		{"LogQL 900 kB of minus", loki, url.Values{"query": {deep(900_000, "-", "1", "")}}, 400, ""},
		{"LogQL many filters", loki, url.Values{"query": {`{service_name="bad"}` + strings.Repeat(`|="x"`, 100_000)}}, 400, ""},
		{"LogQL many label filters", lokiRange, url.Values{"query": {`{service_name="bad"} | (` + strings.Repeat(`a="x" or (`, 50_000) + `a="y"` + strings.Repeat(`)`, 50_001)}}, 400, ""},
		{"LogQL regex of 10 kB", lokiRange, url.Values{"query": {`{service_name=~".+"} |~ "` + strings.Repeat("(a|b)*", 1700) + `"`}}, 200, ""},
		{"LogQL regex that explodes", loki, url.Values{"query": {`{a=~"((a{1,100}){1,100}){1,100}"}`}}, 400, ""},
		{"LogQL bad regex", loki, url.Values{"query": {`{a=~"("}`}}, 400, ""},
		{"LogQL a billion steps", lokiRange, url.Values{"query": {`rate({a="b"}[5m])`}, "start": {"1"}, "end": {at}, "step": {"1"}}, 400, ""},
		{"LogQL unicode label", loki, url.Values{"query": {`{温度="x"}`}}, 400, "col"},
		{"LogQL label of quotes", lokiRange, url.Values{"query": {`{service_name="a\"b\\"}`}}, 200, ""},
		{"LogQL empty", loki, url.Values{"query": {""}}, 400, ""},
		{"LogQL limit", lokiRange, url.Values{"query": {`{a="b"}`}, "limit": {"999999999"}}, 400, "limit"},
		{"LogQL huge range", loki, url.Values{"query": {`sum(rate({service_name="bad"}[100y]))`}}, 200, ""},
		{"LogQL overflowing range", loki, url.Values{"query": {`sum(rate({service_name="bad"}[999999y]))`}}, 400, ""},
		{"LogQL template that never ends", lokiRange, url.Values{"query": {`{service_name="bad"} | line_format "{{ repeat 1000000000 \"x\" }}"`}}, 200, ""},

		{"TraceQL syntax", tempo, url.Values{"q": {`{ .a = `}}, 400, ""},
		{"TraceQL parentheses", tempo, url.Values{"q": {"{" + deep(5_000, "(", `.a = 1`, ")") + "}"}}, 400, ""},
		{"TraceQL negations", tempo, url.Values{"q": {"{" + strings.Repeat("!", 20_000) + "true }"}}, 400, ""},
		{"TraceQL spansets", tempo, url.Values{"q": {deep(5_000, "(", `{ }`, ")")}}, 400, ""},
		{"TraceQL regex of 10 kB", tempo, url.Values{"q": {`{ name =~ "` + strings.Repeat("(a|b)*", 1700) + `" }`}}, 200, ""},
		{"TraceQL regex that explodes", tempo, url.Values{"q": {`{ name =~ "((a{1,100}){1,100}){1,100}" }`}}, 400, ""},
		{"TraceQL unicode", tempo, url.Values{"q": {`{ span."温度 \"x" = "居間" }`}}, 200, ""},
		{"TraceQL bad range", tempo, url.Values{"q": {`{}`}, "start": {at}, "end": {ago}}, 400, "start"},
	} {
		t.Run(c.name, func(t *testing.T) {
			peak := door{h, t}.peak()
			began := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			var code int
			var body []byte
			var err error
			if c.path == tempo {
				code, body, err = fetch(ctx, h.Base+c.path+"?"+c.form.Encode())
			} else {
				code, body, err = h.Post(ctx, h.Base+c.path, "application/x-www-form-urlencoded", []byte(c.form.Encode()))
			}
			if err != nil {
				t.Fatalf("after %s: %v\n%.3000s", time.Since(began), err, tail(h.Log()))
			}
			if code != c.code || !strings.Contains(string(body), c.text) {
				t.Errorf("answered %d, want %d with %q: %.200s", code, c.code, c.text, body)
			}
			if len(body) > 64<<10 {
				t.Errorf("the answer has %d bytes", len(body))
			}
			if p := peak(); p > 600<<20 {
				t.Errorf("used %d MB", p>>20)
			}
			t.Logf("%d in %s: %.160s", code, time.Since(began).Round(time.Millisecond), body)
		})
	}
	long := "/api/v1/query?query=" + strings.Repeat("a", 200<<10)
	if code, _, err := fetch(context.Background(), h.Base+long); err != nil || code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("URL of 200 kB: %d %v", code, err)
	}
	if code, body, err := h.Post(context.Background(), h.Base+loki, "application/x-www-form-urlencoded", []byte("query="+strings.Repeat("a", 40<<20))); err == nil && code/100 != 4 {
		t.Errorf("form of 40 MB: %d %.200s", code, body)
	}
	if code, _ := h.Get("/-/ready"); code != 200 {
		t.Errorf("not ready any more: %d", code)
	}
}

func fetch(ctx context.Context, target string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body := make([]byte, 128<<10)
	n := 0
	for n < len(body) {
		k, err := resp.Body.Read(body[n:])
		n += k
		if err != nil {
			break
		}
	}
	return resp.StatusCode, body[:n], nil
}
