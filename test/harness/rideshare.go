package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Rideshare is the demo company, running.
type Rideshare struct {
	t      testing.TB
	Base   string
	cmd    *exec.Cmd
	out    *syncBuffer
	client *http.Client
}

// StartRideshare runs the company against an OTLP address until the test ends.
func StartRideshare(t testing.TB, otlp string, args ...string) *Rideshare {
	t.Helper()
	port := FreePort(t)
	r := &Rideshare{t: t, Base: fmt.Sprintf("http://127.0.0.1:%d", port), out: &syncBuffer{}, client: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{}}}
	args = append([]string{"run", "--otlp", otlp, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--daily-curve", "off"}, args...)
	r.cmd = exec.Command(filepath.Join(Binaries(t), "rideshare"), args...)
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = r.cmd.Wait() }()
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = r.cmd.Process.Kill()
			<-done
		}
	})
	Eventually(t, 30*time.Second, "rideshare listening", func() bool {
		resp, err := r.client.Get(r.Base + "/healthz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return r
}

// Call sends a request to the company's own API and decodes its answer into
// out, which may be nil.
func (r *Rideshare) Call(method, path string, body, out any) {
	r.t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			r.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, r.Base+path, bytes.NewReader(data))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", method, path, err, r.out.String())
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		r.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			r.t.Fatalf("%s %s: %v in %.300s", method, path, err, text)
		}
	}
}
