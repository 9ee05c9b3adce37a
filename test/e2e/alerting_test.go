package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hinomi/test/harness"
)

// alertingConfig notifies a webhook soon. Rules about the host are left out
// where a test loads the machine.
func alertingConfig(hook *harness.Webhook, more string) string {
	return fmt.Sprintf(`
host_metrics: {enabled: false}
alertmanager:
  route: {receiver: hook, group_by: [alertname, service], group_wait: 1s, group_interval: 2s, repeat_interval: 4h}
  receivers: [{name: hook, webhook_configs: [{url: %q}]}]
%s`, hook.URL, more)
}

// level feeds a gauge over OTLP twice a second until the test ends, also while
// nobody listens.
func level(t *testing.T, h *harness.Hinomi) *atomic.Int64 {
	t.Helper()
	var v atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				body := fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"tank"}}]},
					"scopeMetrics":[{"metrics":[{"name":"level","gauge":{"dataPoints":[{"timeUnixNano":"%d","asDouble":%d}]}}]}]}]}`, now.UnixNano(), v.Load())
				_, _, _ = h.Post(ctx, h.OTLP+"/v1/metrics", "application/json", []byte(body)) // refused while it restarts
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return &v
}

type activeAlert struct {
	State    string
	Labels   map[string]string
	ActiveAt time.Time
}

func activeAlerts(h *harness.Hinomi, name string) (out []activeAlert) {
	var a struct {
		Data struct{ Alerts []activeAlert }
	}
	h.JSON("/api/v1/alerts", &a)
	for _, al := range a.Data.Alerts {
		if al.Labels["alertname"] == name {
			out = append(out, al)
		}
	}
	return out
}

func stateOf(h *harness.Hinomi, name string) string {
	for _, a := range activeAlerts(h, name) {
		return a.State
	}
	return ""
}

// TestKillRepeatsAndLosesNoPage kills the process while a rule waits, while it
// fires, and while it is silenced.
func TestKillRepeatsAndLosesNoPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rule := "groups: [{name: own, interval: 1s, rules: [{alert: TankFull, expr: level > 1, for: 10s, labels: {severity: critical}}]}]\n"
	if err := os.WriteFile(filepath.Join(dir, "own.yml"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	hook := harness.StartWebhook(t)
	h := harness.NewIn(t, dir, alertingConfig(hook, "rules: {shipped: false, files: [own.yml], interval: 1s}\n")).Start()
	v := level(t, h)
	v.Store(5)
	harness.Eventually(t, 20*time.Second, "pending", func() bool { return stateOf(h, "TankFull") == "pending" })
	since := activeAlerts(h, "TankFull")[0].ActiveAt
	// Half of the "for" passes, as the process itself sees it.
	harness.Eventually(t, 20*time.Second, "half of the wait", func() bool { return time.Since(since) > 5*time.Second })
	h.Kill()
	down := time.Now()
	h.Start()
	outage := time.Since(down)
	harness.Eventually(t, 40*time.Second, "the page after a restart during for", func() bool { return hook.Count("firing", "TankFull") == 1 })
	if got := activeAlerts(h, "TankFull"); len(got) != 1 || got[0].ActiveAt.Sub(since) > outage+5*time.Second {
		t.Errorf("the wait began anew: pending since %v, before the restart since %v", got, since)
	}

	h.Kill()
	h.Start()
	harness.Eventually(t, 40*time.Second, "firing again", func() bool { return stateOf(h, "TankFull") == "firing" })
	// Several group intervals, seen by the process: the alert was said again.
	seen := time.Now()
	harness.Eventually(t, 60*time.Second, "group intervals", func() bool { return time.Since(seen) > 10*time.Second })
	if n := hook.Count("firing", "TankFull"); n != 1 {
		t.Fatalf("%d pages, want 1: %+v", n, hook.Pages())
	}

	h.Kill()
	v.Store(0) // over while nobody looked
	h.Start()
	harness.Eventually(t, 120*time.Second, "the resolution", func() bool { return hook.Count("resolved", "TankFull") == 1 })

	am := "--alertmanager.url=" + h.Base + "/alertmanager"
	id, err := harness.Tool(t, "amtool", am, "silence", "add", "alertname=TankFull", "--author=test", "--comment=cleaning", "--duration=1h")
	if err != nil {
		t.Fatalf("amtool silence add: %v %s", err, id)
	}
	h.Kill()
	h.Start()
	if out, err := harness.Tool(t, "amtool", am, "silence", "query", "-q"); err != nil || out != id {
		t.Fatalf("after kill -9 the silences are %q (%v), want %s", out, err, id)
	}
	v.Store(5)
	harness.Eventually(t, 60*time.Second, "silenced", func() bool {
		out, err := harness.Tool(t, "amtool", am, "alert", "query", "--silenced", "-o", "simple")
		return err == nil && strings.Contains(out, "TankFull")
	})
	if n := hook.Count("firing", "TankFull"); n != 1 {
		t.Fatalf("a silenced alert paged: %+v", hook.Pages())
	}
	if out, err := harness.Tool(t, "amtool", am, "silence", "expire", id); err != nil {
		t.Fatalf("amtool silence expire: %v %s", err, out)
	}
	harness.Eventually(t, 30*time.Second, "the page after the silence", func() bool { return hook.Count("firing", "TankFull") == 2 })
	keys := map[string]bool{}
	for _, p := range hook.Pages() {
		if p.Key == "" || keys[p.Key] {
			t.Errorf("idempotency keys must be there and differ: %+v", hook.Pages())
		}
		keys[p.Key] = true
	}
}

// TestFaultsPage breaks the company in five ways. Each fault pages for the
// service that has it within 60 s, for no other, and is resolved after.
func TestFaultsPage(t *testing.T) {
	for _, f := range []struct {
		name    string
		fault   map[string]any
		alert   string
		service string
		allowed map[string]bool // beside alert, of the same service
		within  time.Duration
		traffic float64 // requests of a minute before the fault
	}{
		{"errors", map[string]any{"service": "payment", "kind": "errors", "share": 0.5}, "ServiceErrorRateHigh", "payment", nil, time.Minute, 40},
		{"latency", map[string]any{"service": "payment", "kind": "latency", "latency_ms": 2500, "share": 0.6}, "ServiceLatencyHigh", "payment", nil, time.Minute, 40},
		{"crash", map[string]any{"service": "matching", "kind": "crash"}, "ServiceDown", "matching", nil, time.Minute, 40},
		{"entry crash", map[string]any{"service": "gateway", "kind": "crash"}, "ServiceTrafficStopped", "gateway", nil, time.Minute, 120},
		{"dependency", map[string]any{"service": "trip", "kind": "dependency_down", "dependency": "postgres"}, "ServiceErrorRateHigh", "trip",
			map[string]bool{"ServiceDependencyFailing": true}, time.Minute, 40},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			hook := harness.StartWebhook(t)
			h := harness.New(t, alertingConfig(hook, "")).Start()
			company := harness.StartRideshare(t, h.OTLP)
			harness.Eventually(t, 90*time.Second, "traffic of a minute", func() bool {
				return h.PromQL(`service:requests:increase1m{service="`+f.service+`"}`, "service", time.Now())[f.service] > f.traffic
			})
			broken := time.Now()
			company.Call(http.MethodPost, "/faults", f.fault, nil)
			harness.Eventually(t, f.within, f.alert, func() bool { return hook.Count("firing", f.alert) > 0 })
			for _, p := range hook.Pages() {
				if p.Labels["alertname"] == f.alert {
					t.Logf("fault to page: %.1f s", p.At.Sub(broken).Seconds())
				}
			}
			company.Call(http.MethodDelete, "/faults", nil, nil)
			harness.Eventually(t, 180*time.Second, "the resolution", func() bool { return hook.Count("resolved", f.alert) == 1 })
			for _, p := range hook.Pages() {
				name := p.Labels["alertname"]
				if p.Labels["service"] != f.service || (name != f.alert && !f.allowed[name]) {
					t.Errorf("unrelated page: %s %v", p.Status, p.Labels)
				}
			}
			if n := hook.Count("firing", f.alert); n != 1 {
				t.Errorf("%d pages of %s, want 1", n, f.alert)
			}
		})
	}
}

// TestPromtool has Prometheus' own tool check our rules, run their tests and
// ask our API.
func TestPromtool(t *testing.T) {
	t.Parallel()
	rules := filepath.Join(harness.Root(), "internal", "rules")
	for _, pattern := range []string{filepath.Join(rules, "shipped", "*.yml"), filepath.Join(harness.Root(), "examples", "rules", "*.yml")} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		if out, err := harness.Tool(t, "promtool", append([]string{"check", "rules"}, files...)...); err != nil {
			t.Errorf("promtool check rules: %v\n%s", err, out)
		}
	}
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	harness.Eventually(t, 60*time.Second, "promtool query instant", func() bool {
		out, err := harness.Tool(t, "promtool", "query", "instant", h.Base, `up{job="hinomi"}`)
		return err == nil && strings.Contains(out, `up{instance=`) && strings.Contains(out, "=> 1 @")
	})
}
