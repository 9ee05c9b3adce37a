package columnar

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// candidate is a unit before anything of it was read.
type candidate struct {
	minTs, maxTs int64
	block        *block
	seg          *segment
	group        int
}

// Scan implements store.Scanner. Units are read by one worker per core; fn is
// called by one at a time.
func (t *Table) Scan(ctx context.Context, scope model.Scope, req store.ScanRequest, fn func(*store.Batch) error) (store.ScanStats, error) {
	start := t.opts.Now()
	s := &scan{table: t, req: req, fn: fn, where: scoped(scope, req.Where)}
	if scope.Empty() || req.From >= req.To {
		return store.ScanStats{}, nil
	}
	if req.Budget.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, req.Budget.Time, fmt.Errorf("%w: time limit of %s", store.ErrBudget, req.Budget.Time))
		defer cancel()
	}
	snap, err := t.snapshot()
	if err != nil {
		return store.ScanStats{}, err
	}
	defer snap.release()
	candidates := s.candidates(snap)
	sortCandidates(candidates, req.Order)
	err = s.run(ctx, candidates)
	s.stats.Duration = t.opts.Now().Sub(start)
	return s.stats, err
}

// scoped adds the scope's product condition to a predicate.
func scoped(scope model.Scope, where store.Pred) store.Pred {
	if scope.All() {
		return where
	}
	var products store.Or
	for _, p := range scope.Products() {
		products = append(products, store.Cmp{Col: store.Col(store.ColProduct), Op: store.Eq, Val: store.Str(p)})
	}
	if where == nil {
		return store.And{products}
	}
	return store.And{products, where}
}

type scan struct {
	table *Table
	req   store.ScanRequest
	where store.Pred
	fn    func(*store.Batch) error

	mu    sync.Mutex // guards stats and calls of fn
	stats store.ScanStats
}

func (s *scan) overlaps(minTs, maxTs int64) bool { return maxTs >= s.req.From && minTs < s.req.To }

func (s *scan) candidates(snap *snapshot) []candidate {
	var out []candidate
	for _, b := range snap.blocks {
		if s.overlaps(b.minTs, b.maxTs) {
			out = append(out, candidate{minTs: b.minTs, maxTs: b.maxTs, block: b})
		}
	}
	for _, seg := range snap.segments {
		if !s.overlaps(seg.MinTs, seg.MaxTs) {
			continue
		}
		s.stats.Segments++
		if err := seg.open(); err != nil {
			s.stats.Quarantined++
			continue
		}
		for g := range seg.groups {
			info := &seg.groups[g]
			if s.overlaps(info.minTs, info.maxTs) {
				out = append(out, candidate{minTs: info.minTs, maxTs: info.maxTs, seg: seg, group: g})
			} else {
				s.stats.UnitsPruned++
			}
		}
	}
	return out
}

func sortCandidates(list []candidate, order store.Order) {
	switch order {
	case store.NewestFirst:
		slices.SortStableFunc(list, func(a, b candidate) int { return compareInt(b.maxTs, a.maxTs) })
	case store.OldestFirst:
		slices.SortStableFunc(list, func(a, b candidate) int { return compareInt(a.minTs, b.minTs) })
	}
}

// run hands the candidates to workers in order and returns the first error.
func (s *scan) run(ctx context.Context, list []candidate) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	workers := min(runtime.GOMAXPROCS(0), len(list))
	if s.req.Order != store.AnyOrder && len(list) > 1 {
		// A second worker would read units that Skip is about to rule out.
		workers = min(workers, 2)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				if err := s.unit(ctx, &list[i]); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	wg.Wait()
	err := context.Cause(ctx)
	if errors.Is(err, store.ErrStop) {
		return nil
	}
	return err
}

func (s *scan) skip(c *candidate) bool {
	if s.req.Skip == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.req.Skip(c.minTs, c.maxTs)
}

