package columnar

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/thanos-io/objstore"
)

// stepped calls step before everything that changes the disk.
type stepped struct {
	vfs.FS
	step func(what string)
}

func (f *stepped) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.step("create " + name)
	file, err := f.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &steppedFile{file, f, name}, nil
}

func (f *stepped) Remove(name string) error {
	f.step("remove " + name)
	return f.FS.Remove(name)
}

func (f *stepped) Rename(from, to string) error {
	f.step("rename " + to)
	return f.FS.Rename(from, to)
}

func (f *stepped) MkdirAll(name string, mode os.FileMode) error {
	f.step("mkdir " + name)
	return f.FS.MkdirAll(name, mode)
}

func (f *stepped) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &steppedFile{file, f, name}, nil
}

type steppedFile struct {
	vfs.File
	fs   *stepped
	name string
}

func (f *steppedFile) Write(p []byte) (int, error) {
	f.fs.step("write " + f.name)
	return f.File.Write(p)
}

func (f *steppedFile) Sync() error {
	f.fs.step("sync " + f.name)
	return f.File.Sync()
}

// moment is what is on disk and in the bucket when the process dies.
type moment struct {
	what    string
	fs      *vfs.MemFS
	objects map[string][]byte
}

// bucketOf has the objects of a moment.
func bucketOf(t testing.TB, objects map[string][]byte) *objstore.InMemBucket {
	t.Helper()
	b := objstore.NewInMemBucket()
	for name, data := range objects {
		if err := b.Upload(context.Background(), name, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestMovesSurviveACrashAtEveryStep dies before and after every change of the disk
// and of the bucket while segments move on, with and without the bytes that were
// not synced. No row is lost or doubled, and no file is left over.
func TestMovesSurviveACrashAtEveryStep(t *testing.T) {
	const n = 2000
	for _, unsynced := range []int{0, 100} {
		t.Run(fmt.Sprintf("%d%% of unsynced bytes", unsynced), func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			inner := objstore.NewInMemBucket()
			var moments []moment
			recording := false
			rng := rand.New(rand.NewPCG(3, uint64(unsynced)))
			var mu sync.Mutex // the table's own rounds come beside the test's
			step := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				if recording {
					moments = append(moments, moment{what, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng}), inner.Objects()})
				}
			}
			fs := &stepped{FS: mem, step: func(what string) { step(what) }}
			bucket := &troubled{Bucket: inner}
			bucket.set(func(_ context.Context, op, name string) error {
				mu.Lock()
				if op == "upload" && recording {
					// An upload that dies half way may leave a part of the object.
					moments = append(moments, moment{"half " + name, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng}), half(inner.Objects(), name)})
				}
				mu.Unlock()
				step(op + " " + name)
				return nil
			})
			opts, now := tiered(fs, bucket)
			tab := openTable(t, opts)
			filled(t, tab, n)
			mu.Lock()
			recording = true
			mu.Unlock()
			now.Add(int64(warmAfter + 24*time.Hour))
			moveDue(t, tab)
			now.Add(int64(coldAfter))
			moveDue(t, tab)
			moveDue(t, tab)
			mu.Lock()
			recording = false
			mu.Unlock()
			if p := places(tab); p["cold"] == 0 || len(p) != 1 {
				t.Fatalf("places: %v", p)
			}
			if len(moments) < 40 {
				t.Fatalf("only %d moments", len(moments))
			}
			for _, m := range moments {
				dieAt(t, m, now.Load(), n)
			}
		})
	}
}

func half(objects map[string][]byte, name string) map[string][]byte {
	objects[name] = []byte("PAR1 half an object")
	return objects
}

