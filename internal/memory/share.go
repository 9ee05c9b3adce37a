package memory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hinomi/internal/store"
)

// ErrTooLarge is when something needs more than its share has in all. Sending it
// again does not help.
var ErrTooLarge = errors.New("it needs more memory than limits.memory leaves for it: send less at once, or raise limits.memory")

// Share is a part of the budget, possibly of another share. Nil is a share without
// a bound. It is a store.Room.
type Share struct {
	budget  *Budget
	parent  *Share
	name    string
	limit   int64
	used    int64 // guarded by budget.mu
	yields  bool  // it is refused while the heap is near the limit
	asks    bool  // who is refused asks again at once: nobody is told
	refused prometheus.Counter
	late    prometheus.Counter // refused because of the heap
}

// Limit is what the share has in all, and what its largest user may take.
func (s *Share) Limit() int64 {
	if s == nil {
		return 1 << 62
	}
	return s.limit
}

// Used is what is taken and held.
func (s *Share) Used() int64 {
	if s == nil {
		return 0
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.used
}

// Take implements store.Room. It does not wait.
func (s *Share) Take(n int64) bool {
	if s == nil {
		return true
	}
	if s.yields && s.budget.Pressed() {
		s.late.Inc()
		return false
	}
	if s.take(n) {
		return true
	}
	if !s.asks {
		s.refused.Inc()
	}
	return false
}

func (s *Share) take(n int64) bool {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	for p := s; p != nil; p = p.parent {
		if n > p.limit-p.used {
			return false
		}
	}
	s.add(n)
	return true
}

func (s *Share) add(n int64) {
	for p := s; p != nil; p = p.parent {
		p.used += n
	}
}

// Hold implements store.Room.
func (s *Share) Hold(n int64) {
	if s == nil {
		return
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.add(n)
}

// Give implements store.Room.
func (s *Share) Give(n int64) {
	if s == nil || n == 0 {
		return
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.add(-n)
	s.budget.wake()
}

// wait takes n bytes as soon as they are there, but not later than wait.
func (s *Share) wait(ctx context.Context, n int64, wait time.Duration) error {
	late := time.NewTimer(wait)
	defer late.Stop()
	for waiting := true; ; {
		given := s.budget.waitForGiven()
		pressed := s.yields && s.budget.Pressed()
		if !pressed && s.take(n) {
			return nil
		}
		if waiting {
			select {
			case <-given:
			case <-late.C:
				waiting = false // Once more: the heap may have been collected.
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		}
		if pressed {
			s.late.Inc()
			return fmt.Errorf("the memory of the process is used up: %w", store.ErrOverloaded)
		}
		s.refused.Inc()
		return s.usedUp()
	}
}

func (s *Share) usedUp() error {
	return fmt.Errorf("the memory for %s is used up: %w", strings.ReplaceAll(s.name, "_", " "), store.ErrOverloaded)
}
