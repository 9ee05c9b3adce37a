package longterm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/s3"

	"hinomi/internal/store/metricstore/downsample"
)

// newS3 is a bucket on an S3 server in this process.
func newS3(t *testing.T) objstore.Bucket {
	backend := s3mem.New()
	if err := backend.CreateBucket("metrics"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	b, err := s3.NewBucketWithConfig(log.NewNopLogger(), s3.Config{
		Bucket: "metrics", Endpoint: strings.TrimPrefix(server.URL, "http://"), Region: "us-east-1",
		AccessKey: "a", SecretKey: "b", Insecure: true, BucketLookupType: s3.PathLookup, MaxRetries: 1, PartSize: 64 << 20,
	}, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func names(t *testing.T, b objstore.Bucket) (out []string) {
	t.Helper()
	if err := b.Iter(context.Background(), "", func(name string) error {
		out = append(out, name)
		return nil
	}, objstore.WithRecursiveIter()); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestObjectStore keeps only the youngest blocks on disk, loses the disk, and
// answers from the object store.
func TestObjectStore(t *testing.T) {
	for name, bkt := range map[string]objstore.Bucket{"S3": newS3(t), "memory": objstore.NewInMemBucket()} {
		t.Run(name, func(t *testing.T) {
			raw := newRaw(t, tenDays(), day)
			raw.settled = begin + 10*day
			dir := t.TempDir()
			open := func(dir string) *Store {
				return openLong(t, raw, begin+31*day, func(o *Options) { o.Dir, o.Bucket, o.LocalBytes = dir, bkt, 1 })
			}
			s := open(dir)
			step(t, s)
			raw.hidden = begin + 10*day
			remote := 0
			for _, b := range s.of(downsample.FiveMinutes) {
				if b.remote != nil {
					remote++
					if files, _ := os.ReadDir(filepath.Join(b.reader.Dir(), "chunks")); len(files) > 0 {
						t.Error("chunks are still on disk")
					}
				}
			}
			// Weeks begin on Thursdays, as 1970 did: the first of January is the end of
			// one, and the next is complete.
			if remote != 2 {
				t.Fatalf("%d blocks of complete weeks are in the object store alone, want 2", remote)
			}
			wantAll(t, "with remote blocks", sumOfAll(t, s))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			// A new machine: nothing on disk.
			fresh := open(t.TempDir())
			wantAll(t, "from an empty disk", sumOfAll(t, fresh))
			fetched := fresh.pages.fetched
			wantAll(t, "again", sumOfAll(t, fresh))
			if fetched == 0 || fresh.pages.fetched != fetched {
				t.Errorf("%d pages fetched, then %d: the second time comes from the cache", fetched, fresh.pages.fetched)
			}
			// A rule rewrites blocks that are only there.
			fresh.o.Rules = []Rule{{Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "job", "a")}, Keep: time.Hour}}
			step(t, fresh)
			if got := sumOfAll(t, fresh); len(got) != 10 {
				t.Errorf("%d answers after a rule deleted half of the series", len(got))
			}
			for _, b := range fresh.of(downsample.OneHour) {
				if b.meta().Stats.NumSeries > 4 {
					t.Errorf("%d series are left in a block", b.meta().Stats.NumSeries)
				}
			}
			// Retention empties it.
			fresh.o.Now = func() time.Time { return time.UnixMilli(begin + 600*day) }
			step(t, fresh)
			if left := names(t, bkt); len(left) != 0 {
				t.Errorf("left in the object store: %v", left)
			}
		})
	}
}

// failingBucket fails uploads, or damages what is read.
type failingBucket struct {
	objstore.Bucket
	failUploads, flip atomic.Bool
}

func (b *failingBucket) Upload(ctx context.Context, name string, r io.Reader, opts ...objstore.ObjectUploadOption) error {
	if b.failUploads.Load() {
		return errors.New("the object store is away")
	}
	return b.Bucket.Upload(ctx, name, r, opts...)
}

func (b *failingBucket) GetRange(ctx context.Context, name string, off, length int64) (io.ReadCloser, error) {
	r, err := b.Bucket.GetRange(ctx, name, off, length)
	if err != nil || !b.flip.Load() {
		return r, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	for i := 100; i < len(data); i += 50 {
		data[i] ^= 1
	}
	return io.NopCloser(bytes.NewReader(data)), r.Close()
}

func TestObjectStoreAway(t *testing.T) {
	raw := newRaw(t, tenDays(), day)
	raw.settled = begin + 10*day
	bkt := &failingBucket{Bucket: objstore.NewInMemBucket()}
	bkt.failUploads.Store(true)
	dir := t.TempDir()
	s := openLong(t, raw, begin+31*day, func(o *Options) { o.Dir, o.Bucket, o.LocalBytes = dir, bkt, 1 })
	if err := s.Step(context.Background()); err == nil {
		t.Error("a failed upload is not reported")
	}
	raw.hidden = begin + 10*day
	wantAll(t, "while the object store is away", sumOfAll(t, s))
	for _, b := range s.of(downsample.FiveMinutes) {
		if b.remote != nil {
			t.Error("a block left the disk that is nowhere else")
		}
	}
	bkt.failUploads.Store(false)
	step(t, s)
	wantAll(t, "when it is back", sumOfAll(t, s))
	if n := len(names(t, bkt)); n < 3*3 {
		t.Errorf("%d objects", n)
	}

	// A flipped bit is found (a range of hours and five minutes is answered from
	// the 5-minute blocks, of which a week is in the object store), and never an answer.
	s.pages = newPageCache(1)
	for _, b := range s.blocks {
		if b.remote != nil {
			b.remote.cache = s.pages
		}
	}
	bkt.flip.Store(true)
	rq, err := newEngine(t).NewInstantQuery(context.Background(), queryable(s), nil, `sum_over_time(m[365m])`, time.UnixMilli(begin+7*day))
	if err != nil {
		t.Fatal(err)
	}
	defer rq.Close()
	if res := rq.Exec(context.Background()); res.Err == nil || !strings.Contains(res.Err.Error(), "damaged") {
		t.Errorf("an answer from damaged chunks: %v, %v", res.Value, res.Err)
	}
}
