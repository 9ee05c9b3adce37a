package columnar

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// Why rows leave a table: values of the label reason.
const (
	removedRetention = "retention" // older than the table's retention
	removedRule      = "rule"      // older than the first retention rule that matches them
	removedBudget    = "budget"    // the oldest, because the table is over its disk budget
	removedSampling  = "sampling"  // spans of traces that were not sampled
	removedDeletion  = "deletion"  // selected by a deletion request
)

// rewriting is one way of rows from segments to new ones: which of them stay on
// it, and why the others do not.
type rewriting struct {
	table     *Table
	deletions []*deletion
	rules     store.Pred // rows that satisfy it leave; nil: none
	sampling  *samplingRun
	dropped   map[string]int64              // rows by reason
	requests  map[string]map[*segment]int64 // deleted rows by request and segment
	mem       *parquetio.Memory             // of the parts
	changed   bool                          // some row leaves or gets a weight
}

// newRewriting fixes what removes rows as of now.
func (t *Table) newRewriting(now time.Time) *rewriting {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return &rewriting{
		table: t, deletions: t.life.active(), rules: overdue(t.schema, t.life.rules, now, len(t.life.rules)),
		dropped: map[string]int64{}, requests: map[string]map[*segment]int64{}, mem: &parquetio.Memory{},
	}
}

// part returns the rows of a row group that stay, nil when none does.
func (w *rewriting) part(s *segment, group int) (part, error) {
	base := &groupPart{s, group, w.table.stop, w.mem}
	info := &s.groups[group]
	if len(w.deletions) == 0 && w.rules == nil && w.sampling == nil {
		return base, nil
	}
	n := base.rowCount()
	keep := make([]uint32, n)
	for i := range keep {
		keep[i] = uint32(i)
	}
	leave := func(where store.Pred) (int64, error) {
		hits, err := w.table.matching(s, group, where)
		if err != nil || len(hits) == 0 {
			return 0, err
		}
		before := len(keep)
		keep = subtract(keep, hits)
		return int64(before - len(keep)), nil
	}
	for _, d := range w.deletions {
		if !d.overlaps(info.minTs, info.maxTs) {
			continue
		}
		gone, err := leave(d.where(w.table.schema))
		if err != nil {
			return nil, err
		}
		if gone == 0 {
			continue
		}
		w.dropped[removedDeletion] += gone
		if w.requests[d.ID] == nil {
			w.requests[d.ID] = map[*segment]int64{}
		}
		w.requests[d.ID][s] += gone
	}
	if w.rules != nil && len(keep) > 0 {
		gone, err := leave(w.rules)
		if err != nil {
			return nil, err
		}
		w.dropped[removedRule] += gone
	}
	var weights []float64
	if w.sampling != nil && len(keep) > 0 {
		var err error
		before := len(keep)
		if keep, weights, err = w.sampling.thin(&groupPart{s, group, w.table.stop, nil}, keep); err != nil {
			return nil, err
		}
		w.dropped[removedSampling] += int64(before - len(keep))
		w.changed = true
	}
	w.changed = w.changed || len(keep) < n
	switch {
	case len(keep) == 0:
		return nil, nil
	case len(keep) == n && weights == nil:
		return base, nil
	}
	out := &keptPart{groupPart: base, rows: keep}
	if weights != nil {
		out.weight, out.weights = w.sampling.sampler.Weight, weights
	}
	return out, nil
}

// matching returns the rows of a row group that satisfy a predicate, ascending.
// Indexes and dictionaries are asked first, as by a scan.
func (t *Table) matching(s *segment, group int, where store.Pred) ([]uint32, error) {
	sc := &scan{table: t, req: store.ScanRequest{From: math.MinInt64, To: math.MaxInt64}, where: where}
	g := &groupScan{seg: s, group: group}
	defer g.forget()
	sc.prepare(g)
	if g.err != nil {
		return nil, t.foundDamage(s, group, g.err)
	}
	w := &worker{}
	var out []uint32
	rows := s.groups[group].rows
	for lo := 0; lo < rows; lo += parquetio.WindowRows {
		hi := min(lo+parquetio.WindowRows, rows)
		set := g.granules & granulesOf(lo, hi)
		if set == 0 {
			continue
		}
		first, last := granuleSpan(set)
		from, to := max(lo, first*granuleRows), min(hi, last*granuleRows)
		source := &groupSource{seg: s, group: group, lo: from, hi: to}
		if bits.OnesCount64(g.granules) >= manyGranules {
			source.how.whole = g.dictionary
		}
		u := &unit{schema: t.schema, n: to - from, source: source, memo: &g.memo, ended: t.stopped}
		wanted := w.allRows(u.n)
		if set != granulesOf(from, to) {
			wanted = granuleRowsOf(wanted, set, from)
		}
		found, err := u.filter(g.filter, wanted)
		if err != nil {
			return nil, t.foundDamage(s, group, err)
		}
		for _, r := range found {
			out = append(out, r+uint32(from))
		}
	}
	return out, nil
}

