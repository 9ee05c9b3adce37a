package e2e

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"hinomi/test/harness"
)

// TestReloadUnderLoad reloads the running process while senders send. Requests
// that the restart of the intake refuses are not acknowledged, everything that
// was acknowledged is there.
func TestReloadUnderLoad(t *testing.T) {
	const base = "host_metrics: {enabled: false}\n"
	h := harness.New(t, base).Start()
	a := &acked{logs: map[string]bool{}, traces: map[[16]byte]int{}, values: map[int]map[float64]bool{}, lost: map[int]request{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			// A sender begins anew when the intake restarts below it.
			for writer := w; ctx.Err() == nil; writer += 3 {
				a.send(ctx, h, writer, 0)
			}
		})
	}
	wait := func() {
		t.Helper()
		n := a.count()
		harness.Eventually(t, 30*time.Second, "more acknowledged requests", func() bool { return a.count() > n+30 })
	}
	reloaded := func(text string) {
		t.Helper()
		n := strings.Count(h.Log(), text)
		h.Reload()
		harness.Eventually(t, 30*time.Second, text, func() bool { return strings.Count(h.Log(), text) > n })
	}
	wait()
	// A good change: another processor in the pipelines restarts the intake.
	h.WriteConfig(base)
	change(t, h, "exporters: {hinomi: {}}", "processors: {memory_limiter: {check_interval: 1s, limit_mib: 4000}}\n  exporters: {hinomi: {}}")
	change(t, h, "logs: {receivers: [otlp], exporters: [hinomi]}", "logs: {receivers: [otlp], processors: [memory_limiter], exporters: [hinomi]}")
	reloaded("configuration reloaded")
	wait()
	// Bad changes: nothing changes.
	for _, bad := range [][2]string{
		{"exporters: {hinomi: {}}", "exporters: {hinomy: {}}"},
		{"server: {listen", "sever: {listen"},
		{"data: {dir", "  data: {dir"},
	} {
		keep := read(t, h)
		change(t, h, bad[0], bad[1])
		reloaded("the running one stays")
		wait()
		if err := os.WriteFile(h.ConfigFile, []byte(keep), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	wg.Wait()
	if code, _ := h.Get("/-/ready"); code != http.StatusOK {
		t.Fatalf("ready: %d", code)
	}
	a.verify(t, h, 1)
}

func read(t *testing.T, h *harness.Hinomi) string {
	t.Helper()
	data, err := os.ReadFile(h.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func change(t *testing.T, h *harness.Hinomi, from, to string) {
	t.Helper()
	text := read(t, h)
	if !strings.Contains(text, from) {
		t.Fatalf("the configuration has no %q:\n%s", from, text)
	}
	if err := os.WriteFile(h.ConfigFile, []byte(strings.Replace(text, from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
