package company

import (
	"context"
	"fmt"
	"sync"
)

// work counts what is under way, so that a drain can wait for all of it.
type work struct {
	mu      sync.Mutex
	active  int
	holds   int
	changed chan struct{}
}

func newWork() *work { return &work{changed: make(chan struct{})} }

// enter starts work that may be held back: it waits while a drain holds the gate.
func (w *work) enter(ctx context.Context) error {
	for {
		w.mu.Lock()
		if w.holds == 0 {
			w.active++
			w.mu.Unlock()
			return nil
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin starts work that other work already under way caused.
func (w *work) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active++
}

func (w *work) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active--
	w.broadcast()
}

// hold keeps new work out and returns when none is under way. Every hold that succeeded needs a release.
func (w *work) hold(ctx context.Context) error {
	w.mu.Lock()
	w.holds++
	w.mu.Unlock()
	for {
		w.mu.Lock()
		active, changed := w.active, w.changed
		w.mu.Unlock()
		if active == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			w.release()
			return fmt.Errorf("%d requests or queued messages did not end in time (is a consumer's dependency down or the service crashed?): %w", active, ctx.Err())
		}
	}
}

func (w *work) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.holds > 0 {
		w.holds--
	}
	w.broadcast()
}

func (w *work) broadcast() {
	close(w.changed)
	w.changed = make(chan struct{})
}
