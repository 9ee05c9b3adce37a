package columnar

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// candidate is what a worker takes: a block of the memtable or rows of a row
// group. Nothing of it was read yet.
type candidate struct {
	minTs, maxTs int64
	block        *block
	group        *groupScan
	lo, hi       int // rows of the row group
}

// Scan implements store.Scanner. Units are read by one worker per core; fn is
// called by one at a time.
func (t *Table) Scan(ctx context.Context, scope model.Scope, req store.ScanRequest, fn func(*store.Batch) error) (store.ScanStats, error) {
	start := t.opts.Now()
	s := &scan{table: t, req: req, fn: fn, where: t.undeleted(scoped(scope, req.Where), req.From, req.To)}
	s.filter = compile(s.where, new(int))
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
	snap.bind(ctx, s.overlaps)
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
	table  *Table
	req    store.ScanRequest
	where  store.Pred
	filter *node // where, for blocks of the memtable
	fn     func(*store.Batch) error

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
			s.stats.Missing(transient(err))
			continue
		}
		for g := range seg.groups {
			info := &seg.groups[g]
			if !s.overlaps(info.minTs, info.maxTs) {
				s.stats.UnitsPruned++
				continue
			}
			gs := &groupScan{seg: seg, group: g}
			c := candidate{minTs: info.minTs, maxTs: info.maxTs, group: gs, hi: info.rows}
			if s.req.Order == store.AnyOrder {
				out = append(out, c)
				continue
			}
			// In order, windows are taken one by one: they span less time.
			times := &seg.file.Groups[g].Chunks[seg.file.Column(s.table.schema.Time)]
			for i := range times.Pages {
				p := &times.Pages[i]
				if s.overlaps(p.MinInt, p.MaxInt) {
					out = append(out, candidate{minTs: p.MinInt, maxTs: p.MaxInt, group: gs, lo: int(p.First), hi: int(p.First + p.Rows)})
				}
			}
		}
		seg.unpin()
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
		w, _ := s.table.workers.Get().(*worker)
		if w == nil {
			w = &worker{}
		}
		if s.req.Worker != nil {
			w.fn = s.req.Worker()
		}
		wg.Go(func() {
			defer func() {
				w.fn = nil
				s.table.workers.Put(w)
			}()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				if err := s.take(ctx, &list[i], w); err != nil {
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

// worker is one of the goroutines of a scan. Its memory serves later scans too.
type worker struct {
	rows []uint32                 // reused
	fn   func(*store.Batch) error // nil: the scan's
	vecs parquetio.Vectors
	mem  parquetio.Memory
}

// take reads a candidate, window by window.
func (s *scan) take(ctx context.Context, c *candidate, w *worker) error {
	if s.skip(c) {
		s.count(func(st *store.ScanStats) { st.UnitsPruned++ })
		return nil
	}
	if c.block != nil {
		b := c.block
		return s.unit(ctx, &unit{schema: s.table.schema, n: b.n, minTs: b.minTs, maxTs: b.maxTs, source: &blockSource{b: b}, vecs: &w.vecs}, w.allRows(b.n), nil, w)
	}
	g := c.group
	// Between listing and reading it may have been closed: a scan of everything
	// keeps only what it reads open.
	if err := g.seg.open(); err != nil {
		s.count(func(st *store.ScanStats) { st.Missing(transient(err)) })
		return nil
	}
	defer g.seg.unpin()
	if s.req.Order == store.AnyOrder {
		w.mem.Reset()
		g.mem = &w.mem // All of the row group's windows are this worker's.
	}
	g.once.Do(func() { s.prepare(g) })
	if g.err != nil {
		return s.failed(g, g.err)
	}
	err := s.takeRows(ctx, c, w)
	if s.req.Order == store.AnyOrder {
		g.forget() // All its windows are done.
	}
	return err
}

// takeRows reads what rows of a row group may match: as runs where these are long.
func (s *scan) takeRows(ctx context.Context, c *candidate, w *worker) error {
	g := c.group
	if !g.byRuns {
		return s.takeWindows(ctx, c, c.lo, c.hi, w)
	}
	for lo, hi := range stretches(g.granules) {
		lo, hi = max(c.lo, lo*granuleRows), min(c.hi, hi*granuleRows)
		u, err := s.runUnit(g, lo, hi, &w.vecs)
		switch {
		case err != nil:
			err = s.failed(g, err)
		case u != nil:
			err = s.unit(ctx, u, w.allRows(u.n), g, w)
		default:
			err = s.takeWindows(ctx, c, lo, hi, w)
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// takeWindows reads rows of a row group window by window.
func (s *scan) takeWindows(ctx context.Context, c *candidate, from, to int, w *worker) error {
	g := c.group
	for lo := from; lo < to; lo = (lo/parquetio.WindowRows + 1) * parquetio.WindowRows {
		hi := min((lo/parquetio.WindowRows+1)*parquetio.WindowRows, to)
		set := g.granules & granulesOf(lo, hi)
		if set == 0 {
			s.count(func(st *store.ScanStats) { st.UnitsPruned++ })
			continue
		}
		first, last := granuleSpan(set)
		from, to := max(lo, first*granuleRows), min(hi, last*granuleRows)
		source := &groupSource{seg: g.seg, group: g.group, lo: from, hi: to, how: reading{vecs: &w.vecs}}
		if bits.OnesCount64(g.granules) >= manyGranules && s.req.Skip == nil {
			source.how.whole = g.dictionary
		}
		u := &unit{schema: s.table.schema, n: to - from, minTs: c.minTs, maxTs: c.maxTs, source: source, memo: &g.memo, vecs: &w.vecs}
		wanted := w.allRows(u.n)
		if set != granulesOf(from, to) {
			wanted = granuleRowsOf(wanted, set, from)
		}
		if err := s.unit(ctx, u, wanted, g, w); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// allRows are the first n rows.
func (w *worker) allRows(n int) []uint32 {
	if cap(w.rows) < n {
		w.rows = make([]uint32, max(n, parquetio.WindowRows))
	}
	rows := w.rows[:n]
	for i := range rows {
		rows[i] = uint32(i)
	}
	return rows
}

// granuleRowsOf keeps the rows, counted from row first of the row group, that lie in set.
func granuleRowsOf(rows []uint32, set uint64, first int) []uint32 {
	out := rows[:0]
	for _, r := range rows {
		if set>>((int(r)+first)/granuleRows)&1 == 1 {
			out = append(out, r)
		}
	}
	return out
}

// failed leaves a damaged row group out, counted; everything else is right.
func (s *scan) failed(g *groupScan, err error) error {
	if errors.Is(err, errUnreachable) {
		if g == nil || !g.unreachable.Swap(true) {
			s.count(func(st *store.ScanStats) { st.Unreachable++ })
		}
		return nil
	}
	if !errors.Is(err, errCorrupt) {
		return err
	}
	if g != nil {
		s.table.quarantine(g.seg, g.group, err)
	}
	s.count(func(st *store.ScanStats) { st.Quarantined++ })
	return nil
}

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
		if err := s.fn(batch); err != nil {
			return err
		}
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
	}
	if rows, err = u.filter(filter, rows); err != nil || len(rows) == 0 {
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

// ordered sorts the rows by time when the request asks for an order.
func (s *scan) ordered(u *unit, rows []uint32) ([]uint32, error) {
	if s.req.Order == store.AnyOrder {
		return rows, nil
	}
	ts, err := u.physical(u.schema.Time)
	if err != nil {
		return nil, err
	}
	order := func(a, b uint32) int {
		if s.req.Order == store.NewestFirst {
			return compareInt(ts.Ints[b], ts.Ints[a])
		}
		return compareInt(ts.Ints[a], ts.Ints[b])
	}
	if s.req.Order == store.NewestFirst {
		slices.Reverse(rows) // Most are in the order of time already.
	}
	if !slices.IsSortedFunc(rows, order) {
		slices.SortStableFunc(rows, order)
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
