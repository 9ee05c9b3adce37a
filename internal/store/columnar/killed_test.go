package columnar

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/store"
)

// kills is how often the process is killed.
const kills = 1000

// killedDir names, in the process that is killed, the table's directory; the
// first id follows in killedFrom.
const killedDir, killedFrom = "HINOMI_TEST_KILLED_DIR", "HINOMI_TEST_KILLED_FROM"

func killedOptions(dir string) Options {
	o := testOptions(vfs.Default)
	o.Dir = dir
	o.MemtableBytes = 24 << 10 // Flushes and merges happen all the time.
	return o
}

// TestKilledProcess is the process that is killed: it appends until then and
// writes down what was acknowledged.
func TestKilledProcess(t *testing.T) {
	dir := os.Getenv(killedDir)
	if dir == "" {
		return // Run by TestNothingIsLostByKilling.
	}
	next, err := strconv.Atoi(os.Getenv(killedFrom))
	if err != nil {
		t.Fatal(err)
	}
	tab, err := Open(killedOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch := count(25)
		for i := range batch {
			batch[i] += next
		}
		next += len(batch)
		err := add(tab, batch...)
		for errors.Is(err, store.ErrOverloaded) {
			// As a sender would: the same rows again, later.
			err = errors.Join(tab.Flush(), add(tab, batch...))
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("acknowledged", next)
	}
}

// TestNothingIsLostByKilling kills a process at 1,000 random moments: every row
// that was acknowledged is there afterwards, and none twice.
func TestNothingIsLostByKilling(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var dir string
	var acked []int // sorted
	from := 0
	for kill := range kills {
		if kill%100 == 0 {
			// A fresh table now and then keeps recovery from dominating.
			dir, acked, from = filepath.Join(t.TempDir(), "table"), nil, 0
		}
		acked = append(acked, killOnce(t, dir, from, time.Duration(rng.Int64N(int64(12*time.Millisecond))))...)
		// What was under way may be there too: its ids are not used again.
		// All of them lie within the retention, a second apart.
		from += 20_000
		if kill%20 == 19 {
			checkLedger(t, dir, acked)
		}
	}
}

// killOnce starts the process, kills it some time after its first
// acknowledgement and returns the acknowledged ids.
func killOnce(t *testing.T, dir string, from int, after time.Duration) []int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killedDir+"="+dir, fmt.Sprint(killedFrom, "=", from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	upTo, lines := from, bufio.NewScanner(out)
	for first := true; lines.Scan(); {
		n := 0
		if _, err := fmt.Sscanf(lines.Text(), "acknowledged %d", &n); err != nil {
			t.Fatalf("the process says %q", lines.Text())
		}
		upTo = n
		if first {
			first = false
			time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended by itself: %v", err)
	}
	ids := count(upTo - from)
	for i := range ids {
		ids[i] += from
	}
	return ids
}

func checkLedger(t *testing.T, dir string, acked []int) {
	t.Helper()
	tab, err := Open(killedOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	got, stats := ids(t, tab)
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	if stats.Quarantined != 0 {
		t.Fatalf("a kill is not damage: %+v", stats)
	}
	if dup := duplicate(got); dup >= 0 {
		t.Fatalf("row %d is there twice", dup)
	}
	for _, id := range acked {
		if _, ok := slices.BinarySearch(got, id); !ok {
			t.Fatalf("acknowledged row %d is lost", id)
		}
	}
}
