package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hinomi/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freePort reserves nothing: the port was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// running is an app with its addresses.
type running struct {
	*App
	base, otlp string
	cfg        *config.Config
}

func testConfig(t testing.TB, dir string, otlpPort int) *config.Config {
	t.Helper()
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Server.Listen = "127.0.0.1:0"
	cfg.Data.Dir = dir
	cfg.HostMetrics.Enabled = false
	cfg.Ingest = intake(otlpPort)
	return cfg
}

func intake(otlpPort int) map[string]any {
	pipeline := map[string]any{"receivers": []any{"otlp"}, "exporters": []any{"hinomi"}}
	return map[string]any{
		"receivers": map[string]any{"otlp": map[string]any{"protocols": map[string]any{"http": map[string]any{
			"endpoint": fmt.Sprintf("127.0.0.1:%d", otlpPort), "max_request_body_size": 8 << 20,
		}}}},
		"exporters": map[string]any{"hinomi": map[string]any{}},
		"service":   map[string]any{"pipelines": map[string]any{"logs": pipeline, "traces": pipeline, "metrics": pipeline}},
	}
}

func start(t testing.TB) *running {
	t.Helper()
	return startWith(t, testConfig(t, t.TempDir(), freePort(t)))
}

func startWith(t testing.TB, cfg *config.Config) *running {
	t.Helper()
	r := &running{cfg: cfg}
	a, err := New(context.Background(), Options{Config: cfg, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	r.App, r.base = a, "http://"+a.Addr()
	r.otlp = "http://" + cfg.Ingest["receivers"].(map[string]any)["otlp"].(map[string]any)["protocols"].(map[string]any)["http"].(map[string]any)["endpoint"].(string)
	return r
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHealthReadyMetrics(t *testing.T) {
	r := start(t)
	for path, want := range map[string]string{"/-/healthy": "healthy", "/-/ready": "ready", "/ready": "ready", "/metrics": "hinomi_store_rows_total"} {
		if code, body := get(t, r.base+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestSecondProcessOnTheSameDataIsRefused(t *testing.T) {
	r := start(t)
	cfg := testConfig(t, r.cfg.Data.Dir, freePort(t))
	a, err := New(context.Background(), Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "in use by another Hinomi") {
		t.Fatalf("second start: %v", err)
	}
	if code, _ := get(t, r.base+"/-/ready"); code != http.StatusOK {
		t.Fatal("the first was disturbed")
	}
}

func TestTakenPortsAreNamed(t *testing.T) {
	r := start(t)
	cfg := testConfig(t, t.TempDir(), freePort(t))
	cfg.Server.Listen = r.Addr()
	a, err := New(context.Background(), Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "server.listen") || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("taken HTTP port: %v", err)
	}
	cfg = testConfig(t, t.TempDir(), 0)
	cfg.Ingest = r.cfg.Ingest
	if a, err = New(context.Background(), Options{Config: cfg}); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("taken OTLP port: %v", err)
	}
}

func TestUnwritableDataDirectory(t *testing.T) {
	cfg := testConfig(t, "/proc/hinomi", freePort(t))
	a, err := New(context.Background(), Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "choose a directory") {
		t.Fatalf("unwritable directory: %v", err)
	}
}

func TestReload(t *testing.T) {
	r := start(t)
	good := testConfig(t, r.cfg.Data.Dir, freePort(t))
	bad := *r.cfg
	bad.Ingest = map[string]any{"receivers": map[string]any{"otpl": map[string]any{}}, "service": map[string]any{}}
	if err := r.Reload(context.Background(), &bad); err == nil || !strings.Contains(err.Error(), "otpl") {
		t.Fatalf("a bad ingest section: %v", err)
	}
	if code, _ := get(t, r.base+"/-/ready"); code != http.StatusOK {
		t.Fatal("a bad reload disturbed the intake")
	}
	if code, body := post(t, r.otlp+"/v1/logs", "application/json", "{}"); code != http.StatusOK {
		t.Fatalf("a bad reload disturbed the intake: %d %s", code, body)
	}
	moved := *r.cfg
	moved.Data.Dir = filepath.Join(t.TempDir(), "elsewhere")
	if err := r.Reload(context.Background(), &moved); !errors.Is(err, ErrRestart) {
		t.Fatalf("a moved data directory: %v", err)
	}
	if err := r.Reload(context.Background(), good); err != nil {
		t.Fatal(err)
	}
	r.otlp = "http://" + good.Ingest["receivers"].(map[string]any)["otlp"].(map[string]any)["protocols"].(map[string]any)["http"].(map[string]any)["endpoint"].(string)
	if code, body := post(t, r.otlp+"/v1/logs", "application/json", "{}"); code != http.StatusOK {
		t.Fatalf("the new port does not answer: %d %s", code, body)
	}
	// A port that is taken: the old intake comes back.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	blocked := *good
	blocked.Ingest = intake(taken.Addr().(*net.TCPAddr).Port)
	if err := r.Reload(context.Background(), &blocked); err == nil {
		t.Fatal("a taken port was accepted")
	}
	if code, body := post(t, r.otlp+"/v1/logs", "application/json", "{}"); code != http.StatusOK {
		t.Fatalf("the old intake did not come back: %d %s", code, body)
	}
}

func post(t testing.TB, url, contentType, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(url, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
