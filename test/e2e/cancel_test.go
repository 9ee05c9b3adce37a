package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"hinomi/test/harness"
)

// TestQueryEndsWithItsClient starts queries that would take long, goes away,
// and watches the process's CPU time come to rest.
func TestQueryEndsWithItsClient(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\nrules: {shipped: false}\nquery: {timeout: 10m}\n").Start()
	d := door{h, t}
	now := time.Now()
	text := strings.Repeat("abcdefghij klmnop ", 50_000)
	for range 4 {
		logs := otlpLogs([]string{text}, now, now, now, now, now, now, now, now, now, now)
		d.post(200, h.OTLP+"/v1/logs", "application/x-protobuf", marshal(t, plogotlp.NewExportRequestFromLogs(logs)))
		spans := otlpSpans("long", now, now, now, now, now, now, now, now, now, now)
		for i := range 10 {
			spans.ResourceSpans().At(0).ScopeSpans().At(i).Spans().At(0).Attributes().PutStr("text", text)
		}
		d.post(200, h.OTLP+"/v1/traces", "application/x-protobuf", marshal(t, ptraceotlp.NewExportRequestFromTraces(spans)))
	}
	var filters, conditions strings.Builder
	for i := range 60 {
		// Without any letter that a match must have: those are looked for first.
		fmt.Fprintf(&filters, " !~ `([a-z]+ )+([a-z]+[0-9]{%d})+`", i+1)
		fmt.Fprintf(&conditions, " && span.text !~ `([a-z]+ )+([a-z]+[0-9]{%d})+`", i+1)
	}
	for name, path := range map[string]string{
		"PromQL":  "/api/v1/query_range?" + url.Values{"query": {"time()" + strings.Repeat("+time()", 1900)}, "start": {fmt.Sprint(now.Unix() - 10_000)}, "end": {fmt.Sprint(now.Unix())}, "step": {"1"}}.Encode(),
		"LogQL":   "/loki/api/v1/query_range?" + url.Values{"query": {`{service_name="bad"}` + filters.String()}}.Encode(),
		"TraceQL": "/tempo/api/search?" + url.Values{"q": {`{ name = "long"` + conditions.String() + ` }`}}.Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			idle(t, h)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			answered := make(chan string, 1)
			go func() {
				code, body, err := fetch(ctx, h.Base+path)
				answered <- fmt.Sprintf("%d %.300s %v", code, body, err)
			}()
			began := cpuTime(t, h.PID())
			harness.Eventually(t, 30*time.Second, "the query at work", func() bool {
				select {
				case answer := <-answered:
					t.Fatalf("answered before its client went away: %s", answer)
				default:
				}
				return cpuTime(t, h.PID())-began > time.Second
			})
			cancel()
			<-answered
			gone := time.Now()
			idle(t, h)
			t.Logf("quiet %s after the client went away", time.Since(gone).Round(10*time.Millisecond))
		})
	}
}

// idle waits until the process uses less than a fifth of one core.
func idle(t *testing.T, h *harness.Hinomi) {
	t.Helper()
	last, at := cpuTime(t, h.PID()), time.Now()
	quiet := 0
	harness.Eventually(t, 20*time.Second, "the process at rest", func() bool {
		if time.Since(at) < 150*time.Millisecond {
			return false
		}
		used, passed := cpuTime(t, h.PID())-last, time.Since(at)
		last, at = last+used, time.Now()
		if quiet++; used > passed/5 {
			quiet = 0
		}
		return quiet >= 2
	})
}

// cpuTime is what a process has used so far; the clock ticks 100 times a second.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
