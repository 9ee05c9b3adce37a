package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	apiexport "hinomi/internal/api/export"
	"hinomi/internal/model"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
)

// logsOfThreeDays are 30 lines, ten each day, the last day being today's.
func logsOfThreeDays(t *testing.T, dir string) *logstore.Store {
	t.Helper()
	s, err := logstore.Open(columnar.Options{Dir: filepath.Join(dir, "logs"), Retention: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for day := range 3 {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", day))
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i := range 10 {
			lr := records.AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(today.Add(time.Duration(day-2)*24*time.Hour + time.Duration(i))))
			lr.Body().SetStr(fmt.Sprintf("line %d of day %d", i, day))
		}
		if res, err := s.AppendLogs(t.Context(), model.ScopeAll(), ld); err != nil || res.Stored != 10 {
			t.Fatalf("%+v %v", res, err)
		}
	}
	return s
}

func bodies(t *testing.T, text []byte) (out []string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		if line == "" {
			continue
		}
		var row struct{ Body string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, row.Body)
	}
	slices.Sort(out)
	return out
}

func exporting(t *testing.T, want int, args ...string) (stdout []byte, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), append([]string{"export"}, args...), &out, &errs); code != want {
		t.Fatalf("export %v ends with %d: %s", args, code, errs.String())
	}
	return out.Bytes(), errs.String()
}

func TestExportOfADataDirectory(t *testing.T) {
	dir := t.TempDir()
	s := logsOfThreeDays(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out, _ := exporting(t, 0, "--data", dir)
	if got := bodies(t, out); len(got) != 30 || got[0] != "line 0 of day 0" || got[29] != "line 9 of day 2" {
		t.Fatalf("%q", got)
	}
	out, _ = exporting(t, 0, "--data", dir, "--query", `{service_name="service-1"} |= "line 7"`)
	if got := bodies(t, out); !slices.Equal(got, []string{"line 7 of day 1"}) {
		t.Fatalf("%q", got)
	}
	// A file for each day.
	today := time.Now().UTC().Truncate(24 * time.Hour)
	days := t.TempDir()
	exporting(t, 0, "--data", dir, "--from", today.Add(-48*time.Hour).Format(time.DateOnly), "--to", today.Add(24*time.Hour).Format(time.DateOnly), "--out", days)
	for day := range 3 {
		text, err := os.ReadFile(filepath.Join(days, "logs-"+today.Add(time.Duration(day-2)*24*time.Hour).Format(time.DateOnly)+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		if got := bodies(t, text); len(got) != 10 || got[3] != fmt.Sprint("line 3 of day ", day) {
			t.Errorf("day %d: %q", day, got)
		}
	}
	file := filepath.Join(days, "all.csv")
	exporting(t, 0, "--data", dir, "--format", "csv", "--out", file)
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), "\n") != 31 {
		t.Errorf("%d lines, %v", strings.Count(string(text), "\n"), err)
	}
	// It changed nothing.
	s, err := logstore.Open(columnar.Options{Dir: filepath.Join(dir, "logs"), Retention: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Rows != 30 {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"has no traces":                    {"--data", dir, "--signal", "traces"},
		"either --url or a data":           {"--data", dir, "--url", "http://127.0.0.1:1"},
		"is not a time":                    {"--data", dir, "--from", "yesterday"},
		"unknown format":                   {"--data", dir, "--format", "xml"},
		"a file for each day needs --from": {"--data", dir, "--out", days},
	} {
		code := 1
		if strings.Contains(want, "either") || strings.Contains(want, "needs") {
			code = 2
		}
		if _, text := exporting(t, code, args...); !strings.Contains(text, want) {
			t.Errorf("%v: %s, want %s", args, text, want)
		}
	}
	// A damaged part is said, and what is left is there.
	segments, err := filepath.Glob(filepath.Join(dir, "logs", "segments", "*", "*.parquet"))
	if err != nil || len(segments) != 3 {
		t.Fatalf("%v %v", segments, err)
	}
	if err := os.Truncate(segments[0], 100); err != nil {
		t.Fatal(err)
	}
	out, text := exporting(t, 1, "--data", dir)
	if got := bodies(t, out); len(got) != 20 || !strings.Contains(text, "the export is incomplete: 1 parts") {
		t.Errorf("%d lines, %s", len(got), text)
	}
}

func TestExportFromAServer(t *testing.T) {
	dir := t.TempDir()
	s := logsOfThreeDays(t, dir)
	defer s.Close()
	api := apiexport.New(apiexport.Options{Logs: s, Traces: s, Scope: func(*http.Request) model.Scope { return model.ScopeAll() }, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	broken := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken {
			_, _ = w.Write([]byte("{}\n"))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(w, r)
	}))
	defer server.Close()
	out, _ := exporting(t, 0, "--url", server.URL, "--query", `{service_name=~"service-[12]"}`)
	if got := bodies(t, out); len(got) != 20 || got[0] != "line 0 of day 1" {
		t.Fatalf("%q", got)
	}
	file := filepath.Join(dir, "out.parquet")
	exporting(t, 0, "--url", server.URL+"/", "--format", "parquet", "--out", file)
	if text, err := os.ReadFile(file); err != nil || !bytes.HasPrefix(text, []byte("PAR1")) || !bytes.HasSuffix(text, []byte("PAR1")) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, text := exporting(t, 1, "--url", server.URL, "--query", `{a="b"} | json`); !strings.Contains(text, "400 Bad Request") || !strings.Contains(text, "only a selector") {
		t.Errorf("%s", text)
	}
	// One that breaks off is no file.
	broken = true
	file = filepath.Join(dir, "broken.jsonl")
	exporting(t, 1, "--url", server.URL, "--out", file)
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
	http.DefaultClient.CloseIdleConnections()
}
