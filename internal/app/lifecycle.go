package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// lifecycle takes parts down in the opposite order of their start.
type lifecycle struct {
	log *slog.Logger
	mu  sync.Mutex
	all []part
}

type part struct {
	name string
	stop func(context.Context) error
}

// add registers how a part that now runs is stopped.
func (l *lifecycle) add(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, part{name, stop})
}

// goRun starts a part that blocks in run until its context ends; stopping waits
// for it.
func (l *lifecycle) goRun(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	l.add(name, func(stop context.Context) error {
		cancel()
		select {
		case err := <-done:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-stop.Done():
			return fmt.Errorf("did not end in time: %w", stop.Err())
		}
	})
}

// stop ends everything, last started first, even when parts fail.
func (l *lifecycle) stop(ctx context.Context) error {
	l.mu.Lock()
	parts := l.all
	l.all = nil
	l.mu.Unlock()
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		start := time.Now()
		if err := parts[i].stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", parts[i].name, err))
		}
		if took := time.Since(start); took > time.Second {
			l.log.Info("slow stop", "part", parts[i].name, "took", took)
		}
	}
	return errors.Join(errs...)
}
