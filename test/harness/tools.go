package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var tools struct {
	once sync.Once
	dir  string
	err  error
}

// Tool runs promtool or amtool and returns what it printed and its error. They
// are built once per test process, by the module in test/tools.
func Tool(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	tools.once.Do(func() {
		if tools.dir, tools.err = os.MkdirTemp("", "hinomi-test-tools"); tools.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", tools.dir+"/", "github.com/prometheus/prometheus/cmd/promtool", "github.com/prometheus/alertmanager/cmd/amtool")
		cmd.Dir = filepath.Join(Root(), "test", "tools")
		if out, err := cmd.CombinedOutput(); err != nil {
			tools.err = fmt.Errorf("build promtool and amtool: %w\n%s", err, out)
		}
	})
	if tools.err != nil {
		t.Fatal(tools.err)
	}
	cmd := exec.Command(filepath.Join(tools.dir, name), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// CleanupTools removes what Tool built; call it from TestMain.
func CleanupTools() {
	if tools.dir != "" {
		_ = os.RemoveAll(tools.dir)
	}
}
