package columnar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"hinomi/internal/store"
)

// unit filters the rows of a unit and hands the batch over.
func (s *scan) unit(ctx context.Context, u *unit, rows []uint32, g *groupScan, w *worker) error {
	u.ended = func() error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	defer w.vecs.Reset()
	examined := u.rowsOf(rows)
	filter := s.filter
	if g != nil {
		filter = g.filter
	}
	batch, err := s.read(u, rows, filter)
	if err != nil {
		if errors.Is(err, errBlock) {
			err = fmt.Errorf("%w: %w", errCorrupt, err)
		}
		return s.failed(g, err)
	}
	size := u.source.bytes()
	if !s.table.opts.Memory.Queries.Take(size) {
		return store.ErrMemory
	}
	defer s.table.opts.Memory.Queries.Give(size)
	if w.fn != nil && batch != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.fn(batch); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.UnitsScanned++
	s.stats.RowsScanned += examined
	s.stats.BytesScanned += size
	if batch == nil {
		return s.overBudget()
	}
	s.stats.RowsMatched += int64(batch.N)
	for _, n := range batch.Counts {
		s.stats.RowsMatched += n - 1
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.fn == nil {
		// Another worker may not know yet that fn wants no more.
		if s.refused == nil {
			s.refused = s.fn(batch)
		}
		if s.refused != nil {
			return s.refused
		}
	}
	return s.overBudget()
}

// read filters the unit and gathers the asked-for columns.
func (s *scan) read(u *unit, rows []uint32, filter *node) (*store.Batch, error) {
	var err error
	if u.minTs < s.req.From || u.maxTs >= s.req.To {
		ts, err := u.physical(u.schema.Time)
		if err != nil {
			return nil, err
		}
		in := rows[:0]
		for _, r := range rows {
			if x := ts.Ints[r]; x >= s.req.From && x < s.req.To {
				in = append(in, r)
			}
		}
		rows = in
		u.found = nil // It would be what these times leave.
	}
	if rows, err = u.remembered(filter, rows); err != nil || len(rows) == 0 {
		return nil, err
	}
	if rows, err = s.ordered(u, rows); err != nil {
		return nil, err
	}
	if s.req.Limit > 0 && len(rows) > s.req.Limit {
		rows = rows[:s.req.Limit]
	}
	b := &store.Batch{N: len(rows), Cols: make([]store.Vec, len(s.req.Columns))}
	if u.counts != nil {
		b.Counts = make([]int64, len(rows))
		for i, r := range rows {
			b.Counts[i] = u.counts[r]
		}
	}
	sorted, back := rows, []int(nil)
	if !slices.IsSorted(rows) {
		sorted, back = sortedRows(rows)
	}
	for i, ref := range s.req.Columns {
		v, err := u.rowsVec(ref, sorted)
		if err != nil {
			return nil, err
		}
		switch {
		case v == nil:
		case back != nil:
			b.Cols[i] = permute(v, back)
		default:
			b.Cols[i] = *v
		}
	}
	return b, nil
}

// ordered sorts the rows, ascending, by time when the request asks for an order.
func (s *scan) ordered(u *unit, rows []uint32) ([]uint32, error) {
	if s.req.Order == store.AnyOrder {
		return rows, nil
	}
	if u.sparse(rows) {
		return s.orderedFew(u, rows)
	}
	ts, err := u.physical(u.schema.Time)
	if err != nil {
		return nil, err
	}
	order := func(a, b uint32) int {
		if s.req.Order == store.NewestFirst {
			return cmp.Compare(ts.Ints[b], ts.Ints[a])
		}
		return cmp.Compare(ts.Ints[a], ts.Ints[b])
	}
	if s.req.Order == store.NewestFirst {
		slices.Reverse(rows) // Most are in the order of time already.
	}
	if !slices.IsSortedFunc(rows, order) {
		slices.SortStableFunc(rows, order)
	}
	return rows, nil
}

// orderedFew is ordered without the times of the other rows.
func (s *scan) orderedFew(u *unit, rows []uint32) ([]uint32, error) {
	ts, err := u.rowsVec(store.Col(u.schema.Time), rows)
	if err != nil {
		return nil, err
	}
	type timed struct {
		ts  int64
		row uint32
	}
	few := make([]timed, len(rows))
	for i, r := range rows {
		few[i] = timed{ts.Ints[i], r}
	}
	if s.req.Order == store.NewestFirst {
		slices.Reverse(few)
		slices.SortStableFunc(few, func(a, b timed) int { return cmp.Compare(b.ts, a.ts) })
	} else {
		slices.SortStableFunc(few, func(a, b timed) int { return cmp.Compare(a.ts, b.ts) })
	}
	for i := range few {
		rows[i] = few[i].row
	}
	return rows, nil
}

// sortedRows returns rows ascending and, for each of the original, where it
// went.
func sortedRows(rows []uint32) ([]uint32, []int) {
	sorted := slices.Clone(rows)
	slices.Sort(sorted)
	back := make([]int, len(rows))
	for i, r := range rows {
		back[i], _ = slices.BinarySearch(sorted, r)
	}
	return sorted, back
}

func permute(v *store.Vec, order []int) store.Vec {
	rows := make([]uint32, len(order))
	for i, o := range order {
		rows[i] = uint32(o)
	}
	return gather(v, rows)
}
