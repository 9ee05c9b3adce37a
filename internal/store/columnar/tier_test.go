package columnar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-kit/log"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
	"github.com/thanos-io/objstore/providers/s3"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// newS3 is a bucket on an S3 server in this process.
func newS3(t testing.TB) objstore.Bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("records"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	b, err := s3.NewBucketWithConfig(log.NewNopLogger(), s3.Config{
		Bucket: "records", Endpoint: strings.TrimPrefix(server.URL, "http://"), Region: "us-east-1",
		AccessKey: "a", SecretKey: "b", Insecure: true, BucketLookupType: s3.PathLookup, MaxRetries: 1, PartSize: 64 << 20,
	}, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func objectsOf(t testing.TB, b objstore.Bucket) (out []string) {
	t.Helper()
	if err := b.Iter(context.Background(), "", func(name string) error {
		out = append(out, name)
		return nil
	}, objstore.WithRecursiveIter()); err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	warmAfter = 2 * 24 * time.Hour
	coldAfter = 10 * 24 * time.Hour
)

// tiered are options with a warm directory and a cold bucket; now can be set.
func tiered(fs vfs.FS, b objstore.Bucket) (Options, *atomic.Int64) {
	opts := testOptions(fs)
	now := &atomic.Int64{}
	now.Store(testNow.UnixNano())
	opts.Now = func() time.Time { return time.Unix(0, now.Load()).UTC() }
	opts.Retention = 1000 * 24 * time.Hour
	opts.Tiers = []Tier{{After: warmAfter, Dir: "/warm"}, {Name: "cold", After: coldAfter, Bucket: b}}
	return opts, now
}

// filled adds n rows in merged segments of about 1,000.
func filled(t testing.TB, tab *Table, n int) {
	t.Helper()
	for from := 0; from < n; from += 250 {
		if err := errors.Join(add(tab, count(n)[from:min(from+250, n)]...), tab.Flush()); err != nil {
			t.Fatal(err)
		}
		if (from+250)%1000 == 0 {
			if err := tab.CompactNow(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// places counts the segments by place.
func places(tab *Table) map[string]int {
	tab.mu.RLock()
	defer tab.mu.RUnlock()
	out := map[string]int{}
	for _, s := range tab.segments {
		out[s.Place]++
	}
	return out
}

func moveDue(t testing.TB, tab *Table) {
	t.Helper()
	if err := tab.MoveDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantRows checks that rows 0 to n-1 are there once, and nothing is missing.
func wantRows(t testing.TB, tab *Table, n int, when string) {
	t.Helper()
	got, stats := ids(t, tab)
	if !slices.Equal(got, count(n)) || stats.Quarantined != 0 || stats.Unreachable != 0 {
		t.Fatalf("%s: %d rows, want %d; %+v", when, len(got), n, stats)
	}
}

func filesUnder(fs vfs.FS, dir string) (out []string) {
	names, err := fs.List(dir)
	if err != nil {
		return nil
	}
	for _, n := range names {
		full := fs.PathJoin(dir, n)
		if st, err := fs.Stat(full); err == nil && st.IsDir() {
			out = append(out, filesUnder(fs, full)...)
		} else {
			out = append(out, full)
		}
	}
	return out
}

// TestSegmentsMoveByAge follows segments from the table's directory to another one
// and to a bucket, and reads them at every step and after reopening.
func TestSegmentsMoveByAge(t *testing.T) {
	disk, err := filesystem.NewBucket(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, bucket := range map[string]objstore.Bucket{"memory": objstore.NewInMemBucket(), "filesystem": disk, "S3": newS3(t)} {
		t.Run(name, func(t *testing.T) {
			const n = 3000
			fs := vfs.NewMem()
			opts, now := tiered(fs, bucket)
			tab := openTable(t, opts)
			filled(t, tab, n)
			moveDue(t, tab)
			if p := places(tab); p[""] != 3 || len(p) != 1 {
				t.Fatalf("young segments moved: %v", p)
			}
			now.Add(int64(warmAfter + 24*time.Hour))
			moveDue(t, tab)
			if p := places(tab); p["dir:/warm"] != 3 || len(p) != 1 {
				t.Fatalf("not in the warm directory: %v", p)
			}
			if left := filesUnder(fs, "/table/segments"); len(left) != 0 {
				t.Fatalf("files of moved segments remain: %v", left)
			}
			wantRows(t, tab, n, "warm")
			now.Add(int64(coldAfter))
			moveDue(t, tab)
			moveDue(t, tab) // Erases what the last readers of the warm files left.
			if p := places(tab); p["cold"] == 0 || len(p) != 1 {
				t.Fatalf("not in the bucket: %v", p)
			}
			if left := filesUnder(fs, "/warm"); len(left) != 0 {
				t.Fatalf("files of moved segments remain: %v", left)
			}
			if got := objectsOf(t, bucket); len(got) != places(tab)["cold"] {
				t.Fatalf("objects %v", got)
			}
			wantRows(t, tab, n, "cold")
			wantRows(t, tab, n, "cold, from the cache")
			if err := tab.Close(); err != nil {
				t.Fatal(err)
			}
			tab = openTable(t, opts)
			wantRows(t, tab, n, "cold, reopened")
			// Searches go through the indexes in the bucket.
			for _, where := range []store.Pred{
				store.Contains{Col: store.Col("id"), Sub: "row-77 is a row with a long name 0000000000000077"},
				store.Cmp{Col: store.Col(store.ColTraceID), Op: store.Eq, Val: store.Bytes([]byte(fmt.Sprintf("%016d", 77)))},
			} {
				stats, err := tab.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Where: where}, func(*store.Batch) error { return nil })
				if err != nil || stats.RowsMatched != 1 {
					t.Fatalf("%v: %+v", err, stats)
				}
			}
			// Retention removes what is in the bucket too.
			now.Add(int64(opts.Retention))
			if err := tab.expire(opts.Now()); err != nil {
				t.Fatal(err)
			}
			moveDue(t, tab)
			if got := objectsOf(t, bucket); len(got) != 0 {
				t.Fatalf("expired objects remain: %v", got)
			}
			if left := filesUnder(fs, "/table/cache"); len(left) != 0 {
				t.Fatalf("ranges of expired objects remain: %v", left)
			}
		})
	}
}

// TestFewOldRowsAreMergedAndMove leaves one small segment of the memtable.
func TestFewOldRowsAreMergedAndMove(t *testing.T) {
	bucket := objstore.NewInMemBucket()
	opts, now := tiered(vfs.NewMem(), bucket)
	tab := openTable(t, opts)
	if err := errors.Join(add(tab, count(10)...), tab.Flush()); err != nil {
		t.Fatal(err)
	}
	now.Add(int64(warmAfter + 24*time.Hour))
	moveDue(t, tab)
	if p := places(tab); p[""] != 1 {
		t.Fatalf("a segment of the memtable moved: %v", p)
	}
	if err := tab.CompactNow(); err != nil {
		t.Fatal(err)
	}
	moveDue(t, tab)
	if p := places(tab); p["dir:/warm"] != 1 || len(p) != 1 {
		t.Fatalf("places: %v", p)
	}
	wantRows(t, tab, 10, "warm")
	// Late rows for the same day wait, so that they do not come one by one.
	if err := errors.Join(add(tab, 10), tab.Flush(), tab.CompactNow()); err != nil {
		t.Fatal(err)
	}
	moveDue(t, tab)
	if p := places(tab); p[""] != 1 {
		t.Fatalf("a late row moved at once: %v", p)
	}
	now.Add(int64(tidyEvery))
	if err := tab.CompactNow(); err != nil {
		t.Fatal(err)
	}
	moveDue(t, tab)
	if p := places(tab); p["dir:/warm"] != 2 || len(p) != 1 {
		t.Fatalf("places: %v", p)
	}
	wantRows(t, tab, 11, "with the late row")
}

// troubled is a bucket with faults that a test sets.
type troubled struct {
	objstore.Bucket
	mu     sync.Mutex
	before func(ctx context.Context, op, name string) error
}

func (b *troubled) set(f func(ctx context.Context, op, name string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

func (b *troubled) ask(ctx context.Context, op, name string) error {
	b.mu.Lock()
	f := b.before
	b.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx, op, name)
}

func (b *troubled) Upload(ctx context.Context, name string, r io.Reader, o ...objstore.ObjectUploadOption) error {
	if err := b.ask(ctx, "upload", name); err != nil {
		return err
	}
	err := b.Bucket.Upload(ctx, name, r, o...)
	return errors.Join(err, b.ask(ctx, "uploaded", name))
}

func (b *troubled) GetRange(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := b.ask(ctx, "range", name); err != nil {
		return nil, err
	}
	return b.Bucket.GetRange(ctx, name, off, n)
}

func (b *troubled) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := b.ask(ctx, "get", name); err != nil {
		return nil, err
	}
	return b.Bucket.Get(ctx, name)
}

func (b *troubled) Exists(ctx context.Context, name string) (bool, error) {
	if err := b.ask(ctx, "exists", name); err != nil {
		return false, err
	}
	return b.Bucket.Exists(ctx, name)
}

// coldTable has n rows in the bucket and nothing in its cache.
func coldTable(t testing.TB, fs vfs.FS, b objstore.Bucket, n int) (*Table, Options, *atomic.Int64) {
	t.Helper()
	opts, now := tiered(fs, b)
	tab := openTable(t, opts)
	filled(t, tab, n)
	now.Add(int64(coldAfter + 24*time.Hour))
	moveDue(t, tab)
	if p := places(tab); p["cold"] == 0 || len(p) != 1 {
		t.Fatalf("places: %v", p)
	}
	return tab, opts, now
}

// TestUnreachableStoreIsSaidAndRecovers takes the bucket away and gives it back.
func TestUnreachableStoreIsSaidAndRecovers(t *testing.T) {
	const n = 2000
	bucket := &troubled{Bucket: objstore.NewInMemBucket()}
	tab, _, now := coldTable(t, vfs.NewMem(), bucket, n)
	tab.tiers.byName["cold"].storage.(*bucketStorage).pause = time.Millisecond
	// A row that is here is answered beside.
	now.Store(testNow.UnixNano())
	if err := add(tab, n); err != nil {
		t.Fatal(err)
	}
	bucket.set(func(context.Context, string, string) error { return errors.New("connection refused: EOF") })
	got, stats := ids(t, tab)
	if !slices.Equal(got, []int{n}) || stats.Unreachable == 0 || stats.Quarantined != 0 {
		t.Fatalf("rows %v, %+v", got, stats)
	}
	// Attributes are known from the manifest, so that no filter takes one for absent.
	cols, err := tab.Columns(t.Context(), model.ScopeAll(), 0, 1<<62)
	if err != nil || !slices.ContainsFunc(cols, func(c store.ColumnInfo) bool {
		return c.Ref == store.ColumnRef{Scope: store.Attr, Name: "third"}
	}) {
		t.Fatalf("columns: %v %v", cols, err)
	}
	bucket.set(nil)
	time.Sleep(2 * time.Millisecond)
	wantRows(t, tab, n+1, "after the bucket is back")
	if d := tab.Damages(); len(d) != 0 {
		t.Fatalf("damage: %+v", d)
	}
	// The footers are known now, the pages of the decoded cache too; others not.
	tab.cache.mu.Lock()
	for k, e := range tab.cache.entries {
		_ = k
		tab.cache.remove(e)
	}
	tab.cache.mu.Unlock()
	for _, f := range filesUnder(tab.fs, "/table/cache") {
		if err := tab.fs.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	bucket.set(func(context.Context, string, string) error { return io.ErrUnexpectedEOF })
	got, stats = ids(t, tab)
	if !slices.Equal(got, []int{n}) || stats.Unreachable == 0 || stats.Quarantined != 0 {
		t.Fatalf("rows %d, %+v", len(got), stats)
	}
	bucket.set(nil)
	time.Sleep(2 * time.Millisecond)
	wantRows(t, tab, n+1, "after the bucket is back again")
	if d := tab.Damages(); len(d) != 0 {
		t.Fatalf("damage: %+v", d)
	}
}

// TestDownStoreIsNotAskedForEverySegment counts the requests of one query.
func TestDownStoreIsNotAskedForEverySegment(t *testing.T) {
	bucket := &troubled{Bucket: objstore.NewInMemBucket()}
	tab, _, _ := coldTable(t, vfs.NewMem(), bucket, 3000)
	// One at a time, as many segments as there are must not mean as many requests.
	tab.tiers.byName["cold"].storage.(*bucketStorage).pause = time.Hour
	var asked atomic.Int64
	bucket.set(func(context.Context, string, string) error {
		asked.Add(1)
		return errors.New("no route to host")
	})
	for range 5 {
		if _, stats := ids(t, tab); stats.Unreachable != 3 {
			t.Fatalf("%+v of %v", stats, places(tab))
		}
	}
	// The first query opens all three side by side, with a second try for each.
	if a := asked.Load(); a > 3*rangeTries {
		t.Fatalf("a bucket that is down was asked %d times", a)
	}
}

// TestCancellationEndsPendingRanges lets a read hang.
func TestCancellationEndsPendingRanges(t *testing.T) {
	bucket := &troubled{Bucket: objstore.NewInMemBucket()}
	tab, _, _ := coldTable(t, vfs.NewMem(), bucket, 1000)
	hangs := make(chan struct{}, 16)
	bucket.set(func(ctx context.Context, _, _ string) error {
		hangs <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the client went away")
	go func() {
		<-hangs
		cancel(gone)
	}()
	_, err := tab.Scan(ctx, model.ScopeAll(), store.ScanRequest{To: 1 << 62}, func(*store.Batch) error { return nil })
	if !errors.Is(err, gone) {
		t.Fatalf("%v", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	go func() {
		<-hangs
		cancel(gone)
	}()
	if _, err := tab.Columns(ctx, model.ScopeAll(), 0, 1<<62); !errors.Is(err, gone) {
		t.Fatalf("columns: %v", err)
	}
	bucket.set(nil)
	wantRows(t, tab, 1000, "after a query that ended early")
}

// TestDamageInABucketIsFound flips bits of an object.
func TestDamageInABucketIsFound(t *testing.T) {
	mem := objstore.NewInMemBucket()
	tab, opts, _ := coldTable(t, vfs.NewMem(), mem, 1000)
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	name := objectsOf(t, mem)[0]
	data := slices.Clone(mem.Objects()[name])
	for pos := 0; pos < len(data); pos += 1 + len(data)/60 {
		broken := slices.Clone(data)
		broken[pos] ^= 4
		if err := mem.Upload(t.Context(), name, bytes.NewReader(broken)); err != nil {
			t.Fatal(err)
		}
		opts.FS = vfs.NewMem()
		if ok, err := vfs.Clone(tab.fs, opts.FS, "/table", "/table"); !ok || err != nil {
			t.Fatalf("%v %v", ok, err)
		}
		_ = opts.FS.RemoveAll("/table/cache")
		damaged := openTable(t, opts)
		got, stats := ids(t, damaged)
		if dup := duplicate(got); dup >= 0 {
			t.Fatalf("row %d twice", dup)
		}
		if len(got) != 1000 && stats.Quarantined == 0 || stats.Unreachable != 0 {
			t.Fatalf("bit %d: %d rows, %+v", pos, len(got), stats)
		}
		if err := damaged.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// One that is too short is damage too, one that is gone is not.
	if err := mem.Upload(t.Context(), name, bytes.NewReader(data[:len(data)/2])); err != nil {
		t.Fatal(err)
	}
	_ = opts.FS.RemoveAll("/table/cache")
	short := openTable(t, opts)
	if _, stats := ids(t, short); stats.Quarantined != 1 || stats.Unreachable != 0 {
		t.Fatalf("a short object: %+v", stats)
	}
	if err := errors.Join(short.Close(), mem.Delete(t.Context(), name)); err != nil {
		t.Fatal(err)
	}
	_ = opts.FS.RemoveAll("/table/cache")
	gone := openTable(t, opts)
	if _, stats := ids(t, gone); stats.Quarantined != 0 || stats.Unreachable != 1 {
		t.Fatalf("an object that is not there: %+v", stats)
	}
	if err := mem.Upload(t.Context(), name, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	wantRows(t, gone, 1000, "when the object is back")
}

// TestTierThatIsNotConfigured opens without the tiers, and with them again.
func TestTierThatIsNotConfigured(t *testing.T) {
	bucket := objstore.NewInMemBucket()
	tab, opts, _ := coldTable(t, vfs.NewMem(), bucket, 1000)
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	tiers := opts.Tiers
	opts.Tiers = nil
	tab = openTable(t, opts)
	if got, stats := ids(t, tab); len(got) != 0 || stats.Unreachable == 0 || stats.Quarantined != 0 {
		t.Fatalf("%d rows, %+v", len(got), stats)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	opts.Tiers = tiers
	wantRows(t, openTable(t, opts), 1000, "with its tier")
}

// TestUnmountedDirectoryIsNotAnEmptyPlace takes the warm directory away.
func TestUnmountedDirectoryIsNotAnEmptyPlace(t *testing.T) {
	fs := vfs.NewMem()
	opts, now := tiered(fs, objstore.NewInMemBucket())
	tab := openTable(t, opts)
	filled(t, tab, 1000)
	now.Add(int64(warmAfter + 24*time.Hour))
	moveDue(t, tab)
	if err := errors.Join(tab.Close(), fs.Rename("/warm", "/elsewhere")); err != nil {
		t.Fatal(err)
	}
	tab = openTable(t, opts)
	if got, stats := ids(t, tab); len(got) != 0 || stats.Unreachable == 0 {
		t.Fatalf("%d rows, %+v", len(got), stats)
	}
	if err := add(tab, 1000); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tab.Flush(), tab.CompactNow()); err != nil {
		t.Fatal(err)
	}
	if err := tab.MoveDue(t.Context()); !errors.Is(err, errUnreachable) {
		t.Fatalf("moved to a directory that is not mounted: %v", err)
	}
	if _, err := fs.Stat("/warm"); err == nil {
		t.Fatal("a directory was made in place of the one that is not mounted")
	}
	if err := fs.Rename("/elsewhere", "/warm"); err != nil {
		t.Fatal(err)
	}
	moveDue(t, tab)
	wantRows(t, tab, 1001, "mounted again")
	// What expires while it is away is erased when it is back.
	if err := fs.Rename("/warm", "/elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := tab.expire(testNow.Add(2 * opts.Retention)); err != nil {
		t.Fatal(err)
	}
	if err := tab.MoveDue(t.Context()); !errors.Is(err, errUnreachable) {
		t.Fatalf("erased in a directory that is not mounted: %v", err)
	}
	if err := fs.Rename("/elsewhere", "/warm"); err != nil {
		t.Fatal(err)
	}
	moveDue(t, tab)
	if left := filesUnder(fs, "/warm"); len(left) != 0 {
		t.Fatalf("left over: %v", left)
	}
}

// TestCloseEndsReadsOfNoQuery lets a digest hang in the bucket while the table closes.
func TestCloseEndsReadsOfNoQuery(t *testing.T) {
	bucket := &troubled{Bucket: objstore.NewInMemBucket()}
	tab, _, _ := coldTable(t, vfs.NewMem(), bucket, 1000)
	hangs := make(chan struct{}, 16)
	bucket.set(func(ctx context.Context, _, _ string) error {
		hangs <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	ended := make(chan error, 1)
	go func() {
		_, err := tab.Digest()
		ended <- err
	}()
	<-hangs
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, errStopped) || !transient(err) {
		t.Fatalf("%v", err)
	}
	if d := tab.Damages(); len(d) != 0 {
		t.Fatalf("damage: %+v", d)
	}
}
