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

	"hinomi/internal/model"
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
	o.ReceiptWindow = time.Hour
	return o
}

// TestKilledProcess is the process that is killed, and its sender: it appends until
// then and writes down what was acknowledged. It begins with the request that was
// under way when it was killed last, as a sender that lost the answer does.
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
		id := tab.RequestID(model.ScopeAll(), fmt.Append(nil, next))
		next += len(batch)
		if _, ok := tab.Receipt(id); ok {
			fmt.Println("duplicate", next)
			continue
		}
		err := addRequest(tab, id, batch...)
		for errors.Is(err, store.ErrOverloaded) {
			// As a sender would: the same rows again, later.
			err = errors.Join(tab.Flush(), addRequest(tab, id, batch...))
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("acknowledged", next)
	}
}

// TestNothingIsLostByKilling kills a process at 1,000 random moments. Its sender
// sends again what was not acknowledged: every row is there exactly once.
func TestNothingIsLostByKilling(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var dir string
	upTo, duplicates := 0, 0 // Ids below upTo are acknowledged.
	for kill := range kills {
		if kill%100 == 0 {
			// A fresh table now and then keeps recovery from dominating.
			dir, upTo = filepath.Join(t.TempDir(), "table"), 0
		}
		n := 0
		upTo, n = killOnce(t, dir, upTo, time.Duration(rng.Int64N(int64(12*time.Millisecond))))
		duplicates += n
		if kill%20 == 19 {
			checkLedger(t, dir, upTo)
		}
	}
	if duplicates == 0 {
		t.Errorf("no kill of %d came between storing and answering", kills)
	}
	t.Logf("%d requests were stored and not answered", duplicates)
}

// killOnce starts the process and kills it some time after its first answer. It
// returns up to where rows are acknowledged now, and how many requests were
// recognized.
func killOnce(t *testing.T, dir string, from int, after time.Duration) (upTo, duplicates int) {
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
	upTo = from
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); {
		word := ""
		if _, err := fmt.Sscan(lines.Text(), &word, &upTo); err != nil || word != "acknowledged" && word != "duplicate" {
			t.Fatalf("the process says %q", lines.Text())
		}
		if word == "duplicate" {
			duplicates++
		}
		if first {
			first = false
			time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return upTo, duplicates
}

// checkLedger checks that the ids below upTo are there once, and none above but
// those of the request that was under way.
func checkLedger(t *testing.T, dir string, upTo int) {
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
	if !slices.Equal(got, count(len(got))) || len(got) != upTo && len(got) != upTo+25 {
		t.Fatalf("%d rows are there, %d were acknowledged", len(got), upTo)
	}
}
