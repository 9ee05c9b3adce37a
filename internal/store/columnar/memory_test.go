package columnar

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestRoomForRowsIsShared refuses rows of one table while another has the memory,
// takes them when that is flushed, and loses nothing.
func TestRoomForRowsIsShared(t *testing.T) {
	room := &boundedRoom{left: 8 << 10}
	opts := testOptions(vfs.NewMem())
	opts.Memory.Rows = room
	a := openTable(t, opts)
	opts.Dir, opts.Registerer = "/other", nil
	b := openTable(t, opts)
	n := 0
	for ; add(a, n) == nil; n++ {
	}
	err := add(b, 0)
	if n == 0 || err == nil || !store.Retryable(err) {
		t.Fatalf("after %d rows of the other table: %v", n, err)
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := add(b, 0); err != nil {
		t.Fatalf("there is room again: %v", err)
	}
	if got, _ := ids(t, a); len(got) != n {
		t.Errorf("%d of %d rows", len(got), n)
	}
	for _, tab := range []*Table{a, b} {
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if room.left != 8<<10 {
		t.Errorf("%d bytes are not given back", 8<<10-room.left)
	}
}

type boundedRoom struct {
	mu   sync.Mutex
	left int64
}

func (r *boundedRoom) Take(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > r.left {
		return false
	}
	r.left -= n
	return true
}

func (r *boundedRoom) Hold(n int64) {
	r.mu.Lock()
	r.left -= n
	r.mu.Unlock()
}
func (r *boundedRoom) Give(n int64) { r.Hold(-n) }

// TestQueriesShareMemory ends a scan when others have the memory, in a way that says
// what to do, and goes on when they have not.
func TestQueriesShareMemory(t *testing.T) {
	room := &boundedRoom{left: 1 << 20}
	opts := testOptions(vfs.NewMem())
	opts.Memory.Queries = room
	tab := openTable(t, opts)
	if err := add(tab, count(100)...); err != nil {
		t.Fatal(err)
	}
	room.Hold(1 << 20)
	_, err := tab.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{From: math.MinInt64, To: math.MaxInt64, Columns: []store.ColumnRef{store.Col("id")}}, func(*store.Batch) error { return nil })
	if !errors.Is(err, store.ErrMemory) || !strings.Contains(err.Error(), "limits.memory") {
		t.Errorf("without memory: %v", err)
	}
	room.Give(1 << 20)
	if got, _ := ids(t, tab); len(got) != 100 {
		t.Errorf("%d of 100 rows", len(got))
	}
	if room.left != 1<<20 {
		t.Errorf("%d bytes are not given back", 1<<20-room.left)
	}
}

// TestMergesWaitForMemory holds up a merge until there is room, and ends it with the
// table.
func TestMergesWaitForMemory(t *testing.T) {
	room := &boundedRoom{}
	opts := testOptions(vfs.NewMem())
	opts.Memory.Merges = room
	tab := openTable(t, opts)
	for i := range opts.MergeAfter {
		if err := add(tab, i); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	merged := make(chan error)
	go func() { merged <- tab.CompactNow() }()
	select {
	case err := <-merged:
		t.Fatalf("a merge did not wait: %v", err)
	default:
	}
	room.Give(1 << 30)
	if err := <-merged; err != nil {
		t.Fatal(err)
	}
	if s := tab.Stats(); s.Segments != 1 || room.left != 1<<30 {
		t.Errorf("%d segments, %d bytes of room", s.Segments, room.left)
	}
	room.Hold(1 << 30)
	for i := range opts.MergeAfter {
		if err := add(tab, i); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.Close(); err != nil {
		t.Error(err)
	}
}