func (s *scan) unit(ctx context.Context, c *candidate) error {
	if s.skip(c) {
		s.count(func(st *store.ScanStats) { st.UnitsPruned++ })
		return nil
	}
	u, err := s.open(c)
	if err == nil && u == nil {
		s.count(func(st *store.ScanStats) { st.UnitsPruned++ })
		return nil
	}
	var batch *store.Batch
	if err == nil {
		u.ended = func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		}
		batch, err = s.read(u)
	}
	if errors.Is(err, errCorrupt) {
		// The damaged unit is left out and counted; everything else is right.
		if c.seg != nil {
			s.table.quarantine(c.seg, c.group, err)
		}
		s.count(func(st *store.ScanStats) { st.Quarantined++ })
		return nil
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.UnitsScanned++
	s.stats.RowsScanned += int64(u.n)
	s.stats.BytesScanned += u.bytes
	if batch == nil {
		return s.overBudget()
	}
	s.stats.RowsMatched += int64(batch.N)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.fn(batch); err != nil {
		return err
	}
	return s.overBudget()
}

func (s *scan) count(f func(*store.ScanStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func (s *scan) overBudget() error {
	b := s.req.Budget
	if b.Rows > 0 && s.stats.RowsScanned > b.Rows {
		return fmt.Errorf("%w: %d rows scanned, limit %d; narrow the time range or add filters", store.ErrBudget, s.stats.RowsScanned, b.Rows)
	}
	if b.Bytes > 0 && s.stats.BytesScanned > b.Bytes {
		return fmt.Errorf("%w: %d bytes scanned, limit %d; narrow the time range or add filters", store.ErrBudget, s.stats.BytesScanned, b.Bytes)
	}
	return nil
}

// open prunes and returns the unit to read, nil when no row can match.
func (s *scan) open(c *candidate) (*unit, error) {
	schema := s.table.schema
	if c.block != nil {
		return &unit{schema: schema, n: c.block.n, minTs: c.minTs, maxTs: c.maxTs, source: blockSource{c.block}}, nil
	}
	if c.seg.groups[c.group].bad.Load() {
		return nil, fmt.Errorf("%w: row group %d", errCorrupt, c.group)
	}
	lo, hi := 0, c.seg.groups[c.group].rows
	where := store.And{}
	if c.minTs < s.req.From {
		where = append(where, store.Cmp{Col: store.Col(schema.Time), Op: store.Ge, Val: store.Int(s.req.From)})
	}
	if c.maxTs >= s.req.To {
		where = append(where, store.Cmp{Col: store.Col(schema.Time), Op: store.Lt, Val: store.Int(s.req.To)})
	}
	if s.where != nil {
		where = append(where, s.where)
	}
	lo, hi, err := c.seg.prune(c.group, where, lo, hi)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if lo >= hi {
		return nil, nil
	}
	return &unit{schema: schema, n: hi - lo, minTs: c.minTs, maxTs: c.maxTs, source: &groupSource{c.seg, c.group, lo, hi}}, nil
}

// read filters the unit and gathers the asked-for columns.
func (s *scan) read(u *unit) (*store.Batch, error) {
	rows := make([]uint32, u.n)
	for i := range rows {
		rows[i] = uint32(i)
	}
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
	}
	if rows, err = u.filter(s.where, rows); err != nil || len(rows) == 0 {
		return nil, err
	}
	if rows, err = s.ordered(u, rows); err != nil {
		return nil, err
	}
	b := &store.Batch{N: len(rows), Cols: make([]store.Vec, len(s.req.Columns))}
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

// ordered sorts the rows by time when the request asks for an order.
func (s *scan) ordered(u *unit, rows []uint32) ([]uint32, error) {
	if s.req.Order == store.AnyOrder {
		return rows, nil
	}
	ts, err := u.physical(u.schema.Time)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b uint32) int {
		if s.req.Order == store.NewestFirst {
			return compareInt(ts.Ints[b], ts.Ints[a])
		}
		return compareInt(ts.Ints[a], ts.Ints[b])
	})
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
