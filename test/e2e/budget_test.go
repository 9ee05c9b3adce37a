package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hinomi/test/harness"
)

// idleMemoryBudget is ARCHITECTURE's, with the UI, all rules and host metrics on.
const idleMemoryBudget = 100 << 20

// TestIdleMemoryAndStart prints the budgets of an idle process; the memory is
// asserted, the time is only printed, because machines are shared.
func TestIdleMemoryAndStart(t *testing.T) {
	h := harness.New(t, "")
	harness.Binaries(t)
	began := time.Now()
	h.Start()
	took := time.Since(began)
	// The first evaluations and scrapes belong to an idle process.
	rss := int64(0)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		rss = max(rss, residentBytes(t, h.PID()))
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("budget: start on an empty disk %s (≤ 1 s), idle memory %d MB (≤ 100 MB)", took.Round(time.Millisecond), rss>>20)
	if rss > idleMemoryBudget {
		t.Errorf("idle memory is %d MB", rss>>20)
	}
}

// residentBytes is the resident memory of a process, the binary's own pages included.
func residentBytes(t *testing.T, pid int) int64 {
	t.Helper()
	return statusBytes(t, pid, "VmRSS:")
}

// statusBytes is a size in the process's status.
func statusBytes(t *testing.T, pid int, field string) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if v, ok := strings.CutPrefix(line, field); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s in the process status", field)
	return 0
}

func TestCommandLine(t *testing.T) {
	bin := filepath.Join(harness.Binaries(t), "hinomi")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("logs: {retenton: 3d}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := harness.New(t, "").Start()
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"version"}, 0, "hinomi "},
		{[]string{"check", "config", h.ConfigFile}, 0, "is valid"},
		{[]string{"check", "config", bad}, 1, `did you mean "retention"?`},
		{[]string{"serve", "--config", bad}, 1, `did you mean "retention"?`},
		{[]string{"serve", "--config", "/does/not/exist"}, 1, "open the configuration"},
		{[]string{"serve", "--config", h.ConfigFile}, 1, "in use by another Hinomi"},
		{[]string{"serve", "--config", h.ConfigFile, "--data", t.TempDir()}, 1, "another process listens there"},
		{[]string{"serve", "--data", "/proc/nothing"}, 1, "choose a directory that this user can write"},
		{[]string{"frobnicate"}, 2, "unknown command"},
	} {
		out, err := exec.Command(bin, c.args...).CombinedOutput()
		code := 0
		if err != nil {
			code = err.(*exec.ExitError).ExitCode()
		}
		if code != c.code || !strings.Contains(string(out), c.text) {
			t.Errorf("hinomi %s: exit code %d, want %d\n%s", strings.Join(c.args, " "), code, c.code, out)
		}
		if c.code == 1 && strings.Count(strings.TrimSpace(string(out)), "\n") > 0 {
			t.Errorf("hinomi %s: more than one line:\n%s", strings.Join(c.args, " "), out)
		}
	}
	if code, _ := h.Get("/-/ready"); code != 200 {
		t.Error("the running process was disturbed")
	}
}
