// Package e2e proves promises with the real binaries: Hinomi and the demo
// company, whose own ledger says what really happened.
package e2e

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hinomi/examples/rideshare/ledger"
	"hinomi/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	harness.CleanupTools()
	os.Exit(code)
}

// observe runs a company for a number of rides and returns its ledger after
// everything was exported and acknowledged.
func observe(t *testing.T, h *harness.Hinomi, rides int, rate string) (*harness.Rideshare, ledger.Snapshot) {
	t.Helper()
	r := harness.StartRideshare(t, h.OTLP, "--rate", rate, "--rides", fmt.Sprint(rides), "--linger")
	var snap ledger.Snapshot
	harness.Eventually(t, 3*time.Minute, "all rides to be made", func() bool {
		r.Call("GET", "/ledger", nil, &snap)
		done := 0.0
		for _, c := range snap.Counters {
			if c.Name == "rides_requested_total" {
				done += c.Value
			}
		}
		return int(done) >= rides
	})
	r.Call("POST", "/flush?hold=true", nil, nil)
	r.Call("GET", "/ledger?traces=4096", nil, &snap)
	for signal, e := range snap.Export {
		if e.Failed != 0 || signal != "metrics" && e.Created != e.Handed {
			t.Fatalf("the SDK lost %s before we saw them: %+v", signal, e)
		}
	}
	return r, snap
}

func TestAnswersEqualTheLedger(t *testing.T) {
	h := harness.New(t, "").Start()
	_, snap := observe(t, h, 60, "6")
	if len(snap.Spans) == 0 || len(snap.Logs) == 0 || len(snap.Counters) == 0 {
		t.Fatalf("the ledger is empty: %+v", snap)
	}
	stored := func(when string) {
		t.Helper()
		t.Log("answers", when)
		logAnswers(t, h, snap)
		traceAnswers(t, h, snap)
		businessAnswers(t, h, snap)
	}
	stored("live")
	spanMetricAnswers(t, h, snap)
	h.Kill()
	h.Start()
	stored("after kill -9, from the WAL")
	h.Stop()
	h.Start()
	stored("after an orderly stop, from segments")
}

func logAnswers(t *testing.T, h *harness.Hinomi, snap ledger.Snapshot) {
	t.Helper()
	now := time.Now()
	want := map[string]float64{}
	errors := map[string]float64{}
	for _, l := range snap.Logs {
		want[l.Service] += float64(l.Count)
		if l.Level == "ERROR" {
			errors[l.Service] += float64(l.Count)
		}
	}
	got := h.LogQL(`sum by (service_name) (count_over_time({service_namespace="rideshare"}[1h]))`, "service_name", now)
	equal(t, "log lines by service", got, want)
	got = h.LogQL(`sum by (service_name) (count_over_time({service_namespace="rideshare"} | detected_level="error" [1h]))`, "service_name", now)
	equal(t, "error lines by service", got, errors)
}

func traceAnswers(t *testing.T, h *harness.Hinomi, snap ledger.Snapshot) {
	t.Helper()
	if len(snap.Traces) == 0 {
		t.Fatal("the ledger has no traces")
	}
	for i, want := range snap.Traces {
		if i >= 25 {
			break
		}
		var got struct {
			Batches []struct {
				ScopeSpans []struct {
					Spans []struct {
						Status struct{ Code string }
					}
				}
			}
		}
		h.JSON("/tempo/api/traces/"+want.TraceID, &got)
		spans, failed := 0, 0
		for _, b := range got.Batches {
			for _, ss := range b.ScopeSpans {
				spans += len(ss.Spans)
				for _, sp := range ss.Spans {
					if sp.Status.Code == "STATUS_CODE_ERROR" {
						failed++
					}
				}
			}
		}
		if spans != want.Spans || failed != want.ErrorSpans {
			t.Errorf("trace %s: %d spans, %d failed; the ledger says %d, %d", want.TraceID, spans, failed, want.Spans, want.ErrorSpans)
		}
	}
	// TraceQL: the traces whose root is the gateway and that took longer than
	// most must be exactly those of the ledger.
	var durations []int64
	for _, tr := range snap.Traces {
		durations = append(durations, tr.RootDurationNanos)
	}
	slices.Sort(durations)
	limit := time.Duration(durations[len(durations)*8/10])
	want := map[string]float64{}
	for _, tr := range snap.Traces {
		if tr.RootService == "gateway" && time.Duration(tr.RootDurationNanos) > limit {
			want[strings.TrimLeft(tr.TraceID, "0")] = 1
		}
	}
	var got struct{ Traces []struct{ TraceID string } }
	q := fmt.Sprintf(`{ resource.service.name = "gateway" && kind = server && duration > %dns }`, limit.Nanoseconds())
	h.JSON("/tempo/api/search?"+url.Values{"q": {q}, "limit": {"1000"}, "start": {fmt.Sprint(time.Now().Add(-time.Hour).Unix())}, "end": {fmt.Sprint(time.Now().Unix() + 1)}}.Encode(), &got)
	found := map[string]float64{}
	for _, tr := range got.Traces {
		found[strings.TrimLeft(tr.TraceID, "0")] = 1
	}
	if len(want) == 0 {
		t.Error("no trace is slower than the others: the query proves nothing")
	}
	equal(t, q, found, want)
}

func spanMetricAnswers(t *testing.T, h *harness.Hinomi, snap ledger.Snapshot) {
	t.Helper()
	want := map[string]float64{}
	for _, s := range snap.Spans {
		want[s.Service+" "+s.Kind+" "+s.Status] += float64(s.Count)
	}
	var got map[string]float64
	query := `sum by (key) (label_join(traces_spanmetrics_calls_total, "key", " ", "service", "span_kind", "status_code"))`
	normal := strings.NewReplacer("SPAN_KIND_", "", "STATUS_CODE_", "")
	harness.Eventually(t, 30*time.Second, "span metrics written", func() bool {
		got = map[string]float64{}
		for k, v := range h.PromQL(query, "key", time.Now()) {
			service, rest, _ := strings.Cut(k, " ")
			got[service+" "+strings.ToLower(normal.Replace(rest))] += v
		}
		return maps.Equal(got, want)
	})
	equal(t, "spans by service, kind and status", got, want)
}

func businessAnswers(t *testing.T, h *harness.Hinomi, snap ledger.Snapshot) {
	t.Helper()
	want := map[string]float64{}
	for _, c := range snap.Counters {
		if strings.HasSuffix(c.Name, "_total") {
			want[c.Name] += c.Value
		}
	}
	for _, s := range snap.Histograms {
		want[s.Name+"_count"] += float64(s.Count)
	}
	if len(want) < 5 {
		t.Fatalf("the ledger knows only %d business metrics", len(want))
	}
	got := map[string]float64{}
	for name := range want {
		// The last value within an hour, because the SDK stopped sending.
		got[name] = h.PromQL(fmt.Sprintf(`sum(last_over_time(%s[1h]))`, name), "", time.Now())[""]
	}
	equal(t, "business metrics", got, want)
}

func equal(t *testing.T, what string, got, want map[string]float64) {
	t.Helper()
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s: %s is %v, the ledger says %v", what, k, got[k], w)
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok && g != 0 {
			t.Errorf("%s: %s is %v, the ledger does not know it", what, k, g)
		}
	}
}
