package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/ingest/ledger"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// memory remembers as a store does: what was appended under a request's id.
type memory struct {
	mu    sync.Mutex
	known map[store.RequestID]store.WriteResult
}

func (m *memory) RequestID(scope model.Scope, body []byte) (id store.RequestID) {
	copy(id[:], fmt.Sprint(scope.Products(), string(body)))
	return id
}

func (m *memory) Receipt(id store.RequestID) (store.WriteResult, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	res, ok := m.known[id]
	return res, ok
}

// once is a gate whose store does what append says.
type once struct {
	*Gate
	l       *ledger.Ledger
	appends atomic.Int64
	append  func(n int64) (store.WriteResult, error)
}

func newOnce() *once {
	m := &memory{known: map[store.RequestID]store.WriteResult{}}
	o := &once{l: ledger.New(prometheus.NewRegistry(), time.Now)}
	o.Gate = New(Options{
		Ledger: o.l, Receipts: map[model.Signal]store.Receipts{model.Logs: m},
		Logs: func(ctx context.Context, _ model.Scope, _ plog.Logs) (store.WriteResult, error) {
			res, err := o.append(o.appends.Add(1))
			if id, ok := store.RequestIDFrom(ctx); ok && err == nil && res.Lasting() {
				m.mu.Lock()
				m.known[id] = res
				m.mu.Unlock()
			}
			return res, err
		},
	})
	return o
}

func (o *once) send(ctx context.Context, scope model.Scope, body string) (store.WriteResult, error) {
	return o.LogsOnce(ctx, scope, "otlp", []byte(body), twoLogs())
}

func stored(int64) (store.WriteResult, error) { return store.WriteResult{Stored: 2}, nil }

func TestASecondSendIsAnsweredAndNotStored(t *testing.T) {
	o := newOnce()
	o.append = func(int64) (store.WriteResult, error) {
		res := store.WriteResult{Stored: 1}
		res.Reject(store.RejectTooNew, 1, "clock is wrong")
		return res, nil
	}
	for range 3 {
		res, err := o.send(context.Background(), model.ScopeAll(), "a")
		if err != nil || res.Stored != 1 || res.Rejected[store.RejectTooNew] != 1 || res.Example[store.RejectTooNew] != "clock is wrong" {
			t.Errorf("%+v, %v", res, err)
		}
	}
	line := o.l.Snapshot()[0]
	if o.appends.Load() != 1 || line.Received != 6 || line.Stored != 1 || line.Duplicates != 4 || line.Rejected[store.RejectTooNew] != 1 {
		t.Errorf("%d appends, ledger %+v", o.appends.Load(), line)
	}
	for _, other := range []struct {
		scope model.Scope
		body  string
	}{{model.ScopeAll(), "b"}, {model.ScopeProducts(model.RoleEditor, "taxi"), "a"}} {
		if _, err := o.send(context.Background(), other.scope, other.body); err != nil {
			t.Error(err)
		}
	}
	if _, err := o.LogsOnce(context.Background(), model.ScopeAll(), "otlp", nil, twoLogs()); err != nil {
		t.Error(err)
	}
	if n := o.appends.Load(); n != 4 {
		t.Errorf("%d appends of 4 different requests", n)
	}
}

func TestOneThatComesMeanwhileWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnce()
		release := make(chan struct{})
		o.append = func(n int64) (store.WriteResult, error) {
			<-release
			return stored(n)
		}
		var wg sync.WaitGroup
		var answered atomic.Int64
		for range 5 {
			wg.Go(func() {
				if res, err := o.send(context.Background(), model.ScopeAll(), "a"); err != nil || res.Stored != 2 {
					t.Errorf("%+v, %v", res, err)
				}
				answered.Add(1)
			})
		}
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan error, 1)
		synctest.Wait()
		go func() {
			_, err := o.send(ctx, model.ScopeAll(), "a")
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("a client that goes gets %v", err)
		}
		if n := answered.Load(); n != 0 {
			t.Errorf("%d are answered before anything is stored", n)
		}
		close(release)
		wg.Wait()
		if line := o.l.Snapshot()[0]; o.appends.Load() != 1 || line.Stored != 2 || line.Duplicates != 8 || line.Received != 10 {
			t.Errorf("%d appends, ledger %+v", o.appends.Load(), line)
		}
	})
}

func TestAfterAFailureTheNextIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnce()
		release := make(chan struct{})
		o.append = func(n int64) (store.WriteResult, error) {
			<-release
			if n <= 2 {
				return store.WriteResult{}, fmt.Errorf("append: %w", store.ErrNoSpace)
			}
			return stored(n)
		}
		var wg sync.WaitGroup
		var failed, fine atomic.Int64
		for range 6 {
			wg.Go(func() {
				switch res, err := o.send(context.Background(), model.ScopeAll(), "a"); {
				case errors.Is(err, store.ErrNoSpace):
					failed.Add(1)
				case err == nil && res.Stored == 2:
					fine.Add(1)
				default:
					t.Errorf("%+v, %v", res, err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if failed.Load() != 2 || fine.Load() != 4 || o.appends.Load() != 3 {
			t.Errorf("%d failed, %d fine, %d appends", failed.Load(), fine.Load(), o.appends.Load())
		}
		if line := o.l.Snapshot()[0]; line.Received != 12 || line.Stored != 2 || line.Duplicates != 6 || line.Rejected[ledger.ReasonRetry] != 4 {
			t.Errorf("ledger %+v", line)
		}
	})
}

// TestRowsWithoutTimeAreNoDuplicates: the same bytes mean new rows each time, and
// nobody waits for more than the first.
func TestRowsWithoutTimeAreNoDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnce()
		first, others := make(chan struct{}), make(chan struct{})
		o.append = func(n int64) (store.WriteResult, error) {
			if n == 1 {
				<-first
			} else {
				<-others
			}
			return store.WriteResult{Stored: 2, Stamped: 1}, nil
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := o.send(context.Background(), model.ScopeAll(), "a"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(first)
		synctest.Wait()
		if n := o.appends.Load(); n != 5 {
			t.Errorf("%d appends at once, want all", n)
		}
		close(others)
		wg.Wait()
		if line := o.l.Snapshot()[0]; line.Stored != 10 || line.Duplicates != 0 {
			t.Errorf("ledger %+v", line)
		}
	})
}

func TestAPanicHoldsUpNobody(t *testing.T) {
	o := newOnce()
	o.append = func(int64) (store.WriteResult, error) { panic("decoder") }
	func() {
		defer func() { _ = recover() }()
		_, _ = o.send(context.Background(), model.ScopeAll(), "a")
	}()
	o.append = stored
	if res, err := o.send(context.Background(), model.ScopeAll(), "a"); err != nil || res.Stored != 2 {
		t.Errorf("%+v, %v", res, err)
	}
}
