package columnar

import (
	"context"
	"errors"
	"math/bits"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

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
		source := &groupSource{seg: g.seg, group: g.group, lo: from, hi: to, how: reading{vecs: &w.vecs, kept: s.few()}}
		if bits.OnesCount64(g.granules) >= manyGranules && s.req.Skip == nil {
			source.how.whole = g.dictionary
		}
		u := &unit{schema: s.table.schema, n: to - from, minTs: c.minTs, maxTs: c.maxTs, source: source, memo: &g.memo, vecs: &w.vecs}
		wanted := w.allRows(u.n)
		if set != granulesOf(from, to) {
			wanted = granuleRowsOf(wanted, set, from)
		}
		if s.asked != "" {
			u.asked, u.found = asked{s.asked, set, from, to}, source
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
