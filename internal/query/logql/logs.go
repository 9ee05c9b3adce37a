package logql

import (
	"cmp"
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
	q := logQuery{e: e, scope: scope, expr: l, newest: !r.Forward, from: r.Start.UnixNano(), to: r.End.UnixNano(), n: limit, res: &res}
	if r.Interval > 0 {
		q.n = e.o.MaxEntries
	}
	var err error
	if q.schema, err = e.schema(ctx, scope, q.from, q.to); err != nil {
		return res, err
	}
	rows, err := q.run(ctx)
	if err != nil {
		return res, err
	}
	if r.Interval > 0 {
		rows = thin(rows, int64(r.Interval), limit)
	}
	res.Streams = group(rows)
	return res, nil
}

// logQuery finds the newest (or oldest) n lines of a pipeline in [from, to).
type logQuery struct {
	e        *Engine
	scope    model.Scope
	expr     *LogExpr
	schema   *schema
	newest   bool
	from, to int64
	n        int
	res      *Result
}

// run reads the lines at once when the scan does all filtering. Else it looks first
// for the times of the lines that pass, reading only what the filters need, and reads
// everything of a line, which is a lot, only around these times.
func (q *logQuery) run(ctx context.Context) ([]plan.Entry[logRow], error) {
	if before, d, behind := splitDistinct(q.expr); d != nil {
		return q.distinct(ctx, before, d, behind)
	}
	c := compile(q.expr, q.schema)
	j := newJudge(q.expr, c)
	if j == nil {
		return q.rows(ctx, q.from, q.to, nil, q.n)
	}
	c.scan.From, c.scan.To, c.scan.Budget = q.from, q.to, q.e.o.Budget
	top := plan.Top[struct{}]{N: q.n, Newest: q.newest, Row: func(f *plan.Frame, row int) (struct{}, bool, error) {
		return struct{}{}, j.passes(f, row), nil
	}}
	found, stats, partial, err := plan.RunTop(ctx, q.e.o.Store, q.scope, c.scan, nil, top)
	q.res.add(stats, partial)
	if err != nil {
		return nil, err
	}
	var out []plan.Entry[logRow]
	for _, part := range splitByGaps(found, maxLineScans) {
		if len(out) == q.n {
			break
		}
		var times store.Or
		for _, near := range splitByGaps(part, maxTimeRanges) {
			from, to := timesOf(near)
			times = append(times, store.And{
				store.Cmp{Col: store.Col(store.ColTime), Op: store.Ge, Val: store.Int(from)},
				store.Cmp{Col: store.Col(store.ColTime), Op: store.Lt, Val: store.Int(to)},
			})
		}
		from, to := timesOf(part)
		rows, err := q.rows(ctx, from, to, times, q.n-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// rows reads the first n lines of a range of time, of those within times if there are
// any.
func (q *logQuery) rows(ctx context.Context, from, to int64, times store.Or, n int) ([]plan.Entry[logRow], error) {
	c := compile(q.expr, q.schema)
	if len(times) > 1 {
		if c.scan.Where == nil {
			c.scan.Where = store.True{}
		}
		c.scan.Where = store.And{times, c.scan.Where}
	}
	body := c.column(store.Col(store.ColBody))
	src := newRowSource(nil, q.schema, c.column)
	j := newJudge(q.expr, c)
	c.scan.From, c.scan.To, c.scan.Budget = from, to, q.e.o.Budget
	if !c.drops {
		c.scan.Limit = n // What filters is in the scan.
	}
	var b lineLabels
	top := plan.Top[logRow]{N: n, Newest: q.newest, Row: func(f *plan.Frame, row int) (logRow, bool, error) {
		if j != nil && !j.passes(f, row) {
			return logRow{}, false, nil
		}
		src.fill(f, row, f.Cols[0].Ints[row], f.Cols[body].Str(row), &b)
		if !c.run(&b) {
			return logRow{}, false, nil
		}
		return makeRow(&b), true, nil
	}}
	rows, stats, partial, err := plan.RunTop(ctx, q.e.o.Store, q.scope, c.scan, nil, top)
	q.res.add(stats, partial)
	return rows, err
}

// Bounds of reading the lines that were found: each scan has a cost of its own, and
// each range of times in it is compared with every row.
const (
	maxLineScans  = 16
	maxTimeRanges = 32
)

// timesOf is the range of time, [from, to) ns, of sorted entries.
func timesOf[T any](rows []plan.Entry[T]) (from, to int64) {
	a, b := rows[0].Ts, rows[len(rows)-1].Ts
	return min(a, b), max(a, b) + 1
}

// splitByGaps cuts sorted entries into few parts, where the gaps between their times
// are longest. Entries of one time stay together.
func splitByGaps[T any](rows []plan.Entry[T], most int) [][]plan.Entry[T] {
	if len(rows) == 0 {
		return nil
	}
	gap := func(i int) int64 { return max(rows[i].Ts-rows[i-1].Ts, rows[i-1].Ts-rows[i].Ts) }
	var cuts []int // i: between rows i-1 and i
	for i := 1; i < len(rows); i++ {
		if gap(i) > 0 {
			cuts = append(cuts, i)
		}
	}
	if len(cuts) >= most {
		slices.SortStableFunc(cuts, func(a, b int) int { return cmp.Compare(gap(b), gap(a)) })
		cuts = cuts[:most-1]
		slices.Sort(cuts)
	}
	var out [][]plan.Entry[T]
	first := 0
	for _, end := range append(cuts, len(rows)) {
		out = append(out, rows[first:end])
		first = end
	}
	return out
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
func newJudge(l *LogExpr, c *compiled) *judge {
	if !c.drops {
		return nil
	}
	need, early := newNameSet(), true
	for _, s := range l.Stages {
		if !needs(s, need) {
			return nil
		}
		if f, ok := s.(*LabelFilter); ok && hasIP(f.Expr) {
			early = false // It asks whether there is an error, perhaps behind the labels.
		}
	}
	j := &judge{c: c, body: c.column(store.Col(store.ColBody)), src: newRowSource(need, c.schema, c.column)}
	j.b.early = early && !need.errors
	return j
}

func hasIP(e LabelExpr) bool {
	switch e := e.(type) {
	case *LabelIP:
		return true
	case *LabelBinary:
		return hasIP(e.L) || hasIP(e.R)
	}
	return false
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
