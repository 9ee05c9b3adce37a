package columnar

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"hinomi/internal/store"
)

// Policy says which rows leave the table besides those that its retention
// removes. It may be replaced at any time.
type Policy struct {
	// Rules are asked in order: the first that matches a row tells its age.
	Rules []RetentionRule
	// MaxBytes is how much the segments may take on disk; 0: any amount.
	MaxBytes int64
	// Sampler thins out groups of rows; nil: it does not.
	Sampler *Sampler
}

// lifecycle is what a table knows of rows that leave. Table.mu guards it but
// for checked, which t.compacting does.
type lifecycle struct {
	rules     []RetentionRule
	maxBytes  int64
	sampler   *Sampler
	policy    int // counts policies
	deletions []*deletion
	present   func(file string) bool // whether a segment has this file
	// checked says for a segment how many rules of which policy found no row.
	checked map[uint64]checkedRules
}

type checkedRules struct {
	policy int
	due    string
}

// SetPolicy replaces the policy. It is applied by the next maintenance.
func (t *Table) SetPolicy(p Policy) error {
	for i, r := range p.Rules {
		if r.Keep <= 0 || r.Keep > t.opts.Retention {
			return fmt.Errorf("%s: retention rule %d keeps rows for %s: use more than 0 and at most the retention of %s", t.schema.Name, i+1, r.Keep, t.opts.Retention)
		}
	}
	if p.MaxBytes < 0 {
		return fmt.Errorf("%s: a disk budget of %d bytes: use 0 for none", t.schema.Name, p.MaxBytes)
	}
	if p.Sampler != nil {
		if err := p.Sampler.validate(t.schema); err != nil {
			return err
		}
	}
	t.mu.Lock()
	t.life.rules, t.life.maxBytes, t.life.sampler = slices.Clone(p.Rules), p.MaxBytes, p.Sampler
	t.life.policy++
	t.mu.Unlock()
	poke(t.wakeCompaction)
	return nil
}

// leave removes, by rewriting segments, what retention rules, the disk budget,
// sampling and deletion requests take out. Each segment is a step of its own:
// flushes never wait, and a crash repeats at most one step.
func (t *Table) leave(now time.Time) error {
	t.leaving.Lock()
	defer t.leaving.Unlock()
	err := errors.Join(t.applyRules(now), t.applyBudget(), t.applySampling(now), t.applyDeletions(now))
	if errors.Is(err, errStopped) || errors.Is(err, store.ErrClosed) {
		return nil
	}
	return err
}

// rewriteOne rewrites one segment, if it is still there and undamaged. It is
// false when damage keeps it as it is.
func (t *Table) rewriteOne(id uint64, now time.Time) (bool, error) {
	t.compacting.Lock()
	defer t.compacting.Unlock()
	return t.rewriteLocked(id, now)
}

func (t *Table) rewriteLocked(id uint64, now time.Time) (bool, error) {
	s := t.acquired(id)
	if s == nil {
		return true, nil
	}
	defer s.release()
	if err := s.open(); transient(err) {
		return false, err
	} else if err == nil {
		defer s.unpin()
	}
	if s.damaged() {
		return false, nil
	}
	err := t.rewriteSegments([]*segment{s}, t.newRewriting(now), max(1, s.Level), false)
	if errors.Is(err, errCorrupt) {
		return false, nil // It is quarantined now, and named.
	}
	return err == nil, err
}

// ApplyPolicy removes now what the policy and deletion requests take out, as
// maintenance does every few seconds.
func (t *Table) ApplyPolicy() error { return t.leave(t.opts.Now()) }
