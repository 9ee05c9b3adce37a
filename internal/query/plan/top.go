package plan

import (
	"container/heap"
	"context"
	"slices"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Top keeps the N newest (or oldest) rows. Row is called only for rows that
// would enter the answer at that moment; it does what the plan's per-row stages
// have to do and returns the row's payload, or false to drop the row. What it
// returns must not point into the frame.
type Top[T any] struct {
	N      int
	Newest bool
	Time   int // column with the rows' time
	Row    func(f *Frame, row int) (T, bool, error)
}

// Entry is one row of the answer.
type Entry[T any] struct {
	Ts  int64
	Row T
	seq int
}

// entries is a heap whose root is the entry that leaves first.
type entries[T any] struct {
	list   []Entry[T]
	newest bool
}

func (h *entries[T]) before(a, b Entry[T]) bool {
	if a.Ts != b.Ts {
		return (a.Ts < b.Ts) == h.newest
	}
	return a.seq > b.seq
}
func (h *entries[T]) Len() int           { return len(h.list) }
func (h *entries[T]) Less(i, j int) bool { return h.before(h.list[i], h.list[j]) }
func (h *entries[T]) Swap(i, j int)      { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *entries[T]) Push(x any)         { h.list = append(h.list, x.(Entry[T])) }
func (h *entries[T]) Pop() any {
	x := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return x
}

// RunTop executes scan, stages and top. The answer is sorted: newest first when
// t.Newest, else oldest first. Units that cannot change a full answer are
// skipped, so the newest N of a long range cost little.
func RunTop[T any](ctx context.Context, src store.Scanner, scope model.Scope, s Scan, stages []Stage, t Top[T]) ([]Entry[T], store.ScanStats, bool, error) {
	s.Order = store.OldestFirst
	if t.Newest {
		s.Order = store.NewestFirst
	}
	h := &entries[T]{newest: t.Newest}
	full := func() bool { return len(h.list) >= t.N }
	// Equal times do not enter a full answer, so a unit that only touches the
	// bound is skipped too.
	skip := func(lo, hi int64) bool {
		if !full() {
			return false
		}
		if t.Newest {
			return hi <= h.list[0].Ts
		}
		return lo >= h.list[0].Ts
	}
	seq := 0
	if t.N <= 0 {
		return nil, store.ScanStats{}, false, ctx.Err()
	}
	stats, partial, err := run(ctx, src, scope, s, skip, stages, func(f *Frame) error {
		ts := f.Cols[t.Time].Ints
		for i := range f.Rows() {
			r := f.Row(i)
			if full() && skip(ts[r], ts[r]) {
				continue
			}
			row, keep, err := t.Row(f, r)
			if err != nil {
				return err
			}
			if !keep {
				continue
			}
			if full() {
				heap.Pop(h)
			}
			heap.Push(h, Entry[T]{Ts: ts[r], Row: row, seq: seq})
			seq++
		}
		return nil
	})
	out := h.list
	slices.SortFunc(out, func(a, b Entry[T]) int {
		if h.before(a, b) {
			return 1
		}
		return -1
	})
	return out, stats, partial, err
}
