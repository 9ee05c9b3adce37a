package logql

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// logRow is one line of an answer before it is put into its stream.
type logRow struct {
	stream string // key of labels
	labels labels.Labels
	entry  Entry
}

// logs answers a log query.
func (e *Engine) logs(ctx context.Context, scope model.Scope, l *LogExpr, r Request) (Result, error) {
	res := Result{Kind: Streams}
	limit := r.Limit
	if limit <= 0 || limit > e.o.MaxEntries {
		limit = e.o.MaxEntries
	}
	from, to := r.Start.UnixNano(), r.End.UnixNano()
	sch, err := e.schema(ctx, scope, from, to)
	if err != nil {
		return res, err
	}
	c := compile(l, sch)
	c.scan.From, c.scan.To, c.scan.Budget = from, to, e.o.Budget
	body := c.column(store.Col(store.ColBody))
	src := newRowSource(nil, sch, c.column)
	judge := newJudge(l, c, body)
	var b lineLabels
	n := limit
	if r.Interval > 0 {
		n = e.o.MaxEntries
	}
	if len(c.stages) == 0 {
		c.scan.Limit = n // The scan filters, so no row is dropped behind it.
	}
	top := plan.Top[logRow]{N: n, Newest: !r.Forward, Row: func(f *plan.Frame, row int) (logRow, bool, error) {
		if judge != nil && !judge.passes(f, row) {
			return logRow{}, false, nil
		}
		src.fill(f, row, f.Cols[0].Ints[row], f.Cols[body].Str(row), &b)
		if !c.run(&b) {
			return logRow{}, false, nil
		}
		return makeRow(&b), true, nil
	}}
	rows, stats, partial, err := plan.RunTop(ctx, e.o.Store, scope, c.scan, nil, top)
	res.add(stats, partial)
	if err != nil {
		return res, err
	}
	if r.Interval > 0 {
		rows = thin(rows, int64(r.Interval), limit)
	}
	res.Streams = group(rows)
	return res, nil
}

// judge runs a pipeline with only the labels that its filters read, so that the
// many lines that do not pass cost little. Lines that pass run again with all.
type judge struct {
	c    *compiled
	src  *rowSource
	body int
	b    lineLabels
}

// newJudge returns nil when the pipeline filters nothing or may read any label.
func newJudge(l *LogExpr, c *compiled, body int) *judge {
	need, filters := newNameSet(), false
	for _, s := range l.Stages {
		if !needs(s, need) {
			return nil
		}
		switch s.(type) {
		case *LabelFilter, *LineFilter:
			filters = true
		}
	}
	if !filters || len(c.stages) == 0 {
		return nil
	}
	return &judge{c: c, body: body, src: newRowSource(need, c.schema, c.column)}
}

func (j *judge) passes(f *plan.Frame, row int) bool {
	j.src.fill(f, row, f.Cols[0].Ints[row], f.Cols[j.body].Str(row), &j.b)
	return j.c.run(&j.b)
}

func makeRow(b *lineLabels) logRow {
	b.sort()
	row := logRow{
		labels: b.labels(func(l lineLabel) bool { return l.cat == catStream }),
		entry: Entry{
			Ts: b.ts, Line: strings.Clone(b.line),
			Metadata: b.labels(func(l lineLabel) bool { return l.cat == catMeta }),
			Parsed:   b.withError(func(l lineLabel) bool { return l.cat == catParsed }),
		},
	}
	row.stream = row.labels.String()
	return row
}

// thin leaves out rows closer than interval to the last one kept.
func thin(rows []plan.Entry[logRow], interval int64, limit int) []plan.Entry[logRow] {
	out := rows[:0]
	var last int64
	for i, r := range rows {
		if i > 0 && max(r.Ts-last, last-r.Ts) < interval {
			continue
		}
		last = r.Ts
		if out = append(out, r); len(out) == limit {
			break
		}
	}
	return out
}

// group puts rows into their streams, sorted by labels; lines keep their order.
func group(rows []plan.Entry[logRow]) []Stream {
	at := map[string]int{}
	out := []Stream{}
	for _, r := range rows {
		i, ok := at[r.Row.stream]
		if !ok {
			i = len(out)
			at[r.Row.stream] = i
			out = append(out, Stream{Labels: r.Row.labels})
		}
		out[i].Entries = append(out[i].Entries, r.Row.entry)
	}
	slices.SortFunc(out, func(a, b Stream) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}
