package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// server is the system under test.
type server struct {
	base, otlp string
	pid        int
	dir        string // "" when it is not known
	cmd        *exec.Cmd
	log        bytes.Buffer
	cleanup    func()
	client     *http.Client
}

func openServer(ctx context.Context, o options) (*server, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 2 * time.Minute}
	if o.url != "" {
		if o.otlp == "" {
			o.otlp = o.url
		}
		return &server{base: o.url, otlp: o.otlp, pid: o.pid, dir: o.dir, client: client, cleanup: func() {}}, nil
	}
	s := &server{client: client, dir: o.keep, cleanup: func() {}}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "hinomi-bench")
		if err != nil {
			return nil, err
		}
		s.dir, s.cleanup = dir, func() { _ = os.RemoveAll(dir) }
	}
	var ports [3]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		defer l.Close()
	}
	config := filepath.Join(s.dir, "bench.yaml")
	text := fmt.Sprintf(`server: {listen: "127.0.0.1:%d"}
data: {dir: %q}
host_metrics: {enabled: false}
rules: {shipped: false}
ingest:
  receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:%d"}, http: {endpoint: "127.0.0.1:%d"}}}}
  exporters: {hinomi: {}}
  service:
    pipelines:
      logs: {receivers: [otlp], exporters: [hinomi]}
      traces: {receivers: [otlp], exporters: [hinomi]}
      metrics: {receivers: [otlp], exporters: [hinomi]}
`, ports[0], filepath.Join(s.dir, "data"), ports[1], ports[2])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s.base, s.otlp = fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[2])
	s.cmd = exec.CommandContext(ctx, o.binary, "serve", "--config", config)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.Stderr = &s.log
	return s, nil
}

// start begins the process; the ports are free by then.
func (s *server) start(ctx context.Context) error {
	if s.cmd == nil || s.cmd.Process != nil {
		return nil
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.pid = s.cmd.Process.Pid
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		resp, err := s.client.Get(s.base + "/-/ready")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s is not ready: %s", s.cmd.Path, s.log.String())
}

func (s *server) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait()
	}
	s.cleanup()
}

// cpu is the server's user and system time so far.
func (s *server) cpu() (time.Duration, error) {
	if s.pid == 0 {
		return 0, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return 0, errors.New("unexpected /proc stat")
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	sys, err2 := strconv.ParseInt(f[12], 10, 64)
	const ticksPerSecond = 100 // USER_HZ of every Linux architecture Go supports
	return time.Duration(user+sys) * time.Second / ticksPerSecond, errors.Join(err1, err2)
}

// peakRSS is the largest resident size so far, in MB.
func (s *server) peakRSS() string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return "-"
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(v), " kB"))
			return strconv.Itoa(kb / 1024)
		}
	}
	return "-"
}

// diskBytes is the size of a folder of the data directory, and of its WAL. Of a
// file with holes only what it occupies counts.
func (s *server) diskBytes(folder string) (total, wal int64) {
	if s.dir == "" {
		return 0, 0
	}
	_ = filepath.WalkDir(filepath.Join(s.dir, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		size := info.Size()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			size = min(size, st.Blocks*512)
		}
		total += size
		if strings.Contains(path, "/wal/") {
			wal += size
		}
		return nil
	})
	return total, wal
}

func (s *server) post(ctx context.Context, url, contentType string, header map[string]string, body []byte, otlp bool) error {
	for attempt := 0; ; attempt++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", contentType)
		for k, v := range header {
			req.Header.Set(k, v)
		}
		resp, err := s.client.Do(req)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		switch {
		case resp.StatusCode/100 == 2 && otlp:
			return allAccepted(text)
		case resp.StatusCode/100 == 2:
			return nil
		case (resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests) && attempt < 200:
			time.Sleep(50 * time.Millisecond)
		default:
			return fmt.Errorf("%s: %s: %s", url, resp.Status, text)
		}
	}
}

// allAccepted is an error when an OTLP answer says that rows were rejected: figures of
// a load that was not stored would be too good. A partial success looks the same for
// all signals.
func allAccepted(body []byte) error {
	answer := plogotlp.NewExportResponse()
	if err := answer.UnmarshalProto(body); err != nil {
		return nil // Not protobuf: other servers answer as they like.
	}
	if p := answer.PartialSuccess(); p.RejectedLogRecords() > 0 {
		return fmt.Errorf("%d rows of a request were rejected: %s", p.RejectedLogRecords(), p.ErrorMessage())
	}
	return nil
}
