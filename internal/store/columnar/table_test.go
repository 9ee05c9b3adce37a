package columnar

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	testNow    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	testSchema = Schema{
		Name: "test",
		Fields: []Field{
			{Name: store.ColTime, Kind: store.KindInt, Delta: true},
			{Name: store.ColProduct, Kind: store.KindString},
			{Name: store.ColResource, Kind: store.KindString},
			{Name: store.ColScopeInf, Kind: store.KindString},
			{Name: "id", Kind: store.KindString, Plain: true, Words: true},
			{Name: store.ColTraceID, Kind: store.KindBytes, Exact: true},
		},
		Time: store.ColTime,
	}
)

func testOptions(fs vfs.FS) Options {
	return Options{FS: fs, Dir: "/table", Schema: &testSchema, Now: func() time.Time { return testNow }, MergeAfter: 4}
}

func openTable(t testing.TB, opts Options) *Table {
	t.Helper()
	tab, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	return tab
}

// add appends rows with the given ids.
func add(tab *Table, ids ...int) error { return tab.Append(fill(tab, ids)) }

// addRequest appends rows as those of one request.
func addRequest(tab *Table, id store.RequestID, ids ...int) error {
	return tab.AppendRequest(store.WithRequestID(context.Background(), id), fill(tab, ids), store.WriteResult{Stored: len(ids)})
}

func fill(tab *Table, ids []int) *Builder {
	b := tab.NewBuilder()
	for _, id := range ids {
		b.Int(0, testNow.Add(-time.Duration(id)*time.Second).UnixNano())
		b.Str(2, fmt.Sprintf(`{"n":%d}`, id%5))
		b.Str(4, fmt.Sprintf("row-%d is a row with a long name %016d", id, id))
		b.Bytes(5, fmt.Sprintf("%016d", id))
		b.AttrInt("n", int64(id))
		if id%3 == 0 {
			b.AttrStr("third", fmt.Sprint("v", id%4))
		}
		b.AttrJSON("list", []byte("[1,2]"))
		b.Next()
	}
	return b
}