// stopped returns errStopped once the table is closed.
func (t *Table) stopped() error {
	select {
	case <-t.stop:
		return errStopped
	default:
		return nil
	}
}

// foundDamage quarantines the row group when err says that it is damaged.
func (t *Table) foundDamage(s *segment, group int, err error) error {
	if errors.Is(err, errCorrupt) {
		t.quarantine(s, group, err)
	}
	return err
}

// acquired returns a segment for use, nil when there is none of that number any more.
func (t *Table) acquired(id uint64) *segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.segments[id]
	if s != nil {
		s.acquire()
	}
	return s
}

// openInput opens a segment that is about to be rewritten: what is wrong with it for
// good is damage.
func (s *segment) openInput() error {
	err := s.open()
	if err == nil || transient(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errCorrupt, err)
}

// rewriteSegments puts the rows of inputs that stay into new segments and swaps
// these for the inputs at once. Without force nothing is written when every row
// stays as it is. It is called with t.compacting held.
func (t *Table) rewriteSegments(inputs []*segment, w *rewriting, level int, force bool) error {
	var parts []part
	e := edit{}
	sampled := true
	for _, s := range inputs {
		if err := s.openInput(); err != nil {
			return err
		}
		defer s.unpin()
		for g := range s.groups {
			p, err := w.part(s, g)
			if err != nil {
				return err
			}
			if p != nil {
				parts = append(parts, p)
			}
		}
		e.Remove = append(e.Remove, s.ID)
		sampled = sampled && s.Sampled
	}
	if !force && !w.changed {
		return nil
	}
	done, err := t.roomToMerge(inputs)
	if err != nil {
		return err
	}
	defer done()
	for _, s := range inputs {
		for g := range s.groups {
			// What is damaged is found before anything is written.
			if err := s.verifyGroup(g); err != nil {
				if !transient(err) {
					t.quarantine(s, g, err)
				}
				return err
			}
		}
	}
	metas, err := t.writeSegments(parts, level, w.mem)
	if err != nil {
		return err
	}
	for i := range metas {
		metas[i].Sampled = sampled || w.sampling != nil
	}
	e.Add = metas
	if e.Rewrites, err = t.rewriteNotes(w, metas); err == nil {
		err = t.commit(e, nil)
	}
	if err != nil {
		t.discard(metas)
		return err
	}
	for reason, n := range w.dropped {
		t.metrics.removed.WithLabelValues(reason).Add(float64(n))
	}
	return nil
}

// keptPart is the rows of a row group that stay.
type keptPart struct {
	*groupPart
	rows    []uint32 // ascending
	weight  string   // the column that gets weights
	weights []float64
}

func (p *keptPart) rowCount() int { return len(p.rows) }

func (p *keptPart) window(name string, lo, hi int) (*store.Vec, error) {
	if p.weights != nil && name == p.weight {
		return &store.Vec{Kind: store.KindFloat, Floats: p.weights[lo:hi]}, nil
	}
	if lo >= hi {
		return p.groupPart.window(name, 0, 0)
	}
	first := p.rows[lo]
	v, err := p.groupPart.window(name, int(first), int(p.rows[hi-1])+1)
	if err != nil || v == nil {
		return v, err
	}
	rows := slices.Clone(p.rows[lo:hi])
	for i := range rows {
		rows[i] -= first
	}
	out := gather(v, rows)
	return &out, nil
}

// eachColumn estimates in how many of the rows that stay a column has a value.
func (p *keptPart) eachColumn(fn func(name string, kind store.Kind, present int)) {
	n, all := len(p.rows), p.groupPart.rowCount()
	p.groupPart.eachColumn(func(name string, kind store.Kind, present int) {
		fn(name, kind, (present*n+all-1)/all)
	})
}
