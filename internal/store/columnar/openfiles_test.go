package columnar

import (
	"context"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// countingFS counts how many segment files are open for reading, and the most.
type countingFS struct {
	vfs.FS
	open, most, opens atomic.Int64
}

func (c *countingFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, opts...)
	if err != nil || !strings.HasSuffix(name, ".parquet") {
		return f, err
	}
	c.opens.Add(1)
	n := c.open.Add(1)
	for m := c.most.Load(); n > m && !c.most.CompareAndSwap(m, n); m = c.most.Load() {
	}
	return &countedFile{File: f, fs: c}, nil
}

type countedFile struct {
	vfs.File
	fs   *countingFS
	once sync.Once
}

func (f *countedFile) Close() error {
	f.once.Do(func() { f.fs.open.Add(-1) })
	return f.File.Close()
}

// countedRoom is a Room that must come out even.
type countedRoom struct{ used atomic.Int64 }

func (r *countedRoom) Take(n int64) bool { r.used.Add(n); return true }
func (r *countedRoom) Hold(n int64)      { r.used.Add(n) }
func (r *countedRoom) Give(n int64)      { r.used.Add(-n) }

func manySegments(t *testing.T, opts Options, n int) *Table {
	t.Helper()
	opts.MergeAfter = 10 * n
	tab := openTable(t, opts)
	for i := range n {
		if err := add(tab, 2*i, 2*i+1); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return tab
}

// TestOpenSegmentsAreBounded queries several hundred segments at once and one by
// one, with room for eight.
func TestOpenSegmentsAreBounded(t *testing.T) {
	const segments, most = 300, 8
	fs, room := &countingFS{FS: vfs.NewMem()}, &countedRoom{}
	opts := testOptions(fs)
	opts.OpenFiles = NewOpenFiles(most, 0, room)
	tab := manySegments(t, opts, segments)
	check := func() {
		t.Helper()
		got, stats := ids(t, tab)
		if len(got) != 2*segments || stats.Quarantined+stats.Unreachable > 0 {
			t.Errorf("%d of %d rows, %+v", len(got), 2*segments, stats)
		}
	}
	check()
	if files, bytes, evicted := opts.OpenFiles.Stats(); files > most || bytes != room.used.Load() || evicted < segments-most {
		t.Fatalf("%d files open, %d bytes of %d counted, %d were closed", files, bytes, room.used.Load(), evicted)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(check)
	}
	for i := range segments {
		ts := testNow.UnixNano() - int64(2*i)*1e9
		n := 0
		_, err := tab.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{From: ts - 1e9, To: ts + 1, Columns: []store.ColumnRef{store.Col("id")}}, func(b *store.Batch) error {
			n += b.N
			return nil
		})
		if err != nil || n != 2 {
			t.Errorf("segment %d: %d rows, %v", i, n, err)
		}
	}
	if _, err := tab.Columns(context.Background(), model.ScopeAll(), math.MinInt64, math.MaxInt64); err != nil {
		t.Error(err)
	}
	wg.Wait()
	// Five scans, each with a worker per core that has one in use.
	if m := fs.most.Load(); m > most+64 {
		t.Errorf("%d segments were open at once", m)
	}
	if files, _, _ := opts.OpenFiles.Stats(); files > most || int64(files) != fs.open.Load() {
		t.Errorf("%d segments are listed as open, %d are", files, fs.open.Load())
	}
	if err := tab.CompactNow(); err != nil {
		t.Fatal(err)
	}
	check()
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	if n := fs.open.Load(); n != 0 || room.used.Load() != 0 {
		t.Errorf("%d files and %d bytes are left of a closed table", n, room.used.Load())
	}
}

// TestOpenSegmentsAreBoundedByBytes has room for the directories of a few.
func TestOpenSegmentsAreBoundedByBytes(t *testing.T) {
	const segments = 50
	opts := testOptions(vfs.NewMem())
	opts.OpenFiles = NewOpenFiles(1000, 1, nil)
	tab := manySegments(t, opts, segments)
	got, _ := ids(t, tab)
	if files, bytes, _ := opts.OpenFiles.Stats(); len(got) != 2*segments || files != 0 || bytes != 0 {
		t.Fatalf("%d rows, %d files with %d bytes", len(got), files, bytes)
	}
}

// TestDamageIsRememberedOfClosedSegments reports a damaged row group once, however
// often its segment is opened.
func TestDamageIsRememberedOfClosedSegments(t *testing.T) {
	fs := vfs.NewMem()
	opts := testOptions(fs)
	tab := manySegments(t, opts, 3)
	var file string
	var at int64
	for _, s := range tab.segments {
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		file = fs.PathJoin(opts.Dir, s.File)
		at = s.file.Groups[0].Chunks[s.file.Column("id")].Pages[0].Offset
		s.unpin()
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	data := readFile(t, fs, file)
	data[at+20] ^= 1
	writeFile(t, fs, file, data)
	opts.OpenFiles = NewOpenFiles(1000, 1, nil)
	tab = openTable(t, opts)
	for range 3 {
		if got, stats := ids(t, tab); len(got) != 4 || stats.Quarantined == 0 {
			t.Fatalf("%d rows, %+v", len(got), stats)
		}
	}
	if files, _, _ := opts.OpenFiles.Stats(); files != 0 {
		t.Errorf("%d files are open", files)
	}
	if n := len(tab.Damages()); n != 1 {
		t.Errorf("damage is reported %d times", n)
	}
	damaged := 0
	for _, s := range tab.segments {
		if s.damaged() {
			damaged++
		}
	}
	if damaged != 1 {
		t.Errorf("%d segments are known to be damaged", damaged)
	}
}
