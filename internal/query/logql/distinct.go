package logql

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// maxDistinct bounds what one query may tell apart.
const maxDistinct = 100_000

// key is the values of the labels, false when the line has none of them.
func (s *Distinct) key(b *lineLabels, buf []byte) ([]byte, bool) {
	any := false
	for _, n := range s.Names {
		v, ok := b.get(n)
		any = any || ok && v != ""
		buf = binary.AppendUvarint(buf, uint64(len(v)))
		buf = append(buf, v...)
	}
	return buf, any
}

// following is the stage for lines that come in the order of the query, as those of
// a tail.
func (s *Distinct) following() lineStage {
	seen := map[string]bool{}
	var buf []byte
	return func(b *lineLabels) bool {
		var any bool
		if buf, any = s.key(b, buf[:0]); !any {
			return true
		}
		if seen[string(buf)] {
			return false
		}
		if len(seen) >= maxDistinct {
			clear(seen) // Better a line again than no memory.
		}
		seen[string(buf)] = true
		return true
	}
}

// splitDistinct cuts a pipeline at its distinct stage, nil when there is none.
func splitDistinct(l *LogExpr) (before *LogExpr, d *Distinct, behind []Stage) {
	i := slices.IndexFunc(l.Stages, isDistinct)
	if i < 0 {
		return l, nil, nil
	}
	return &LogExpr{Matchers: l.Matchers, Stages: l.Stages[:i]}, l.Stages[i].(*Distinct), l.Stages[i+1:]
}

// firstOf is the first line, so far, with one set of values, and whether it passes
// the stages behind distinct.
type firstOf struct {
	ts     int64
	passes bool
	row    logRow
}

// distinct reads the whole range, in any order, and keeps the first line of each set
// of values. The scan may leave out what is behind n lines without any of the labels,
// and nothing else.
func (q *logQuery) distinct(ctx context.Context, before *LogExpr, d *Distinct, behind []Stage) ([]plan.Entry[logRow], error) {
	c := compile(before, q.schema)
	body := c.column(store.Col(store.ColBody))
	src := newRowSource(nil, q.schema, c.column)
	c.scan.From, c.scan.To, c.scan.Budget = q.from, q.to, q.e.o.Budget
	rest := compiled{}
	for _, s := range behind {
		rest.stages = append(rest.stages, compileStage(s))
	}
	firsts := map[string]*firstOf{}
	var b lineLabels
	var buf []byte
	top := plan.Top[logRow]{N: q.n, Newest: q.newest, Row: func(f *plan.Frame, row int) (logRow, bool, error) {
		ts := f.Cols[0].Ints[row]
		src.fill(f, row, ts, f.Cols[body].Str(row), &b)
		if !c.run(&b) {
			return logRow{}, false, nil
		}
		var any bool
		if buf, any = d.key(&b, buf[:0]); !any {
			if !rest.run(&b) {
				return logRow{}, false, nil
			}
			return makeRow(&b), true, nil
		}
		first := firsts[string(buf)]
		if first != nil && (ts <= first.ts) == q.newest {
			return logRow{}, false, nil
		}
		if first == nil {
			if len(firsts) >= maxDistinct {
				return logRow{}, false, queryErrorf("distinct tells more than %d sets of values apart; name labels of fewer values, or narrow the selector or the time range", maxDistinct)
			}
			first = &firstOf{}
			firsts[strings.Clone(string(buf))] = first
		}
		*first = firstOf{ts: ts, passes: rest.run(&b)}
		if first.passes {
			first.row = makeRow(&b)
		}
		return logRow{}, false, nil
	}}
	out, stats, partial, err := plan.RunTop(ctx, q.e.o.Store, q.scope, c.scan, nil, top)
	q.res.add(stats, partial)
	if err != nil {
		return nil, err
	}
	for _, first := range firsts {
		if first.passes {
			out = append(out, plan.Entry[logRow]{Ts: first.ts, Row: first.row})
		}
	}
	slices.SortStableFunc(out, func(a, b plan.Entry[logRow]) int {
		if a.Ts != b.Ts {
			if (a.Ts > b.Ts) == q.newest {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Row.stream+a.Row.entry.Line, b.Row.stream+b.Row.entry.Line)
	})
	return out[:min(len(out), q.n)], nil
}
