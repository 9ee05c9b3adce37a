package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Options configure New. Outbox is required.
type Options struct {
	Outbox      store.Outbox
	Scope       model.Scope
	GiveUpAfter time.Duration // 0: DefaultGiveUpAfter
	Timeout     time.Duration // of one try; 0: DefaultTimeout
	Concurrency int           // 0: DefaultConcurrency
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Worker delivers what is in the outbox, at least once.
type Worker struct {
	o    Options
	wake chan struct{}

	mu       sync.Mutex
	targets  map[Target]Deliverer
	inFlight map[int64]bool

	delivered, failed, dead prometheus.Counter
}

// New returns a worker without targets.
func New(o Options) (*Worker, error) {
	if o.Outbox == nil {
		return nil, errors.New("the notification worker needs an outbox")
	}
	if o.GiveUpAfter <= 0 {
		o.GiveUpAfter = DefaultGiveUpAfter
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	w := &Worker{
		o: o, wake: make(chan struct{}, 1), targets: map[Target]Deliverer{}, inFlight: map[int64]bool{},
		delivered: counter("hinomi_notifications_delivered_total", "Notifications that their receiver accepted."),
		failed:    counter("hinomi_notification_attempts_failed_total", "Tries to deliver a notification that failed; they are repeated."),
		dead:      counter("hinomi_notifications_dead_total", "Notifications given up because of their age."),
	}
	if o.Registerer != nil {
		for _, c := range []prometheus.Collector{w.delivered, w.failed, w.dead} {
			if err := o.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("register notification metrics: %w", err)
			}
		}
	}
	return w, nil
}

// SetTargets replaces the deliverers. Tries under way end with the old ones.
func (w *Worker) SetTargets(targets map[Target]Deliverer) {
	w.mu.Lock()
	w.targets = targets
	w.mu.Unlock()
	w.Wake()
}

// Wake tells that the outbox has something new.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends and then waits for the tries under way, so that
// an orderly stop makes no duplicates.
func (w *Worker) Run(ctx context.Context) error {
	var tries sync.WaitGroup
	defer tries.Wait()
	prune := time.NewTicker(time.Hour)
	defer prune.Stop()
	for {
		wait := w.start(ctx, &tries)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-w.wake:
		case <-timer.C:
		case now := <-prune.C:
			if err := w.o.Outbox.PruneOutbox(ctx, w.o.Scope, now.Add(-keepFor)); err != nil && ctx.Err() == nil {
				w.o.Logger.Warn("old notifications are not removed", "err", err)
			}
		}
		timer.Stop()
	}
}

// idleWait is how long the worker sleeps when nothing is due and nobody wakes
// it; errorWait when the outbox cannot be read.
const (
	idleWait  = time.Minute
	errorWait = time.Second
)

// start begins a try for everything that is due and returns how long nothing
// else will be.
func (w *Worker) start(ctx context.Context, tries *sync.WaitGroup) time.Duration {
	now := time.Now()
	w.mu.Lock()
	busy := len(w.inFlight)
	w.mu.Unlock()
	if busy >= w.o.Concurrency {
		return idleWait // A try that ends wakes.
	}
	due, err := w.o.Outbox.Due(ctx, w.o.Scope, now, w.o.Concurrency+busy)
	if err != nil {
		if ctx.Err() == nil {
			w.o.Logger.Error("the outbox cannot be read", "err", err)
		}
		return errorWait
	}
	for _, n := range due {
		w.mu.Lock()
		skip := w.inFlight[n.ID] || len(w.inFlight) >= w.o.Concurrency
		if !skip {
			w.inFlight[n.ID] = true
		}
		d := w.targets[Target{n.Receiver, n.Integration, n.Index}]
		w.mu.Unlock()
		if skip {
			continue
		}
		tries.Go(func() {
			w.try(context.WithoutCancel(ctx), n, d)
			w.mu.Lock()
			delete(w.inFlight, n.ID)
			w.mu.Unlock()
			w.Wake()
		})
	}
	next, err := w.o.Outbox.NextDue(ctx, w.o.Scope)
	if err != nil {
		return errorWait
	}
	if next.IsZero() || !next.After(now) {
		return idleWait // What is due now is under way and wakes when it ends.
	}
	return min(idleWait, time.Until(next))
}

// try delivers once and records it.
func (w *Worker) try(ctx context.Context, n store.Notification, d Deliverer) {
	started := time.Now()
	err := w.deliver(ctx, n, d)
	now := time.Now()
	a := store.Attempt{Notification: n.ID, At: started, Duration: now.Sub(started)}
	state, next := outcome(n, err, now, w.o.GiveUpAfter)
	log := w.o.Logger.With("receiver", n.Receiver, "integration", n.Integration, "notification", n.ID, "attempt", n.Attempts+1)
	switch {
	case err == nil:
		w.delivered.Inc()
		log.Info("notification delivered", "took", a.Duration)
	case state == store.OutboxDead:
		a.Error = err.Error()
		w.failed.Inc()
		w.dead.Inc()
		log.Error("notification given up because of its age", "err", err)
	default:
		a.Error = err.Error()
		w.failed.Inc()
		log.Warn("notification not delivered, it is tried again", "err", err, "next", next)
	}
	if err := w.o.Outbox.Finish(ctx, w.o.Scope, a, state, next); err != nil {
		log.Error("the result of a delivery is not stored; the notification will be sent again with the same key", "err", err)
	}
}

func (w *Worker) deliver(ctx context.Context, n store.Notification, d Deliverer) error {
	if d == nil {
		return fmt.Errorf("receiver %q has no %s integration %d any more: restore it in the configuration", n.Receiver, n.Integration, n.Index)
	}
	m, err := DecodeMessage(n.Payload)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	return d.Deliver(ctx, m, n.Key)
}