func dieAt(t *testing.T, m moment, now int64, n int) {
	t.Helper()
	bucket := bucketOf(t, m.objects)
	opts, clock := tiered(m.fs, bucket)
	clock.Store(now)
	tab, err := Open(opts)
	if err != nil {
		t.Fatalf("at %q: %v", m.what, err)
	}
	defer func() {
		if err := tab.Close(); err != nil {
			t.Errorf("at %q: %v", m.what, err)
		}
	}()
	wantRows(t, tab, n, fmt.Sprintf("at %q", m.what))
	for range 2 {
		moveDue(t, tab)
	}
	wantRows(t, tab, n, fmt.Sprintf("at %q, moved on", m.what))
	if d := tab.Damages(); len(d) != 0 {
		t.Fatalf("at %q: a crash is not damage: %+v", m.what, d)
	}
	// Every file belongs to a segment, and every segment has its file.
	var want []string
	tab.mu.RLock()
	for _, s := range tab.segments {
		if s.Place != "cold" {
			t.Errorf("at %q: a segment is still in %q", m.what, s.Place)
		}
		want = append(want, "test/"+s.File)
	}
	strays := len(tab.state.strays)
	tab.mu.RUnlock()
	slices.Sort(want)
	got := objectsOf(t, bucket)
	slices.Sort(got)
	if !slices.Equal(got, want) || strays != 0 {
		t.Fatalf("at %q: objects %v, segments %v, %d strays", m.what, got, want, strays)
	}
	if left := append(filesUnder(m.fs, "/warm"), filesUnder(m.fs, "/table/segments")...); len(left) != 0 {
		t.Fatalf("at %q: left over: %v", m.what, left)
	}
}

// TestMovesBesideMergesAndScans moves while rows come, segments are merged, and
// scans hold files that are moved away under them.
func TestMovesBesideMergesAndScans(t *testing.T) {
	const n = 6000
	bucket := objstore.NewInMemBucket()
	opts, now := tiered(vfs.NewMem(), bucket)
	tab := openTable(t, opts)
	done := make(chan error, 3)
	stop := make(chan struct{})
	loop := func(work func() error) {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
				if err := work(); err != nil {
					done <- err
					return
				}
			}
		}
	}
	go loop(func() error {
		// Up to the age at which all is cold, lest the clock runs over.
		if now.Load() < testNow.Add(coldAfter+24*time.Hour).UnixNano() {
			now.Add(int64(3 * time.Hour))
		}
		return tab.MoveDue(context.Background())
	})
	go loop(tab.CompactNow)
	go loop(func() error {
		got, stats := ids(t, tab)
		if dup := duplicate(got); dup >= 0 || stats.Quarantined+stats.Unreachable > 0 {
			return fmt.Errorf("row %d is there twice, %+v", dup, stats)
		}
		return nil
	})
	for from := 0; from < n; from += 100 {
		if err := add(tab, count(n)[from:from+100]...); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	now.Add(int64(coldAfter + 24*time.Hour))
	if err := tab.CompactNow(); err != nil {
		t.Fatal(err)
	}
	moveDue(t, tab)
	moveDue(t, tab)
	wantRows(t, tab, n, "at the end")
	if p := places(tab); len(objectsOf(t, bucket)) != p["cold"] || p["cold"] == 0 {
		t.Fatalf("%v, objects %v", p, objectsOf(t, bucket))
	}
}

