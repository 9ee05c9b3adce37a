package columnar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// Sampler thins out rows by groups once they are Grace old: all rows of a group
// stay, with a weight, or all leave.
type Sampler struct {
	GroupBy string        // a Bytes field: rows of one value are a group
	Weight  string        // the Float field that gets the weight; 0: not decided
	Grace   time.Duration // by then every row of a group is stored
	// Telling selects the rows that can tell how a group is decided; nil: all.
	// They are looked for within Grace before and after the rows to decide, so a
	// decision that is already stored must be told too.
	Telling store.Pred
	Columns []store.ColumnRef // of the batches of a pass; the first is GroupBy
	// Pass begins a decision.
	Pass func() SamplerPass
}

// SamplerPass decides about the rows of some segments. It is used by one
// goroutine; batches are valid only during a call.
type SamplerPass interface {
	// Expect names groups that are to be decided, row by row, before anything
	// else is called.
	Expect(groups *store.Vec, n int)
	// Note takes telling rows, also of groups that are not expected.
	Note(b *store.Batch)
	// Weights sets the weight of each row of b; 0 lets it leave.
	Weights(b *store.Batch, weights []float64)
}

func (s *Sampler) validate(schema *Schema) error {
	group, weight := schema.Index(s.GroupBy), schema.Index(s.Weight)
	switch {
	case group < 0 || schema.Fields[group].Kind != store.KindBytes:
		return fmt.Errorf("sampler of %s: %q is not a Bytes field", schema.Name, s.GroupBy)
	case weight < 0 || schema.Fields[weight].Kind != store.KindFloat:
		return fmt.Errorf("sampler of %s: %q is not a Float field", schema.Name, s.Weight)
	case s.Grace <= 0 || s.Pass == nil || len(s.Columns) == 0 || s.Columns[0] != store.Col(s.GroupBy):
		return fmt.Errorf("sampler of %s: it needs a grace, a pass and columns that begin with %q", schema.Name, s.GroupBy)
	}
	return nil
}

// sampleDelay is how much longer than the grace rows wait so that few, large
// segments are rewritten; smallRows of them do not wait.
const sampleDelay = 30 * time.Minute

// applySampling decides about the segments that are old enough. What a pass
// knows is bounded by the groups of maxSegmentRows rows, however large a group is.
func (t *Table) applySampling(now time.Time) error {
	for {
		if err := t.stopped(); err != nil {
			return err
		}
		done, err := t.sampleOnce(now)
		if err != nil || done {
			return err
		}
	}
}

// sampleOnce decides about one set of segments; true when there was none.
func (t *Table) sampleOnce(now time.Time) (bool, error) {
	t.compacting.Lock()
	defer t.compacting.Unlock()
	t.mu.RLock()
	sampler := t.life.sampler
	t.mu.RUnlock()
	if sampler == nil {
		return true, nil
	}
	inputs := t.pickSampling(sampler, now)
	if len(inputs) == 0 {
		return true, nil
	}
	defer func() {
		for _, s := range inputs {
			s.release()
		}
	}()
	err := t.sample(sampler, inputs, now)
	if errors.Is(err, errCorrupt) {
		return false, nil // Quarantined now; the others are picked without it.
	}
	return false, err
}

// pickSampling returns acquired segments of one partition, the oldest first.
func (t *Table) pickSampling(sampler *Sampler, now time.Time) []*segment {
	limit := now.Add(-sampler.Grace).UnixNano()
	t.mu.RLock()
	defer t.mu.RUnlock()
	byPartition := map[int64][]*segment{}
	for _, s := range t.segments {
		if !s.Sampled && s.MaxTs < limit && !s.unfit() {
			p := t.partition(s.MinTs)
			byPartition[p] = append(byPartition[p], s)
		}
	}
	for _, list := range byPartition {
		slices.SortFunc(list, func(a, b *segment) int { return cmp.Compare(a.MinTs, b.MinTs) })
		var picked []*segment
		rows, waited := int64(0), false
		for _, s := range list {
			if rows += s.Rows; rows > maxSegmentRows && len(picked) > 0 {
				break
			}
			picked = append(picked, s)
			waited = waited || s.MaxTs < limit-int64(sampleDelay)
		}
		if rows < smallRows && !waited {
			continue
		}
		for _, s := range picked {
			s.acquire()
		}
		return picked
	}
	return nil
}

func (t *Table) sample(sampler *Sampler, inputs []*segment, now time.Time) error {
	run := &samplingRun{table: t, sampler: sampler, pass: sampler.Pass()}
	from, to, level := int64(math.MaxInt64), int64(math.MinInt64), 1
	for _, s := range inputs {
		if err := s.openInput(); err != nil {
			return err
		}
		defer s.unpin()
		for g := range s.groups {
			if err := run.expect(&groupPart{s, g, t.stop, nil}); err != nil {
				return err
			}
		}
		from, to, level = min(from, s.MinTs), max(to, s.MaxTs), max(level, s.Level)
	}
	_, err := t.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{
		From: from - int64(sampler.Grace), To: to + int64(sampler.Grace) + 1, Where: sampler.Telling, Columns: sampler.Columns,
	}, func(b *store.Batch) error {
		run.pass.Note(b)
		return t.stopped()
	})
	if err != nil {
		return err
	}
	w := t.newRewriting(now)
	w.sampling = run
	return t.rewriteSegments(inputs, w, level, true)
}

// samplingRun is one decision about some segments.
type samplingRun struct {
	table   *Table
	sampler *Sampler
	pass    SamplerPass
}

func (r *samplingRun) expect(p *groupPart) error {
	n := p.rowCount()
	for lo := 0; lo < n; lo += parquetio.WindowRows {
		hi := min(lo+parquetio.WindowRows, n)
		v, err := p.window(r.sampler.GroupBy, lo, hi)
		if err != nil {
			return err
		}
		r.pass.Expect(v, hi-lo)
	}
	return nil
}

// thin returns those of the rows that stay, and their weights.
func (r *samplingRun) thin(p *groupPart, rows []uint32) ([]uint32, []float64, error) {
	kept, weights := rows[:0:0], make([]float64, 0, len(rows))
	for i := 0; i < len(rows); {
		lo := int(rows[i]) / parquetio.WindowRows * parquetio.WindowRows
		hi := min(lo+parquetio.WindowRows, p.rowCount())
		var in []uint32
		for ; i < len(rows) && int(rows[i]) < hi; i++ {
			in = append(in, rows[i]-uint32(lo))
		}
		u := &unit{schema: r.table.schema, n: hi - lo, source: &groupSource{seg: p.seg, group: p.group, lo: lo, hi: hi}, ended: r.table.stopped}
		b := &store.Batch{N: len(in), Cols: make([]store.Vec, len(r.sampler.Columns))}
		for c, ref := range r.sampler.Columns {
			v, err := u.rowsVec(ref, in)
			if err != nil {
				return nil, nil, r.table.foundDamage(p.seg, p.group, err)
			}
			if v != nil {
				b.Cols[c] = *v
			}
		}
		out := make([]float64, len(in))
		r.pass.Weights(b, out)
		for j, weight := range out {
			if weight > 0 {
				kept, weights = append(kept, in[j]+uint32(lo)), append(weights, weight)
			}
		}
		if err := r.table.stopped(); err != nil {
			return nil, nil, err
		}
	}
	return kept, weights, nil
}
