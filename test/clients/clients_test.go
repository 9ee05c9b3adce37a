//go:build clients

// Package clients tests Hinomi against clients that nobody here wrote. It needs
// the npm packages of this folder: `make test-clients` installs them.
package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
	"hinomi/internal/store/storetest"
	"hinomi/internal/store/tracestore"
	"hinomi/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// node runs a script of this folder and decodes what it prints.
func node(t *testing.T, out any, args ...string) {
	t.Helper()
	if _, err := os.Stat("node_modules"); err != nil {
		t.Fatal("the npm packages are missing: run make test-clients")
	}
	cmd := exec.Command("node", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", args[0], err, stderr.String())
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("node %s: %v in %.300s", args[0], err, text)
	}
}

func TestOpenTelemetrySDKForNode(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	const n = 200
	var sent struct{ Traces []string }
	node(t, &sent, "otel.mjs", h.OTLP, "http://"+h.GRPC, fmt.Sprint(n))
	if len(sent.Traces) != n {
		t.Fatalf("the client made %d traces", len(sent.Traces))
	}
	now := time.Now()
	for query, want := range map[string]float64{
		`sum(count_over_time({service_name="node-client"}[1h]))`:                                                           n,
		`sum(count_over_time({service_name="node-client"} | detected_level="error" [1h]))`:                                 n / 5,
		`sum(count_over_time({service_name="node-client"} | number="7" [1h]))`:                                             1,
		`sum(count_over_time({service_name="node-client"} |= "request 11 done" | trace_id="` + sent.Traces[11] + `"[1h]))`: 1,
	} {
		if got := h.LogQL(query, "", now)[""]; got != want {
			t.Errorf("%s = %v, want %v", query, got, want)
		}
	}
	for query, want := range map[string]float64{
		`sum(client_requests_total)`:               n,
		`sum(client_requests_total{parity="odd"})`: n / 2,
		`client_duration_seconds_count`:            n,
		`client_duration_seconds_sum`:              float64(n*(n-1)) / 200,
	} {
		if got := h.PromQL(query, "", now)[""]; got < want-1e-9 || got > want+1e-9 {
			t.Errorf("%s = %v, want %v", query, got, want)
		}
	}
	for i := 0; i < n; i += 17 {
		code, body := h.Get("/tempo/api/traces/" + sent.Traces[i])
		if code != http.StatusOK || strings.Count(string(body), `"spanId"`) != 2 {
			t.Errorf("trace %d: %d %.300s", i, code, body)
		}
	}
	var found struct{ Traces []any }
	h.JSON("/tempo/api/search?limit=500&q=%7B%20span.share%20%3E%3D%2049%20%7D", &found)
	if len(found.Traces) != 4 {
		t.Errorf("TraceQL finds %d traces with share >= 49, want 4", len(found.Traces))
	}
}

// digester is a table that can be compared with another reader.
type digester interface {
	Digest() (map[string]string, error)
}

func TestDuckDBReadsTheSameValues(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	// Logs with every type of attribute, sent by the contract suite's generator,
	// in several segments with different columns.
	rng := rand.New(rand.NewPCG(3, 4))
	logs := 0
	for range 3 {
		for range 20 {
			ld := storetest.RandomLogs(rng, 50)
			shift(ld)
			logs += ld.LogRecordCount()
			body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.Post(h.OTLP+"/v1/logs", "application/x-protobuf", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			answer := plogotlp.NewExportResponse()
			if err := answer.UnmarshalProto(text); err != nil || resp.StatusCode != http.StatusOK || answer.PartialSuccess().RejectedLogRecords() != 0 {
				t.Fatalf("%d %q %v", resp.StatusCode, text, err)
			}
		}
		h.Stop()
		h.Start()
	}
	// Spans of the demo company: real attributes, events and links.
	r := harness.StartRideshare(t, h.OTLP, "--rate", "10", "--rides", "30", "--linger")
	var snap struct{ Totals struct{ Spans, Logs int64 } }
	r.Call("POST", "/flush", nil, &snap)
	harness.Eventually(t, time.Minute, "rides", func() bool {
		r.Call("GET", "/ledger", nil, &snap)
		return snap.Totals.Spans > 500
	})
	r.Call("POST", "/flush?hold=true", nil, &snap)
	h.Stop()

	data := filepath.Join(h.Dir, "data")
	ls, err := logstore.Open(columnar.Options{Dir: filepath.Join(data, "logs")})
	if err != nil {
		t.Fatal(err)
	}
	defer ls.Close()
	compare(t, filepath.Join(data, "logs"), ls, int64(logs)+snap.Totals.Logs)
	ts, err := tracestore.Open(columnar.Options{Dir: filepath.Join(data, "traces")})
	if err != nil {
		t.Fatal(err)
	}
	defer ts.Close()
	compare(t, filepath.Join(data, "traces"), ts, snap.Totals.Spans)
}

func compare(t *testing.T, dir string, table digester, rows int64) {
	t.Helper()
	want, err := table.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 {
		t.Fatalf("%s has no segments", dir)
	}
	args := []string{"digest.mjs"}
	for file := range want {
		args = append(args, filepath.Join(dir, file))
	}
	var got struct {
		Files map[string]struct {
			Digest        string
			Rows, Columns int
		}
		Rows int64
	}
	node(t, &got, args...)
	for file, digest := range want {
		f := got.Files[filepath.Join(dir, file)]
		if f.Digest != digest || f.Rows == 0 {
			t.Errorf("%s: DuckDB's digest over %d rows and %d columns is %q, ours %q", file, f.Rows, f.Columns, f.Digest, digest)
		}
	}
	if got.Rows != rows {
		t.Errorf("%s: DuckDB counts %d rows, sent were %d", dir, got.Rows, rows)
	}
}
