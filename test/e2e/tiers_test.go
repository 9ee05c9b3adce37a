package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"hinomi/test/harness"
)

// parquetIn lists the Parquet files below dir, relative to it.
func parquetIn(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && strings.HasSuffix(path, ".parquet") {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestOldLogsMoveAndAreArchived runs the binary with tiers and an archive: old rows
// leave the data directory, answers stay the same, a place that is gone is said, and
// the export of a running and of a stopped Hinomi has every row.
func TestOldLogsMoveAndAreArchived(t *testing.T) {
	t.Parallel()
	places := t.TempDir()
	h := harness.New(t, fmt.Sprintf(`host_metrics: {enabled: false}
logs:
  tiers:
    - {after: 3d, dir: %[1]s/warm}
    - {name: cold, after: 10d, bucket: {type: FILESYSTEM, config: {directory: %[1]s/cold}}}
  archive: {bucket: {type: FILESYSTEM, config: {directory: %[1]s/archive}}, after: 1h}
`, places)).Start()
	now := time.Now()
	const each = 500
	for i, age := range []time.Duration{20 * 24 * time.Hour, 5 * 24 * time.Hour, time.Minute} {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("aged-", i))
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for n := range each {
			lr := records.AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-age + time.Duration(n)*time.Microsecond)))
			lr.Body().SetStr(fmt.Sprintf("line %d of %d", n, i))
		}
		body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		if code, text, err := h.Post(t.Context(), h.OTLP+"/v1/logs", proto, body); err != nil || code != http.StatusOK {
			t.Fatalf("%d %s %v", code, text, err)
		}
	}
	// A stop flushes; what is old is merged and moves after the start.
	h.Stop()
	h.Start()
	cold, warm := filepath.Join(places, "cold"), filepath.Join(places, "warm")
	harness.Eventually(t, time.Minute, "moves", func() bool {
		return len(parquetIn(t, cold)) == 1 && len(parquetIn(t, warm)) == 1 && len(parquetIn(t, filepath.Join(places, "archive"))) == 2 &&
			len(parquetIn(t, filepath.Join(h.Dir, "data", "logs", "segments"))) == 1
	})
	for _, f := range parquetIn(t, filepath.Join(places, "archive")) {
		if !strings.HasPrefix(f, "signal=logs/year=20") || strings.Count(f, "/") != 4 {
			t.Errorf("archived as %s", f)
		}
	}
	want := map[string]float64{"aged-0": each, "aged-1": each, "aged-2": each}
	count := func() map[string]float64 {
		return h.LogQL(`sum by (service_name) (count_over_time({service_name=~"aged-.*"}[29d]))`, "service_name", time.Now())
	}
	if got := count(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	wantExport := func(args ...string) {
		t.Helper()
		out, err := exec.Command(filepath.Join(harness.Binaries(t), "hinomi"), append([]string{"export", "--signal", "logs", "--query", `{service_name=~"aged-.*"}`}, args...)...).Output()
		if err != nil {
			t.Fatalf("export: %v", err)
		}
		seen := map[string]bool{}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		for _, l := range lines {
			_, rest, _ := strings.Cut(l, `"body":"`)
			body, _, _ := strings.Cut(rest, `"`)
			seen[body] = true
		}
		if len(lines) != 3*each || len(seen) != 3*each || !seen["line 499 of 0"] {
			t.Fatalf("export has %d lines, %d different", len(lines), len(seen))
		}
	}
	wantExport("--url", h.Base)
	// The bucket is gone: what is here is right, the answer says what it lacks.
	away := filepath.Join(places, "away")
	if err := os.Rename(cold, away); err != nil {
		t.Fatal(err)
	}
	h.Stop()
	if err := os.RemoveAll(filepath.Join(h.Dir, "data", "logs", "cache")); err != nil {
		t.Fatal(err)
	}
	h.Start()
	code, body := h.Get("/loki/api/v1/query_range?limit=5000&since=29d&query=%7Bservice_name%3D~%22aged-.*%22%7D")
	if n := strings.Count(string(body), " of 0"); code != http.StatusOK || n != 0 || strings.Count(string(body), " of 1")+strings.Count(string(body), " of 2") != 2*each ||
		!strings.Contains(string(body), "object store or directory that does not answer") {
		t.Errorf("%d: %d rows of the bucket, %.300s", code, n, body)
	}
	if err := os.Rename(away, cold); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 30*time.Second, "the bucket to be back", func() bool { return fmt.Sprint(count()) == fmt.Sprint(want) })
	h.Stop()
	wantExport("--config", h.ConfigFile)
	left := parquetIn(t, filepath.Join(h.Dir, "data", "logs", "segments"))
	if both := append(parquetIn(t, cold), parquetIn(t, warm)...); len(left) != 1 || len(both) != 2 || !slices.IsSorted(left) {
		t.Errorf("files: %v, %v", left, both)
	}
}
