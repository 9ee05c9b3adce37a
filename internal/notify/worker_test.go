package notify

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/statestore"
)

var all = model.ScopeAll()

// receiver is a Deliverer that fails as often as it is told to.
type receiver struct {
	mu    sync.Mutex
	fails int
	keys  []string
	block chan struct{}
}

func (r *receiver) Deliver(ctx context.Context, _ Message, key string) error {
	if r.block != nil {
		select {
		case <-r.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails > 0 {
		r.fails--
		return errors.New("connection refused")
	}
	r.keys = append(r.keys, key)
	return nil
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.keys...)
}

func openOutbox(t *testing.T) *statestore.Store {
	t.Helper()
	s, err := statestore.Open(t.Context(), statestore.Options{Dir: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run starts a worker and returns what stops it.
func run(t *testing.T, s *statestore.Store, targets map[Target]Deliverer) (*Worker, func()) {
	t.Helper()
	w, err := New(Options{Outbox: s, Scope: all, GiveUpAfter: time.Hour, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	w.SetTargets(targets)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return w, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func enqueue(t *testing.T, s *statestore.Store, w *Worker, receiver, group, key string) {
	t.Helper()
	payload, err := Message{Receiver: receiver, GroupKey: group}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	n := store.Notification{Key: key, Receiver: receiver, Integration: "webhook", GroupKey: group, Payload: payload, Created: time.Now()}
	if _, err := s.Enqueue(t.Context(), all, n); err != nil {
		t.Fatal(err)
	}
	if w != nil {
		w.Wake()
	}
}

func deliveries(t *testing.T, s *statestore.Store) []store.Delivery {
	t.Helper()
	d, err := s.Deliveries(t.Context(), all, 10)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRetriesInOrderUntilDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openOutbox(t)
		defer s.Close()
		r := &receiver{fails: 3}
		w, stop := run(t, s, map[Target]Deliverer{{"team", "webhook", 0}: r})
		enqueue(t, s, w, "team", "g", "fire")
		enqueue(t, s, w, "team", "g", "resolve")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.got(); len(got) != 2 || got[0] != "fire" || got[1] != "resolve" {
			t.Fatalf("got %v", got)
		}
		d := deliveries(t, s)
		if fire := d[1]; len(fire.Tries) != 4 || fire.Tries[0].Error != "connection refused" || fire.Tries[3].Error != "" || fire.State != store.OutboxDelivered {
			t.Fatalf("%+v", fire)
		}
		stop()
	})
}

func TestOneReceiverThatHangsDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openOutbox(t)
		defer s.Close()
		hanging, healthy := &receiver{block: make(chan struct{})}, &receiver{}
		w, stop := run(t, s, map[Target]Deliverer{{"a", "webhook", 0}: hanging, {"b", "webhook", 0}: healthy})
		enqueue(t, s, w, "a", "g", "1")
		enqueue(t, s, w, "b", "g", "2")
		synctest.Wait()
		if got := healthy.got(); len(got) != 1 {
			t.Fatalf("got %v", got)
		}
		time.Sleep(DefaultTimeout + time.Second)
		if d := deliveries(t, s); d[1].Attempts == 0 || d[1].Tries[0].Error == "" {
			t.Fatalf("a try without end is not recorded: %+v", d[1])
		}
		close(hanging.block)
		stop()
	})
}

func TestGivenUpByAgeAndShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openOutbox(t)
		defer s.Close()
		w, stop := run(t, s, nil)
		enqueue(t, s, w, "nobody", "g", "1")
		time.Sleep(2 * time.Hour)
		d := deliveries(t, s)
		if d[0].State != store.OutboxDead || d[0].Tries[0].Error == "" {
			t.Fatalf("%+v", d[0])
		}
		if n := len(d[0].Tries); n < 60 || n > 150 {
			t.Errorf("%d tries in an hour, want about one in 45 s", n)
		}
		stop()
	})
}

func TestARestartGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openOutbox(t)
		defer s.Close()
		down, up := &receiver{fails: 1 << 30}, &receiver{}
		w, stop := run(t, s, map[Target]Deliverer{{"team", "webhook", 0}: down})
		enqueue(t, s, w, "team", "g", "1")
		time.Sleep(3 * time.Minute)
		stop()
		_, stop = run(t, s, map[Target]Deliverer{{"team", "webhook", 0}: up})
		time.Sleep(maxBackoff)
		synctest.Wait()
		if got := up.got(); len(got) != 1 || got[0] != "1" {
			t.Fatalf("got %v", got)
		}
		stop()
	})
}

func TestBackoffGrowsAndStaysBounded(t *testing.T) {
	for tries, most := range map[int]time.Duration{1: time.Second, 4: 8 * time.Second, 7: maxBackoff, 1000: maxBackoff} {
		for range 100 {
			if d := backoff(tries); d < most/2 || d > most {
				t.Fatalf("backoff(%d) = %v, want %v to %v", tries, d, most/2, most)
			}
		}
	}
}
