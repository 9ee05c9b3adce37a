package traceql

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// search is one running search.
type search struct {
	e     *Engine
	ctx   context.Context //nolint:containedctx // it lives as long as one search
	scope model.Scope
	r     Request
	pipe  *Pipeline
	push  *pusher
	read  *reader
	shown []*Attribute
	seen  map[string]bool
	res   Result
	// handed is how many of the traces were given to Request.Found.
	handed int
	// within asks for a span in the range of each trace, because candidates are
	// looked for around it.
	within bool
}

// rounds looks at the newest candidate traces first and goes on to older ones
// while the answer is not full. Each round is larger than the one before.
func (s *search) rounds() error {
	began := time.Now()
	from, bound := s.r.Start.UnixNano(), s.r.End.UnixNano()
	where, several, possible, err := s.rarest(from, bound)
	if err != nil || !possible {
		return err
	}
	if several {
		// The span that is looked for may lie outside while another one that the
		// query names lies inside.
		s.within = true
		from, bound = from-int64(s.e.o.Around), bound+int64(s.e.o.Around)
	}
	for size := max(s.r.Limit, 16); from < bound; size = min(size*4, maxChunk) {
		c, err := s.candidates(where, from, bound, size)
		if err != nil {
			return err
		}
		for rest := c.traces; len(rest) > 0; {
			n := min(len(rest), s.read.chunk())
			part := rest[:n]
			rest = rest[n:]
			if err := s.inspect(part); err != nil {
				return err
			}
			if len(s.res.Traces) >= s.r.Limit {
				s.res.Traces = s.res.Traces[:s.r.Limit]
				return nil
			}
			if err := s.handOver(); err != nil {
				return err
			}
		}
		if c.complete || s.res.Partial {
			return nil
		}
		if b := s.e.o.Budget.Time; s.res.Inspected >= s.e.o.MaxInspected || b > 0 && time.Since(began) > b {
			s.res.Partial = true
			return nil
		}
		bound = c.bound
	}
	return nil
}

// handOver gives what was found since the last time to Request.Found.
func (s *search) handOver() error {
	if s.r.Found == nil || len(s.res.Traces) == s.handed {
		return nil
	}
	part := s.res
	part.Traces = slices.Clone(s.res.Traces[s.handed:])
	slices.SortStableFunc(part.Traces, func(a, b Found) int { return cmp.Compare(b.Start, a.Start) })
	s.handed = len(s.res.Traces)
	return s.r.Found(part)
}

// rarest chooses the predicate to find candidates by. When a trace needs several
// kinds of spans, each kind is looked for from the newest end: a kind that is
// nowhere ends the search, and the one that is met last is the rarest. several tells
// that it needs several kinds.
func (s *search) rarest(from, to int64) (where store.Pred, several, possible bool, err error) {
	var list []store.Pred
	all := s.push.requiredBy(s.pipe)
	for _, p := range all {
		if weight(p) > 0 {
			list = append(list, p)
		}
	}
	switch len(list) {
	case 0:
		return nil, false, true, nil
	case 1:
		return list[0], len(all) > 1, true, nil
	}
	// Spans around the searched range may complete a trace.
	from, to = from-int64(s.e.o.Around), to+int64(s.e.o.Around)
	oldest := int64(0)
	for _, p := range list {
		newest := int64(0)
		found := false
		stats, err := s.e.o.Store.Scan(s.ctx, s.scope, store.ScanRequest{
			From: from, To: to, Where: p, Order: store.NewestFirst, Budget: s.e.o.Budget, Columns: []store.ColumnRef{store.Col(store.ColTime)},
		}, func(b *store.Batch) error {
			for _, ts := range b.Cols[0].Ints {
				newest, found = max(newest, ts), true
			}
			if found {
				return store.ErrStop
			}
			return nil
		})
		if err := s.note(stats, err); err != nil {
			return nil, true, false, err
		}
		if !found {
			return nil, true, false, nil
		}
		if where == nil || newest < oldest {
			where, oldest = p, newest
		}
	}
	return where, true, true, nil
}

// candidate is a trace with a matching span, and when the newest one started.
type candidate struct {
	id string
	ts int64
}