// TestRangeCache reads random parts of an object through the
// cache and compares them with the object.
func TestRangeCache(t *testing.T) {
	data := make([]byte, 5*rangeBytes+12345)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	inner := objstore.NewInMemBucket()
	if err := inner.Upload(t.Context(), "test/a-1.parquet", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	bucket := &troubled{Bucket: inner}
	requests := 0
	bucket.set(func(_ context.Context, op, _ string) error {
		requests++
		return nil
	})
	fs := vfs.NewMem()
	const budget = 3*rangeBytes + 4096
	cache := newRangeCache(fs, "/cache", budget)
	storage := newBucketStorage(t.Context(), bucket, "test", cache, prometheus.NewCounter(prometheus.CounterOpts{}))
	open := func() handle {
		h, err := storage.open("a-1.parquet", int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	read := func(h handle, off, n int) {
		t.Helper()
		p := make([]byte, n)
		got, err := h.ReadAt(p, int64(off))
		want := data[off:min(off+n, len(data))]
		if !bytes.Equal(p[:got], want) || (err != nil) != (len(want) < n) {
			t.Fatalf("%d bytes at %d: %d, %v", n, off, got, err)
		}
	}
	// One after the other: the second request already brings several ranges.
	sequential, err := newBucketStorage(t.Context(), bucket, "test", newRangeCache(vfs.NewMem(), "/cache", 1<<30), prometheus.NewCounter(prometheus.CounterOpts{})).open("a-1.parquet", int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(data); off += 100 << 10 {
		read(sequential, off, 100<<10)
	}
	if requests != 3 {
		t.Errorf("%d requests for a file of 6 ranges, read from its beginning", requests)
	}
	h := open()
	for range 300 {
		off := rng.IntN(len(data))
		read(h, off, 1+rng.IntN(2*rangeBytes))
	}
	size := int64(0)
	for _, f := range filesUnder(fs, "/cache") {
		st, err := fs.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += st.Size()
	}
	if size > budget || size != cache.size() || size < budget/2 {
		t.Errorf("the cache has %d bytes on disk and counts %d, its budget is %d", size, cache.size(), budget)
	}
	// A restart keeps it, but for objects that are not known any more and files
	// that are torn or damaged.
	for i, f := range filesUnder(fs, "/cache") {
		whole := readFile(t, fs, f)
		switch i {
		case 0:
			whole = whole[:len(whole)/2]
		case 1:
			whole[len(whole)-7] ^= 1
		}
		writeFile(t, fs, f, whole)
	}
	writeFile(t, fs, "/cache/b-2-000000.range", []byte("of another object"))
	writeFile(t, fs, "/cache/nonsense", []byte("x"))
	cache = newRangeCache(fs, "/cache", budget)
	cache.load(map[string]bool{"a-1": true})
	if files := filesUnder(fs, "/cache"); len(files) != len(cache.entries) || len(files) == 0 {
		t.Errorf("files %v, %d known", files, len(cache.entries))
	}
	storage = newBucketStorage(t.Context(), bucket, "test", cache, prometheus.NewCounter(prometheus.CounterOpts{}))
	h = open()
	for number := range 6 {
		read(h, number*rangeBytes, rangeBytes)
	}
	cache.drop("a-1")
	if files := filesUnder(fs, "/cache"); len(files) != 0 || cache.size() != 0 {
		t.Errorf("dropped: %v", files)
	}
}

// TestOneFetchServesEveryoneWhoWaits has many readers of one range; the first goes
// away while it waits.
func TestOneFetchServesEveryoneWhoWaits(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	inner := objstore.NewInMemBucket()
	if err := inner.Upload(t.Context(), "test/a-1.parquet", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	bucket := &troubled{Bucket: inner}
	asked, answer := make(chan struct{}, 64), make(chan struct{})
	bucket.set(func(ctx context.Context, _, _ string) error {
		asked <- struct{}{}
		select {
		case <-answer:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	h, err := newBucketStorage(t.Context(), bucket, "test", newRangeCache(vfs.NewMem(), "/cache", 1<<30), prometheus.NewCounter(prometheus.CounterOpts{})).open("a-1.parquet", int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := h.bound(ctx).ReadAt(make([]byte, 10), 0)
		first <- err
	}()
	<-asked
	others := make(chan error, 8)
	for range cap(others) {
		go func() {
			p := make([]byte, 16)
			_, err := h.ReadAt(p, 16)
			if err == nil && string(p) != "0123456789abcdef" {
				err = fmt.Errorf("read %q", p)
			}
			others <- err
		}()
	}
	cancel()
	if err := <-first; err == nil {
		t.Error("a query that ended got an answer")
	}
	<-asked
	close(answer)
	for range cap(others) {
		if err := <-others; err != nil {
			t.Error(err)
		}
	}
	if n := len(asked); n != 0 {
		t.Errorf("%d requests more than needed", n)
	}
	if _, err := h.ReadAt(make([]byte, 1), int64(len(data))); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}
