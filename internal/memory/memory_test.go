package memory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSharesStayWithinTheLimit(t *testing.T) {
	for _, limit := range []int64{Least, 1 << 30, 64 << 30} {
		b := New(limit, prometheus.NewRegistry())
		sum := int64(0)
		for _, s := range b.shares {
			if s.limit <= 0 {
				t.Errorf("share %s of %d has %d", s.name, limit, s.limit)
			}
			if s.parent == nil {
				sum += s.limit
			} else if s.limit >= s.parent.limit {
				t.Errorf("%s may take all of %s", s.name, s.parent.name)
			}
		}
		if sum > b.HeapLimit() {
			t.Errorf("shares of %d have %d, Go may use %d", limit, sum, b.HeapLimit())
		}
		if f := b.FlushAt(32 << 20); f > 32<<20 || 6*f > 2*b.LogRows.limit {
			t.Errorf("a table of %d flushes at %d", limit, f)
		}
	}
}

func TestOneSignalLeavesRoomForOthers(t *testing.T) {
	b := New(Least, nil)
	for b.Logs.Take(1 << 20) {
	}
	if !b.Metrics.Take(1 << 20) {
		t.Error("requests of logs starve those of metrics")
	}
	if b.Logs.Used()+1<<20 != b.Metrics.parent.Used() {
		t.Error("the share of all requests does not have what its parts have")
	}
	for b.Metrics.Take(1 << 20) {
	}
	b.Logs.Give(1 << 20)
	if !b.Metrics.Take(1 << 20) {
		t.Error("what logs gave back is not there for metrics")
	}
}

func TestNilIsUnbounded(t *testing.T) {
	var s *Share
	r, err := s.Begin(t.Context(), 1<<50, true)
	if err != nil || !s.Take(1<<60) || r.Grow(1<<60) != nil {
		t.Fatal("a share that is not there refuses")
	}
	body, err := r.ReadAll(strings.NewReader("body"), nil, -1)
	if err != nil || string(body) != "body" {
		t.Fatal(body, err)
	}
	s.Hold(1)
	s.Give(1)
	r.End()
}

// TestRequestsWaitAMoment admits a request as soon as another ends, and refuses it
// in a retryable way when none does.
func TestRequestsWaitAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Least, nil)
		first, err := b.Logs.BeginWith(t.Context(), b.Logs.Limit())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = b.Logs.BeginWith(t.Context(), 1)
		if !store.Retryable(err) || time.Since(start) != admissionWait {
			t.Fatalf("%v after %s", err, time.Since(start))
		}
		go func() {
			time.Sleep(admissionWait / 2)
			first.End()
			first.End()
		}()
		start = time.Now()
		second, err := b.Logs.BeginWith(t.Context(), b.Logs.Limit())
		if err != nil || time.Since(start) != admissionWait/2 {
			t.Fatalf("%v after %s", err, time.Since(start))
		}
		second.End()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b.Logs.Hold(b.Logs.Limit())
		if _, err := b.Logs.BeginWith(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("a sender that went away: %v", err)
		}
		b.Logs.Give(b.Logs.Limit())
		if used := b.Logs.parent.Used(); used != 0 {
			t.Errorf("%d bytes are left", used)
		}
	})
}

