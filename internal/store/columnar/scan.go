package columnar

import (
	"cmp"
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
	if s.few() {
		s.asked = describe(s.where)
	}
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
	filter *node  // where, for blocks of the memtable
	asked  string // describes where; "" when what it finds is not kept
	fn     func(*store.Batch) error

	mu      sync.Mutex // guards what follows and calls of fn
	stats   store.ScanStats
	refused error // what fn returned that ends the scan
}

// few tells that the scan is for few rows, of which the cache keeps what it can.
func (s *scan) few() bool { return s.req.Limit > 0 && s.req.Limit <= fewRows }

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
		slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.maxTs, a.maxTs) })
	case store.OldestFirst:
		slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.minTs, b.minTs) })
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
				w.mem.Reset()
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
