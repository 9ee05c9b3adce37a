package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hinomi/examples/rideshare/ledger"
)

// sink is an OTLP receiver that takes everything.
func sink(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestRunWithRidesDrainsAndWritesTheLedger(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.json")
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"run", "--otlp", sink(t), "--listen", "127.0.0.1:0", "--rides", "3", "--rate", "100", "--daily-curve", "off", "--ledger-out", file}, &out, &errs)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s ledger.Snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	if s.Counter("rides_requested_total") != 3 || !strings.Contains(out.String(), "3 rides requested") {
		t.Errorf("%v rides; printed %s", s.Counter("rides_requested_total"), &out)
	}
	if e := s.Export["spans"]; e.Created != s.Totals.Spans || e.Acknowledged != e.Created || e.Failed != 0 {
		t.Errorf("spans %+v, ledger %d", e, s.Totals.Spans)
	}
}

func TestCommandsOnARunningCompany(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan int, 1)
	url := sink(t)
	go func() {
		defer w.Close()
		done <- run(ctx, []string{"run", "--otlp", url, "--listen", "127.0.0.1:0", "--rides", "1", "--rate", "100", "--linger"}, w, w)
	}()
	var printed []byte
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+,`)
	for buf := make([]byte, 512); !address.Match(printed); {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after %s", err, printed)
		}
		printed = append(printed, buf[:n]...)
	}
	rest := make(chan struct{})
	go func() { defer close(rest); _, _ = io.Copy(io.Discard, r) }()
	target := strings.TrimSuffix(address.FindString(string(printed)), ",")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"fault", "add", "--service", "payment", "--kind", "errors", "--share", "0.5"}, `"status":500`},
		{[]string{"fault", "list"}, `"share":0.5`},
		{[]string{"fault", "clear", "--kind", "errors"}, `"removed":1`},
		{[]string{"deploy", "--service", "payment", "--version", "v342", "--bad"}, `"version":"v342"`},
		{[]string{"ledger", "--flush", "--traces", "1"}, `"name":"drivers_online"`},
		{[]string{"ledger"}, `"acknowledged"`},
	} {
		var out, errs bytes.Buffer
		at := len(c.args)
		if c.args[0] == "fault" {
			at = 2
		}
		args := append(append([]string{}, c.args[:at]...), append([]string{"--target", target}, c.args[at:]...)...)
		if code := run(ctx, args, &out, &errs); code != 0 || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: exit code %d, %s %s, want %s", c.args, code, &out, &errs, c.want)
		}
	}
	stop()
	if code := <-done; code != 0 {
		t.Errorf("the company's exit code is %d", code)
	}
	<-rest
}

func TestWrongUsageSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "a command is missing"},
		{[]string{"fly"}, 2, `unknown command "fly"`},
		{[]string{"fault"}, 2, "fault add"},
		{[]string{"run", "--rate", "fast"}, 2, "invalid value"},
		{[]string{"run", "--daily-curve", "maybe"}, 2, "use on or off"},
		{[]string{"run", "--otlp", "localhost:4318"}, 2, "use a URL like"},
		{[]string{"run", "--otlp", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--rate", "0"}, 1, "use rides per second"},
		{[]string{"fault", "list", "--target", "http://127.0.0.1:1"}, 1, "no company answers"},
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%v: exit code %d, %s, want %d and %q", c.args, code, &errs, c.code, c.want)
		}
	}
}
