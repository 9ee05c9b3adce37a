package columnar

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"hinomi/internal/store"
)

// RetentionRule says how long the rows are kept that Match selects and no rule
// before it does.
type RetentionRule struct {
	Match store.Pred
	Keep  time.Duration
}

// overdue selects the rows that one of the first n rules says are too old.
func overdue(s *Schema, rules []RetentionRule, now time.Time, n int) store.Pred {
	if n == 0 {
		return nil
	}
	due := make([]bool, len(rules))
	for i := range n {
		due[i] = true
	}
	return overdueOf(s, rules, now, due)
}

// overdueOf selects the rows that one of the rules that are due says are too old.
func overdueOf(s *Schema, rules []RetentionRule, now time.Time, due []bool) store.Pred {
	var out store.Or
	var earlier store.And
	for i, r := range rules {
		if due[i] {
			old := store.Cmp{Col: store.Col(s.Time), Op: store.Lt, Val: store.Int(now.Add(-r.Keep).UnixNano())}
			out = append(out, append(append(store.And{old}, earlier...), r.Match))
		}
		earlier = append(earlier, store.Not{P: r.Match})
	}
	return out
}

// applyRules rewrites the segments all of whose rows are older than a rule keeps
// them, if it matches any. A merge removes single rows earlier.
func (t *Table) applyRules(now time.Time) error {
	type candidate struct {
		id   uint64
		mark checkedRules
		due  []bool
	}
	var list []candidate
	t.compacting.Lock()
	t.mu.RLock()
	rules, policy := t.life.rules, t.life.policy
	for id, s := range t.segments {
		if len(rules) == 0 || s.unfit() {
			continue
		}
		due, any := make([]bool, len(rules)), false
		for i, r := range rules {
			due[i] = s.MaxTs < now.Add(-r.Keep).UnixNano()
			any = any || due[i]
		}
		if mark := (checkedRules{policy, fmt.Sprint(due)}); any && t.life.checked[id] != mark {
			list = append(list, candidate{id, mark, due})
		}
	}
	for id := range t.life.checked {
		if t.segments[id] == nil {
			delete(t.life.checked, id)
		}
	}
	t.mu.RUnlock()
	t.compacting.Unlock()
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	for _, c := range list {
		if err := t.stopped(); err != nil {
			return err
		}
		if err := t.applyRulesTo(c.id, c.mark, overdueOf(t.schema, rules, now, c.due), now); err != nil {
			return err
		}
	}
	return nil
}

// applyRulesTo rewrites a segment if where selects any of its rows.
func (t *Table) applyRulesTo(id uint64, mark checkedRules, where store.Pred, now time.Time) error {
	t.compacting.Lock()
	defer t.compacting.Unlock()
	s := t.acquired(id)
	if s == nil {
		return nil
	}
	defer s.release()
	if err := s.open(); transient(err) {
		return err
	} else if err != nil {
		return nil // It is quarantined now.
	}
	defer s.unpin()
	found := false
	for g := range s.groups {
		rows, err := t.matching(s, g, where)
		if transient(err) || err == errStopped {
			return err
		}
		found = found || err == nil && len(rows) > 0
	}
	if found {
		if _, err := t.rewriteLocked(id, now); err != nil {
			return err
		}
	}
	if t.life.checked == nil {
		t.life.checked = map[uint64]checkedRules{}
	}
	t.life.checked[id] = mark
	return nil
}

// applyBudget removes the oldest partitions while the segments take more than
// the budget. Of the newest partition it removes segments, the oldest first.
func (t *Table) applyBudget() error {
	t.compacting.Lock()
	defer t.compacting.Unlock()
	t.mu.RLock()
	limit, total, newest := t.life.maxBytes, int64(0), int64(0)
	list := make([]*segment, 0, len(t.segments))
	for _, s := range t.segments {
		if s.Place != "" {
			continue // Other places have room of their own.
		}
		total += s.Bytes
		if p := t.partition(s.MinTs); len(list) == 0 || p > newest {
			newest = p
		}
		list = append(list, s)
	}
	t.mu.RUnlock()
	if limit == 0 || total <= limit {
		return nil
	}
	slices.SortFunc(list, func(a, b *segment) int {
		if c := cmp.Compare(t.partition(a.MinTs), t.partition(b.MinTs)); c != 0 {
			return c
		}
		return cmp.Compare(a.MaxTs, b.MaxTs)
	})
	e := edit{Aged: true}
	var rows, bytes, through int64
	for i, s := range list {
		p := t.partition(s.MinTs)
		whole := i > 0 && p < newest && p == t.partition(list[i-1].MinTs)
		if total-bytes <= limit && !whole {
			break
		}
		e.Remove = append(e.Remove, s.ID)
		rows, bytes, through = rows+s.Rows, bytes+s.Bytes, max(through, s.MaxTs)
	}
	if err := t.commit(e, nil); err != nil {
		return err
	}
	t.metrics.removed.WithLabelValues(removedBudget).Add(float64(rows))
	t.log.Warn("the disk budget is used up: the oldest rows were removed; raise max_bytes, or keep less by retention rules",
		"max_bytes", limit, "bytes", total, "removed_bytes", bytes, "removed_rows", rows, "removed_segments", len(e.Remove),
		"through", time.Unix(0, through).UTC().Format(time.RFC3339))
	return nil
}
