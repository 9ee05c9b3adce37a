// Package harness builds and runs the real binaries for tests: Hinomi and the
// demo company, on free ports, in temporary directories.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Root is the repository's directory.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

var (
	buildOnce sync.Once
	buildDir  string
	buildErr  error
)

// Binaries builds hinomi and rideshare once per test process and returns their
// directory.
func Binaries(t testing.TB) string {
	t.Helper()
	buildOnce.Do(func() {
		if buildDir, buildErr = os.MkdirTemp("", "hinomi-test-bin"); buildErr != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", buildDir+"/", "./cmd/hinomi", "./examples/rideshare")
		cmd.Dir, cmd.Env = Root(), append(os.Environ(), "CGO_ENABLED=0") // as `make build` does
		if out, err := cmd.CombinedOutput(); err != nil {
			buildErr = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return buildDir
}

// Cleanup removes what Binaries built; call it from TestMain.
func Cleanup() {
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
}

// FreePort returns a TCP port that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := firstPort + rand.IntN(endPort-firstPort)
		if _, taken := ports.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			continue // Somebody else listens there.
		}
		_ = l.Close()
		return port
	}
	t.Fatalf("no port of %d to %d is free", firstPort, endPort-1)
	return 0
}

// Ports that are handed out lie below those that systems give to outgoing
// connections (32768 and up): one of these may take a port between its choice and the
// start of the server.
const firstPort, endPort = 20_000, 32_000

// ports are those that were handed out, so that no two tests get the same.
var ports sync.Map

// Hinomi is a running process. Restart it with Kill (or Stop) and Start.
type Hinomi struct {
	t          testing.TB
	Dir        string // of the configuration and the data
	ConfigFile string
	Base       string // UI, APIs, HTTP intake
	OTLP       string // OTLP/HTTP
	GRPC       string // host:port of OTLP/gRPC
	cmd        *exec.Cmd
	out        *syncBuffer
	done       chan struct{}
	client     *http.Client
}

// New prepares a Hinomi with an empty directory. extra is YAML that is added to
// its configuration (sections other than server, data and ingest).
func New(t testing.TB, extra string) *Hinomi {
	t.Helper()
	return NewIn(t, t.TempDir(), extra)
}

// NewIn is New in a directory of the caller's.
func NewIn(t testing.TB, dir, extra string) *Hinomi {
	t.Helper()
	ports := [3]int{FreePort(t), FreePort(t), FreePort(t)}
	h := &Hinomi{
		t: t, Dir: dir, ConfigFile: filepath.Join(dir, "hinomi.yaml"),
		Base: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), OTLP: fmt.Sprintf("http://127.0.0.1:%d", ports[1]), GRPC: fmt.Sprintf("127.0.0.1:%d", ports[2]),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}},
	}
	h.WriteConfig(extra)
	return h
}

// WriteConfig replaces the configuration file, keeping ports and directory.
func (h *Hinomi) WriteConfig(extra string) {
	h.t.Helper()
	text := fmt.Sprintf(`server: {listen: %q}
data: {dir: %q}
ingest:
  receivers: {otlp: {protocols: {http: {endpoint: %q}, grpc: {endpoint: %q}}}}
  exporters: {hinomi: {}}
  service:
    pipelines:
      logs: {receivers: [otlp], exporters: [hinomi]}
      traces: {receivers: [otlp], exporters: [hinomi]}
      metrics: {receivers: [otlp], exporters: [hinomi]}
%s
`, strings.TrimPrefix(h.Base, "http://"), filepath.Join(h.Dir, "data"), strings.TrimPrefix(h.OTLP, "http://"), h.GRPC, extra)
	if err := os.WriteFile(h.ConfigFile, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// Start runs the process until the test ends and waits until it is ready.
func (h *Hinomi) Start() *Hinomi {
	h.t.Helper()
	h.out = &syncBuffer{}
	h.cmd = exec.Command(filepath.Join(Binaries(h.t), "hinomi"), "serve", "--config", h.ConfigFile)
	h.cmd.Stdout, h.cmd.Stderr = h.out, h.out
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait()
	}(h.cmd, h.done)
	h.t.Cleanup(h.Kill)
	deadline := time.Now().Add(60 * time.Second)
	for {
		select {
		case <-h.done:
			h.t.Fatalf("hinomi ended while starting:\n%s", h.out.String())
		default:
		}
		if resp, err := h.client.Get(h.Base + "/-/ready"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return h
			}
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("hinomi is not ready:\n%s", h.out.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Kill ends the process as kill -9 does. Harmless when it does not run.
func (h *Hinomi) Kill() { h.end(syscall.SIGKILL) }

// Stop ends the process in order.
func (h *Hinomi) Stop() { h.end(syscall.SIGTERM) }

// Reload sends SIGHUP.
func (h *Hinomi) Reload() {
	h.t.Helper()
	if err := h.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		h.t.Fatal(err)
	}
}

func (h *Hinomi) end(sig syscall.Signal) {
	h.client.CloseIdleConnections()
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Signal(sig)
	<-h.done
	h.cmd = nil
}

// PID is the running process's id.
func (h *Hinomi) PID() int { return h.cmd.Process.Pid }

// Log is what the process printed so far.
func (h *Hinomi) Log() string { return h.out.String() }

// Get asks path (with query) and returns status and body.
func (h *Hinomi) Get(path string) (int, []byte) {
	h.t.Helper()
	resp, err := h.client.Get(h.Base + path)
	if err != nil {
		h.t.Fatalf("GET %s: %v\n%s", path, err, h.out.String())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// JSON asks path and decodes a 200 answer into out.
func (h *Hinomi) JSON(path string, out any) {
	h.t.Helper()
	code, body := h.Get(path)
	if code != http.StatusOK {
		h.t.Fatalf("GET %s: %d %s", path, code, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		h.t.Fatalf("GET %s: %v in %.500s", path, err, body)
	}
}

// PromQL returns the value of each series of an instant query at time at, by
// the given label ("" for a single value under "").
func (h *Hinomi) PromQL(query, by string, at time.Time) map[string]float64 {
	h.t.Helper()
	return h.vector("/api/v1/query", query, fmt.Sprintf("%.3f", float64(at.UnixMilli())/1000), by)
}

// LogQL is PromQL for a LogQL metric query.
func (h *Hinomi) LogQL(query, by string, at time.Time) map[string]float64 {
	h.t.Helper()
	return h.vector("/loki/api/v1/query", query, fmt.Sprint(at.UnixNano()), by)
}

func (h *Hinomi) vector(path, query, at, by string) map[string]float64 {
	h.t.Helper()
	var a struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	h.JSON(path+"?"+url.Values{"query": {query}, "time": {at}}.Encode(), &a)
	out := map[string]float64{}
	for _, r := range a.Data.Result {
		var v float64
		if _, err := fmt.Sscan(r.Value[1].(string), &v); err != nil {
			h.t.Fatal(err)
		}
		out[r.Metric[by]] += v
	}
	return out
}

// Eventually waits for a condition.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within %s", what, within)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Post sends a body and returns status and answer; err is a failed connection.
func (h *Hinomi) Post(ctx context.Context, target, contentType string, body []byte, header ...string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