// ids reads the ids of all rows, with the checks that each row is whole.
func ids(t testing.TB, tab *Table) ([]int, store.ScanStats) {
	t.Helper()
	var out []int
	stats, err := tab.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{From: 0, To: 1 << 62, Columns: []store.ColumnRef{
		store.Col("id"), {Scope: store.Attr, Name: "n"}, {Scope: store.Attr, Name: "list"}, store.Col(store.ColTraceID),
	}}, func(b *store.Batch) error {
		for i := range b.N {
			var id int
			if _, err := fmt.Sscanf(b.Cols[0].Str(i), "row-%d", &id); err != nil {
				return err
			}
			if n := b.Cols[1].Value(i); n.Int != int64(id) || n.Kind != store.KindInt {
				return fmt.Errorf("row %d has n=%v", id, n)
			}
			if l := b.Cols[2].Value(i); l.Str != "[1,2]" {
				return fmt.Errorf("row %d has list=%v", id, l)
			}
			if x := b.Cols[3].Str(i); x != fmt.Sprintf("%016d", id) {
				return fmt.Errorf("row %d has trace id %q", id, x)
			}
			out = append(out, id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out, stats
}

func count(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestAcknowledgedRowsSurviveTheLossOfUnsyncedBytes loses every byte that was
// not synced at 1,000 moments of appends, flushes and merges.
func TestAcknowledgedRowsSurviveTheLossOfUnsyncedBytes(t *testing.T) {
	for round := range 25 {
		loseUnsyncedBytes(t, uint64(round))
	}
}

func loseUnsyncedBytes(t *testing.T, seed uint64) {
	fs := vfs.NewCrashableMem()
	opts := testOptions(fs)
	opts.MemtableBytes = 64 << 10 // Flushes and compactions happen all the time.
	tab := openTable(t, opts)
	rng := rand.New(rand.NewPCG(1, seed))
	var mu sync.Mutex
	acked := []int{}
	next := 0
	var wg sync.WaitGroup
	clones := make(chan struct {
		fs    *vfs.MemFS
		acked []int
	}, 64)
	for range 4 {
		wg.Go(func() {
			for range 60 {
				mu.Lock()
				batch := count(20)
				for i := range batch {
					batch[i] += next
				}
				next += 20
				mu.Unlock()
				err := add(tab, batch...)
				for errors.Is(err, store.ErrOverloaded) {
					// As a sender would: the same rows again, later.
					err = errors.Join(tab.Flush(), add(tab, batch...))
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked = append(acked, batch...)
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for n := range 40 {
			// Spread over the whole run: a clone of an empty table proves nothing.
			for enough := false; !enough; {
				mu.Lock()
				enough = len(acked) >= n*4800/40
				mu.Unlock()
				runtime.Gosched()
			}
			// What was acknowledged before the crash has to be there after it.
			mu.Lock()
			before := slices.Clone(acked)
			mu.Unlock()
			clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
			clones <- struct {
				fs    *vfs.MemFS
				acked []int
			}{clone, before}
			mu.Lock()
			flush := rng.IntN(3) == 0
			mu.Unlock()
			if flush {
				if err := tab.Flush(); err != nil {
					t.Error(err)
				}
			}
		}
		close(clones)
	})
	most := 0
	for c := range clones {
		most = max(most, len(c.acked))
		opts := testOptions(c.fs)
		crashed, err := Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		got, stats := ids(t, crashed)
		if stats.Quarantined != 0 || len(crashed.Damages()) != 0 {
			t.Fatalf("a crash is not damage: %+v %+v", stats, crashed.Damages())
		}
		if dup := duplicate(got); dup >= 0 {
			t.Fatalf("row %d is there twice after a crash", dup)
		}
		for _, id := range c.acked {
			if _, ok := slices.BinarySearch(got, id); !ok {
				t.Fatalf("acknowledged row %d of %d is lost, %d are there", id, len(c.acked), len(got))
			}
		}
		if err := crashed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if most < 4000 {
		t.Fatalf("the last crash came after %d acknowledged rows", most)
	}
}

func duplicate(sorted []int) int {
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return sorted[i]
		}
	}
	return -1
}

func TestReopenFlushCompactRetention(t *testing.T) {
	fs := vfs.NewMem()
	opts := testOptions(fs)
	now := testNow
	opts.Now = func() time.Time { return now }
	tab := openTable(t, opts)
	const n = 4000
	for from := 0; from < n; from += 500 {
		batch := count(500)
		for i := range batch {
			batch[i] += from
		}
		if err := add(tab, batch...); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.compact(testNow); err != nil {
		t.Fatal(err)
	}
	if st := tab.Stats(); st.Segments >= 8 || st.Rows != n {
		t.Fatalf("compaction did nothing: %+v", st)
	}
	if got, _ := ids(t, tab); !slices.Equal(got, count(n)) {
		t.Fatalf("after compaction %d rows", len(got))
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	tab = openTable(t, opts)
	if got, _ := ids(t, tab); !slices.Equal(got, count(n)) {
		t.Fatalf("after reopening %d rows", len(got))
	}
	now = testNow.Add(DefaultRetention + 48*time.Hour)
	if err := tab.expire(now); err != nil {
		t.Fatal(err)
	}
	if got, _ := ids(t, tab); len(got) != 0 {
		t.Fatalf("%d rows outlived the retention", len(got))
	}
	names, err := fs.List("/table/segments/2026-11-21T00")
	if err != nil || len(names) != 0 {
		t.Fatalf("files of expired segments remain: %v %v", names, err)
	}
}

// TestFlippedBitsAreFoundAndReported flips bits in every part of a segment as it
// comes from the memtable, and of one that was merged and has indexes.
func TestFlippedBitsAreFoundAndReported(t *testing.T) {
	for _, merged := range []bool{false, true} {
		base := vfs.NewMem()
		tab := openTable(t, testOptions(base))
		n, file := 300, "/table/segments/2026-11-21T00/000000000001.parquet"
		if merged {
			file = "/table/segments/2026-11-21T00/000000000005.parquet"
			n = 4 * 300
			for i := range 4 {
				if err := errors.Join(add(tab, count(n)[i*300:(i+1)*300]...), tab.Flush()); err != nil {
					t.Fatal(err)
				}
			}
			if err := tab.compact(testNow); err != nil {
				t.Fatal(err)
			}
		} else if err := add(tab, count(n)...); err != nil {
			t.Fatal(err)
		}
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
		data := readFile(t, base, file)
		for pos := 0; pos < len(data); pos += 1 + len(data)/400 {
			broken := slices.Clone(data)
			broken[pos] ^= 1 << (pos % 8)
			writeFile(t, base, file, broken)
			flippedBit(t, base, pos, n)
		}
	}
}

// flippedBit opens a table of n rows with a flipped bit: it starts, and answers
// right or says what is missing. Searches go through the indexes.
func flippedBit(t *testing.T, base vfs.FS, pos, n int) {
	t.Helper()
	tab, err := Open(testOptions(base))
	if err != nil {
		t.Fatalf("bit %d stops the start: %v", pos, err)
	}
	defer func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, where := range []store.Pred{
		store.Contains{Col: store.Col("id"), Sub: "row-7 is a row with a long name 0000000000000007"},
		store.Cmp{Col: store.Col(store.ColTraceID), Op: store.Eq, Val: store.Bytes([]byte(fmt.Sprintf("%016d", 7)))},
	} {
		found := 0
		stats, err := tab.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Where: where}, func(b *store.Batch) error {
			found += b.N
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if found != 1 && stats.Quarantined == 0 {
			t.Fatalf("bit %d: %d rows for %v and no word about it", pos, found, where)
		}
	}
	got, stats := ids(t, tab)
	if !slices.Equal(got, count(n)) && (stats.Quarantined == 0 || len(tab.Damages()) == 0) {
		t.Fatalf("bit %d: %d of %d rows and no word about it", pos, len(got), n)
	}
}

func TestDamagedWALIsKeptAndReported(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, testOptions(fs))
	for i := range 10 {
		if err := add(tab, i); err != nil {
			t.Fatal(err)
		}
	}
	// What a crash leaves: the files as they are now.
	file := "/table/wal/" + walName(1)
	data := readFile(t, fs, file)
	manifest := readFile(t, fs, "/table/"+manifestName)
	crashed := vfs.NewMem()
	for _, d := range []string{"/table/wal", "/table/segments"} {
		if err := crashed.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, crashed, "/table/"+manifestName, manifest)
	broken := slices.Clone(data)
	broken[len(data)/2] ^= 4
	writeFile(t, crashed, file, broken)
	tab2 := openTable(t, testOptions(crashed))
	got, _ := ids(t, tab2)
	if len(got) != 9 {
		t.Fatalf("one frame of ten is damaged, %d rows remain", len(got))
	}
	if d := tab2.Damages(); len(d) != 1 || !strings.Contains(d[0].Reason, "quarantine") {
		t.Fatalf("damages: %+v", d)
	}
	if !slices.Equal(readFile(t, crashed, "/table/quarantine/"+walName(1)), broken) {
		t.Fatal("the damaged WAL was not kept")
	}
}

func TestTornTailIsNoDamage(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, testOptions(fs))
	for i := range 3 {
		if err := add(tab, i); err != nil {
			t.Fatal(err)
		}
	}
	data := readFile(t, fs, "/table/wal/"+walName(1))
	torn := vfs.NewMem()
	if err := torn.MkdirAll("/table/wal", 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, torn, "/table/wal/"+walName(1), data[:len(data)-5])
	tab2 := openTable(t, testOptions(torn))
	if got, _ := ids(t, tab2); len(got) != 2 || len(tab2.Damages()) != 0 {
		t.Fatalf("rows %v, damages %v", got, tab2.Damages())
	}
}

// faulty is a file system whose writes or syncs fail while told so.
type faulty struct {
	vfs.FS
	mu          sync.Mutex
	write, sync error
	afterBytes  int // writes succeed until so many bytes were written
}

func (f *faulty) set(write, sync error, after int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write, f.sync, f.afterBytes = write, sync, after
}

func (f *faulty) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, fs: f}, nil
}

type faultyFile struct {
	vfs.File
	fs *faulty
}

func (f *faultyFile) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.write != nil {
		n := min(len(p), f.fs.afterBytes)
		f.fs.afterBytes -= n
		if n < len(p) {
			m, _ := f.File.Write(p[:n])
			return m, f.fs.write
		}
	}
	return f.File.Write(p)
}

func (f *faultyFile) Sync() error     { return f.synced(f.File.Sync) }
func (f *faultyFile) SyncData() error { return f.synced(f.File.SyncData) }

func (f *faultyFile) synced(sync func() error) error {
	f.fs.mu.Lock()
	err := f.fs.sync
	f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	return sync()
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	for _, after := range []int{0, 3, 20, 200, 4000} {
		fs := &faulty{FS: vfs.NewMem()}
		tab := openTable(t, testOptions(fs))
		if err := add(tab, 0, 1, 2); err != nil {
			t.Fatal(err)
		}
		want := []int{0, 1, 2}
		fs.set(syscall.ENOSPC, nil, after)
		refused := 0
		for i := 3; i < 40; i++ {
			err := add(tab, i)
			if err == nil {
				want = append(want, i)
				continue
			}
			refused++
			if !errors.Is(err, store.ErrNoSpace) || !store.Retryable(err) {
				t.Fatalf("after %d bytes: %v", after, err)
			}
			if got, _ := ids(t, tab); !slices.Equal(got, want) {
				t.Fatalf("reads do not go on: %v, want %v", got, want)
			}
		}
		if refused == 0 {
			t.Fatalf("after %d bytes nothing was refused", after)
		}
		if err := tab.Flush(); !errors.Is(err, store.ErrNoSpace) {
			t.Fatalf("flush on a full disk: %v", err)
		}
		fs.set(nil, nil, 0)
		if err := add(tab, 100); err != nil {
			t.Fatalf("space is back: %v", err)
		}
		want = append(want, 100)
		if err := tab.Flush(); err != nil {
			t.Fatalf("space is back: %v", err)
		}
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
		tab = openTable(t, testOptions(fs))
		if got, _ := ids(t, tab); !slices.Equal(got, want) {
			t.Fatalf("after reopening %v, want %v", got, want)
		}
	}
}

func TestFailedSyncIsNoAcknowledgement(t *testing.T) {
	fs := &faulty{FS: vfs.NewMem()}
	tab := openTable(t, testOptions(fs))
	if err := add(tab, 0); err != nil {
		t.Fatal(err)
	}
	fs.set(nil, syscall.EIO, 0)
	if err := add(tab, 1); !errors.Is(err, store.ErrStorage) || !store.Retryable(err) {
		t.Fatalf("EIO: %v", err)
	}
	if got, _ := ids(t, tab); !slices.Equal(got, []int{0}) {
		t.Fatalf("a row that was not acknowledged is visible: %v", got)
	}
	fs.set(nil, nil, 0)
	if err := add(tab, 2); err != nil {
		t.Fatal(err)
	}
	// The file was given up: its acknowledged rows move to a segment.
	deadline := time.Now().Add(10 * time.Second)
	for tab.Stats().Segments == 0 && time.Now().Before(deadline) {
		tab.poke()
	}
	if tab.Stats().Segments == 0 {
		t.Fatal("rows of the given-up WAL file were not moved to a segment")
	}
	if got, _ := ids(t, tab); !slices.Equal(got, []int{0, 2}) {
		t.Fatalf("rows %v", got)
	}
}

func TestOverloadIsRefused(t *testing.T) {
	fs := &faulty{FS: vfs.NewMem()}
	opts := testOptions(fs)
	opts.MemtableBytes = 4 << 10
	tab := openTable(t, opts)
	// Segments cannot be written, the WAL (already open) can.
	if err := add(tab, 0); err != nil {
		t.Fatal(err)
	}
	blocked := &blockedSegments{}
	tab.fs = blocked.wrap(tab.fs)
	var err error
	for i := 1; i < 2000 && err == nil; i++ {
		err = add(tab, i)
	}
	if !errors.Is(err, store.ErrOverloaded) {
		t.Fatalf("the memtable grew without bound: %v", err)
	}
	blocked.open()
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := add(tab, 5000); err != nil {
		t.Fatal(err)
	}
}

// blockedSegments makes the creation of segment files fail until it is opened.
type blockedSegments struct {
	vfs.FS
	mu   sync.Mutex
	free bool
}

func (b *blockedSegments) wrap(fs vfs.FS) vfs.FS { b.FS = fs; return b }

func (b *blockedSegments) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = true
}

func (b *blockedSegments) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	b.mu.Lock()
	free := b.free
	b.mu.Unlock()
	if !free && strings.Contains(name, segmentDir) {
		return nil, &os.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	return b.FS.Create(name, c)
}

func TestManyPartitionsAndSmallBatches(t *testing.T) {
	tab := openTable(t, testOptions(vfs.NewMem()))
	const n = 300
	for i := range n {
		b := tab.NewBuilder()
		day := i % 25
		b.Int(0, testNow.Add(-time.Duration(day)*24*time.Hour-time.Duration(i)*time.Second).UnixNano())
		b.Str(4, fmt.Sprint("row-", i))
		b.Bytes(5, fmt.Sprintf("%016d", i))
		b.AttrInt("n", int64(i))
		b.AttrJSON("list", []byte("[1,2]"))
		b.Next()
		if err := tab.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, st := ids(t, tab); st.UnitsScanned > n/4 {
		t.Errorf("small batches were not merged: %d units for %d rows", st.UnitsScanned, n)
	}
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, st := ids(t, tab); !slices.Equal(got, count(n)) || st.Segments != 25 && st.Segments != 26 {
		t.Fatalf("%d rows in %d segments", len(got), st.Segments)
	}
}

func readFile(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, st.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t testing.TB, fs vfs.FS, name string, data []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	// Under the race detector the in-memory file system scribbles over what was written.
	if _, err := f.Write(slices.Clone(data)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func FuzzDecodeBlock(f *testing.F) {
	b := NewBuilder(&testSchema)
	for i := range 5 {
		b.Int(0, int64(i))
		b.Str(4, "x")
		b.AttrFloat("f", 1.5)
		b.Next()
	}
	f.Add(b.finish(nil)[frameHead:])
	f.Fuzz(func(t *testing.T, data []byte) {
		blk, err := parseBlock(&testSchema, data)
		if err != nil || blk.check() != nil {
			return
		}
		for _, c := range blk.cols {
			v, err := blk.column(c.name)
			if err != nil {
				t.Fatal(err) // It was checked.
			}
			for i := range min(blk.n, 100) {
				_ = v.Value(i)
			}
		}
	})
}
