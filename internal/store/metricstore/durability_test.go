package metricstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// syncRecorder remembers how much of each log file a sync has covered.
type syncRecorder struct {
	mu     sync.Mutex
	synced map[string]int64
	fail   error
}

func recordSyncs(s *Store) *syncRecorder {
	r := &syncRecorder{synced: map[string]int64{}}
	for _, l := range s.logs {
		l.syncFile = func(f *os.File, size int64) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.fail != nil {
				return r.fail
			}
			r.synced[f.Name()] = size
			return f.Sync()
		}
	}
	return r
}

// crashCopy copies what a power cut would leave at worst: of each log file the
// part that was synced, and nothing of the files that nobody synced.
func (r *syncRecorder) crashCopy(t *testing.T, from, to string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, size := range r.synced {
		rel, err := filepath.Rel(from, name)
		if err != nil {
			t.Fatal(err)
		}
		dst := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(dst), 0o750); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(dst)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(out, in, size); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(in.Close(), out.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAcknowledgedSamplesSurviveLossOfUnsyncedBytes(t *testing.T) {
	dir, crashed := t.TempDir(), t.TempDir()
	// The smallest segments, so that the log rotates many times, sometimes
	// between two records of one commit.
	s := openTest(t, dir, func(o *Options) { o.SegmentBytes = 32 << 10 })
	rec := recordSyncs(s)

	// Random values, because the log is compressed.
	rnd := rand.New(rand.NewPCG(1, 2))
	want := map[string][]point{}
	for i := range 60 {
		app := s.Appender(context.Background(), model.ScopeAll())
		for j := range 400 {
			ls := labels.FromStrings(labels.MetricName, "m", "series", fmt.Sprintf("%d-%d", i%3, j))
			ts := ms(time.Duration(i) * time.Second)
			if i%5 == 4 { // late: goes through the out-of-order log
				ts = ms(-10*time.Minute + time.Duration(i)*time.Second)
			}
			v := rnd.Float64()
			if _, err := app.Append(0, ls, ts, v); err != nil {
				t.Fatal(err)
			}
			want[ls.String()] = append(want[ls.String()], point{ts, v})
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	rotations := map[string]int{}
	for name := range rec.synced {
		rotations[filepath.Base(filepath.Dir(name))]++
	}
	if rotations["wal"] < 3 || rotations["wbl"] < 2 {
		t.Fatalf("log files %v: the test does not rotate segments", rotations)
	}
	rec.crashCopy(t, dir, crashed)

	// What is written but not acknowledged must not matter.
	got := read(t, openTest(t, crashed), model.ScopeAll())
	for series, points := range want {
		have := map[point]bool{}
		for _, p := range got[series] {
			have[p] = true
		}
		for _, p := range points {
			if !have[p] {
				t.Fatalf("lost acknowledged sample %v of %s (have %v)", p, series, got[series])
			}
		}
	}
}

func TestCommitSyncsBeforeItReturns(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	rec := recordSyncs(s)
	mustAppend(t, s, model.ScopeAll(), labels.FromStrings(labels.MetricName, "m"), ms(0), 1)
	for name, size := range rec.synced {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != size {
			t.Errorf("%s has %d bytes of which %d are synced", name, info.Size(), size)
		}
	}
	if len(rec.synced) == 0 {
		t.Error("nothing was synced")
	}
}

func TestFailedSyncIsNotAcknowledged(t *testing.T) {
	s := openTest(t, t.TempDir())
	rec := recordSyncs(s)
	mustAppend(t, s, model.ScopeAll(), labels.FromStrings(labels.MetricName, "m"), ms(0), 1)

	rec.mu.Lock()
	rec.fail = syscall.EIO
	rec.mu.Unlock()
	app := s.Appender(context.Background(), model.ScopeAll())
	if _, err := app.Append(0, labels.FromStrings(labels.MetricName, "m"), ms(time.Second), 2); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); !errors.Is(err, store.ErrStorage) || !store.Retryable(err) {
		t.Fatalf("commit with a failing fsync = %v, want a retryable ErrStorage", err)
	}
	rec.mu.Lock()
	rec.fail = nil
	rec.mu.Unlock()
	// A file whose fsync failed is never trusted again.
	app = s.Appender(context.Background(), model.ScopeAll())
	if _, err := app.Append(0, labels.FromStrings(labels.MetricName, "m"), ms(2*time.Second), 3); !errors.Is(err, store.ErrStorage) {
		t.Fatalf("append after a failed fsync = %v, want ErrStorage", err)
	}
	if err := app.Commit(); !errors.Is(err, store.ErrStorage) {
		t.Fatalf("commit after a failed fsync = %v, want ErrStorage", err)
	}
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	s := openTest(t, t.TempDir(), func(o *Options) { o.MinFreeBytes = 1000 })
	free := int64(999)
	s.freeBytes = func(string) (int64, error) { return free, nil }
	ls := labels.FromStrings(labels.MetricName, "m")

	app := s.Appender(context.Background(), model.ScopeAll())
	if _, err := app.Append(0, ls, ms(0), 1); !errors.Is(err, store.ErrNoSpace) || !store.Retryable(err) {
		t.Fatalf("append on a full disk = %v, want a retryable ErrNoSpace", err)
	}
	if err := app.Commit(); !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("commit on a full disk = %v, want ErrNoSpace", err)
	}
	if got := read(t, s, model.ScopeAll()); len(got) != 0 {
		t.Fatalf("refused sample is there: %v", got)
	}
	free = 1000
	mustAppend(t, s, model.ScopeAll(), ls, ms(0), 2)
	if got := read(t, s, model.ScopeAll()); len(got) != 1 {
		t.Fatalf("after space was freed: %v", got)
	}
}

func TestGroupSyncSharesRounds(t *testing.T) {
	var mu sync.Mutex
	rounds := 0
	started, release := make(chan struct{}, 100), make(chan struct{})
	g := &groupSync{do: func() error {
		mu.Lock()
		rounds++
		mu.Unlock()
		started <- struct{}{}
		<-release
		return nil
	}}
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Sync() })
	<-started // the first one syncs at once
	entered := make(chan struct{}, 20)
	for range 20 {
		wg.Go(func() { entered <- struct{}{}; _ = g.Sync() })
	}
	for range 20 {
		<-entered
	}
	close(release)
	wg.Wait()
	if rounds < 2 || rounds > 21 {
		t.Errorf("%d rounds for 21 commits", rounds)
	}
}