func TestWhatNeverFitsIsRefusedForGood(t *testing.T) {
	b := New(Least, nil)
	if _, err := b.Logs.Begin(t.Context(), b.Logs.Limit(), false); !errors.Is(err, ErrTooLarge) || store.Retryable(err) {
		t.Errorf("a request larger than the share: %v", err)
	}
	r, err := b.Logs.Begin(t.Context(), -1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.End()
	_, err = r.ReadAll(neverEnding('x'), nil, -1)
	if !errors.Is(err, ErrTooLarge) || store.Retryable(err) {
		t.Errorf("an endless body: %v", err)
	}
	if r.held > b.Logs.Limit() {
		t.Errorf("%d bytes were taken of %d", r.held, b.Logs.Limit())
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// TestReadAllTakesBeforeItAllocates compares what is taken with the buffer, for
// every way in which a body can be longer or shorter than announced.
func TestReadAllTakesBeforeItAllocates(t *testing.T) {
	for _, size := range []int{0, 1, 4 << 10, 70_000, 1 << 20} {
		for _, length := range []int64{-1, 0, int64(size), int64(size) / 2, int64(size) * 2} {
			for _, before := range []int{0, 100, 2 << 20} {
				b := New(Least, nil)
				r, err := b.Logs.Begin(t.Context(), length, false)
				if err != nil {
					t.Fatal(err)
				}
				want := bytes.Repeat([]byte("b"), size)
				got, err := r.ReadAll(bytes.NewReader(want), make([]byte, 0, before), length)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes, announced %d: %d, %v", size, length, len(got), err)
				}
				if r.held < takes(int64(cap(got)), len(got)) {
					t.Errorf("%d bytes in a buffer of %d, announced %d: only %d were taken", size, cap(got), length, r.held)
				}
				r.End()
				if used := b.Logs.Used(); used != 0 {
					t.Errorf("%d bytes are left", used)
				}
			}
		}
	}
}

// TestConcurrentRequestsStayWithinTheShare has many senders, of which some are refused.
func TestConcurrentRequestsStayWithinTheShare(t *testing.T) {
	b := New(Least, nil)
	var most, stored atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for range 20 {
				r, err := b.Logs.BeginWith(t.Context(), 64<<10)
				if err == nil {
					_, err = r.ReadAll(io.LimitReader(neverEnding('x'), int64(100_000*(1+i%16))), nil, -1)
				}
				most.Store(max(most.Load(), b.Logs.Used()))
				r.End()
				switch {
				case err == nil:
					stored.Add(1)
				case !store.Retryable(err):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if most.Load() > b.Logs.Limit() || stored.Load() == 0 || b.Logs.Used() != 0 {
		t.Errorf("at most %d of %d, %d stored, %d left", most.Load(), b.Logs.Limit(), stored.Load(), b.Logs.Used())
	}
}

func TestNearTheLimitRequestsAndQueriesYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Least, nil)
		b.pressed.Store(true)
		if b.Queries.Take(1) {
			t.Error("a query goes on")
		}
		if _, err := b.Metrics.BeginWith(t.Context(), 1); !store.Retryable(err) {
			t.Errorf("a request: %v", err)
		}
		if !b.LogRows.Take(1) || !b.Merges.Take(1) {
			t.Error("what was admitted, and what makes room, has to go on")
		}
		b.pressed.Store(false)
		if r, err := b.Metrics.BeginWith(t.Context(), 1); err != nil || !b.Queries.Take(1) {
			t.Errorf("after the pressure: %v", err)
		} else {
			r.End()
		}
	})
}

func TestGarbageIsBounded(t *testing.T) {
	for live, want := range map[int64]int{0: mostPercent, 10 << 20: mostPercent, 80 << 20: mostPercent, 120 << 20: 66, 1 << 30: leastPercent} {
		if got := percentOf(live); got != want {
			t.Errorf("%d bytes alive: %d %%, want %d %%", live, got, want)
		}
	}
}

func TestWatcherLooksAgain(t *testing.T) {
	w := watcher{limit: 1000}
	now := time.Unix(0, 0)
	for i, step := range []struct {
		after            time.Duration
		live             int64
		cycles           uint64
		pressed, collect bool
	}{
		{0, 100, 1, false, false},
		{time.Hour, 100, 1, false, false},
		{watchEvery, 900, 2, true, false},
		{watchEvery, 900, 2, true, false},
		{staleAfter, 900, 2, true, true}, // Nothing was collected for a second.
		{watchEvery, 900, 3, true, false},
		{watchEvery, 400, 4, false, false},
	} {
		now = now.Add(step.after)
		if pressed, collect := w.look(now, step.live, step.cycles); pressed != step.pressed || collect != step.collect {
			t.Errorf("step %d: pressed %v, collect %v", i, pressed, collect)
		}
	}
}

func TestMachine(t *testing.T) {
	meminfo := &fstest.MapFile{Data: []byte("MemTotal:       8388608 kB\nMemFree:  1 kB\n")}
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"nothing known":      {fstest.MapFS{}, unknownMachine},
		"machine":            {fstest.MapFS{"proc/meminfo": meminfo}, 8 << 30},
		"no limit":           {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": {Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": {Data: []byte("max\n")}}, 8 << 30},
		"cgroup above":       {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": {Data: []byte("0::/a/b\n")}, "sys/fs/cgroup/a/memory.max": {Data: []byte("1073741824\n")}, "sys/fs/cgroup/a/b/memory.max": {Data: []byte("max\n")}}, 1 << 30},
		"cgroup version 1":   {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": {Data: []byte("4:cpu,memory:/x\n")}, "sys/fs/cgroup/memory/x/memory.limit_in_bytes": {Data: []byte("536870912\n")}}, 512 << 20},
		"more than there is": {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": {Data: []byte("4:memory:/\n")}, "sys/fs/cgroup/memory/memory.limit_in_bytes": {Data: []byte("9223372036854771712\n")}}, 8 << 30},
	} {
		if got := machine(c.files); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		if got := defaultOf(c.files); got != max(Least, c.want/2) {
			t.Errorf("%s: default %d", name, got)
		}
	}
}