type candidates struct {
	traces   []candidate // newest first
	complete bool        // there are no more in the range
	bound    int64       // where the next round ends
}

// candidates finds about size traces whose newest matching span in [from, bound)
// is the newest. Traces seen before are left out.
func (s *search) candidates(where store.Pred, from, bound int64, size int) (candidates, error) {
	newest := map[string]int64{}
	cut := int64(0) // traces below are not wanted; 0 is none yet
	complete := true
	prune := func() {
		if len(newest) < 4*size {
			return
		}
		list := sortedCandidates(newest)
		cut = list[size-1].ts
		for _, c := range list[size:] {
			if c.ts < cut {
				delete(newest, c.id)
				complete = false
			}
		}
	}
	stats, err := s.e.o.Store.Scan(s.ctx, s.scope, store.ScanRequest{
		From: from, To: bound, Where: where, Order: store.NewestFirst, Budget: s.e.o.Budget,
		Columns: []store.ColumnRef{store.Col(store.ColTime), store.Col(store.ColTraceID)},
		Skip: func(_, hi int64) bool {
			if cut == 0 && len(newest) >= size {
				cut = sortedCandidates(newest)[size-1].ts
			}
			if cut != 0 && hi < cut {
				complete = false
				return true
			}
			return false
		},
	}, func(b *store.Batch) error {
		for i, ts := range b.Cols[0].Ints {
			if ts < cut {
				complete = false
				continue
			}
			id := b.Cols[1].Str(i)
			if have, ok := newest[id]; ok {
				if ts > have {
					newest[id] = ts
				}
				continue
			}
			if id != "" && !s.seen[id] {
				newest[strings.Clone(id)] = ts
			}
		}
		prune()
		return s.ctx.Err()
	})
	if err := s.note(stats, err); err != nil {
		return candidates{}, err
	}
	list := sortedCandidates(newest)
	out := candidates{traces: list, complete: complete && len(list) <= size}
	if len(list) > size {
		// All traces of the last time stay, so that the next round can end there.
		n := size
		for n < len(list) && list[n].ts == list[size-1].ts {
			n++
		}
		out.traces, out.complete = list[:n], complete && n == len(list)
	}
	if len(out.traces) == 0 {
		out.complete = true
		return out, nil
	}
	out.bound = out.traces[len(out.traces)-1].ts
	for _, c := range out.traces {
		s.seen[c.id] = true
	}
	return out, nil
}

func sortedCandidates(m map[string]int64) []candidate {
	list := make([]candidate, 0, len(m))
	for id, ts := range m {
		list = append(list, candidate{id, ts})
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.ts, a.ts), cmp.Compare(a.id, b.id)) })
	return list
}

// note adds a scan's statistics. A used-up budget makes the answer partial.
func (s *search) note(stats store.ScanStats, err error) error {
	s.res.Stats.Add(stats)
	if errors.Is(err, store.ErrBudget) {
		s.res.Partial = true
		return nil
	}
	if stats.Incomplete() {
		s.res.Partial = true
	}
	return err
}

// inspect reads the whole traces of candidates and evaluates the query on them.
func (s *search) inspect(part []candidate) error {
	ids := make([]string, len(part))
	lo, hi := part[0].ts, part[0].ts
	for i, c := range part {
		ids[i] = c.id
		lo, hi = min(lo, c.ts), max(hi, c.ts)
	}
	traces, stats, err := s.read.read(ids, lo, hi)
	if err := s.note(stats, err); err != nil {
		return err
	}
	for _, t := range traces {
		s.res.Inspected++
		if s.within && !t.startsIn(s.r.Start.UnixNano(), s.r.End.UnixNano()) {
			continue
		}
		if d := t.end - t.start; d < int64(s.r.MinDuration) || s.r.MaxDuration > 0 && d > int64(s.r.MaxDuration) {
			continue
		}
		ev := &evaluator{cols: &s.read.cols, trace: t, done: s.ctx.Done()}
		sets := ev.run(s.pipe)
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if len(sets) > 0 {
			s.res.Traces = append(s.res.Traces, s.found(ev, sets))
		}
	}
	return nil
}
