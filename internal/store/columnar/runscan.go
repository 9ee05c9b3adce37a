package columnar

import (
	"math"
	"slices"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// runSource gives the columns of runs instead of rows.
type runSource struct {
	vecs    map[string]*store.Vec
	attrs   []string
	decoded int64
}

func (s *runSource) column(name string) (*store.Vec, error) { return s.vecs[name], nil }

func (s *runSource) rows(name string, rows []uint32) (*store.Vec, error) {
	v := s.vecs[name]
	if v == nil {
		return nil, nil
	}
	out := gather(v, rows)
	return &out, nil
}

func (s *runSource) bytes() int64 { return s.decoded }

func (s *runSource) attrColumns() []string { return s.attrs }

// runColumns lists the columns, but for the time, that the filter and the request
// need of the row group; false when one of them cannot be read as runs.
func (s *scan) runColumns(g *groupScan, where store.Pred) (names []string, ok bool) {
	ok = true
	// A unit without rows tells what it would load.
	u := &unit{schema: s.table.schema, source: &groupSource{seg: g.seg, group: g.group}}
	load := func(name string) (*store.Vec, error) {
		if !g.seg.wanted(g.group, name) {
			return nil, nil
		}
		if name != s.table.schema.Time && !slices.Contains(names, name) {
			names = append(names, name)
		}
		return &store.Vec{}, nil
	}
	add := func(ref store.ColumnRef) {
		if _, err := u.resolve(ref, 0, load); err != nil {
			ok = false
		}
	}
	for _, ref := range s.req.Columns {
		add(ref)
	}
	eachColumn(where, func(ref store.ColumnRef) {
		add(ref)
		ok = ok && (ref.Scope != store.Intrinsic || ref.Name != s.table.schema.Time)
	})
	for _, name := range names {
		col := g.seg.file.Column(name)
		if col < 0 {
			continue
		}
		c, kind := &g.seg.file.Groups[g.group].Chunks[col], g.seg.file.Columns[col].Kind
		small := c.Dict != nil && len(c.Frames) <= 1 && int(c.DictLen)*minRun <= g.seg.groups[g.group].rows
		ok = ok && (small || g.seg.same(g.group, col, 1) != nil || c.Dict == nil && (kind == store.KindInt || kind == store.KindBool) || c.Nulls == int64(g.seg.groups[g.group].rows))
	}
	return names, ok
}

// eachColumn calls fn for the column of each leaf of p.
func eachColumn(p store.Pred, fn func(store.ColumnRef)) {
	switch p := p.(type) {
	case store.And:
		for _, child := range p {
			eachColumn(child, fn)
		}
	case store.Or:
		for _, child := range p {
			eachColumn(child, fn)
		}
	case store.Not:
		eachColumn(p.P, fn)
	case nil, store.True:
	default:
		ref, _ := leafTest(p)
		fn(ref)
	}
}

// runUnit is the rows [lo, hi) of a row group as runs, nil when they are too
// short to pay.
func (s *scan) runUnit(g *groupScan, lo, hi int, vecs *parquetio.Vectors) (*unit, error) {
	how := &reading{vecs: vecs}
	cols := make([]runs, len(g.runCols))
	var ends []uint32
	for i, name := range g.runCols {
		if g.seg.file.Column(name) < 0 {
			continue // An older version did not write it.
		}
		r, err := g.seg.runs(g.group, name, lo, hi, how)
		if err != nil {
			return nil, err
		}
		if cols[i] = r; r.ends == nil {
			return nil, nil
		}
		if ends = joinEnds(ends, r.ends); len(ends)*minRun > hi-lo {
			return nil, nil
		}
	}
	times, err := s.timeRuns(g, lo, hi, how)
	if err != nil || times.ends == nil {
		return nil, err
	}
	if ends = joinEnds(ends, times.ends); len(ends)*minRun > hi-lo {
		return nil, nil
	}
	counts := make([]int64, len(ends))
	source := &runSource{vecs: map[string]*store.Vec{s.table.schema.Time: times.at(ends)}, attrs: g.seg.Attrs, decoded: how.bytes}
	for i, name := range g.runCols {
		if cols[i].ends == nil {
			source.vecs[name] = g.seg.absent(name, len(ends))
		} else {
			source.vecs[name] = cols[i].at(ends)
		}
	}
	first := uint32(0)
	for i, end := range ends {
		counts[i] = int64(end - first)
		first = end
	}
	info := &g.seg.groups[g.group]
	return &unit{schema: s.table.schema, n: len(ends), minTs: info.minTs, maxTs: info.maxTs, source: source, counts: counts, memo: &g.memo}, nil
}

// alike is the interval around a time in which rows need not be told apart.
func (s *scan) alike(ts int64) (lo, hi int64) {
	switch {
	case ts < s.req.From:
		return math.MinInt64, s.req.From - 1
	case ts >= s.req.To:
		return s.req.To, math.MaxInt64
	}
	lo, hi = s.req.Alike(ts)
	return max(lo, s.req.From), min(hi, s.req.To-1)
}

// timeRuns divides the times of the rows [lo, hi) into runs that need not be told
// apart, page by page: most pages need not be read for that.
func (s *scan) timeRuns(g *groupScan, lo, hi int, how *reading) (runs, error) {
	col := g.seg.file.Column(s.table.schema.Time)
	c := &g.seg.file.Groups[g.group].Chunks[col]
	out := runs{vec: &store.Vec{Kind: store.KindInt}}
	from, to := int64(1), int64(0) // the interval of the last run
	add := func(ts int64, end int) {
		if ts >= from && ts <= to {
			out.ends[len(out.ends)-1] = uint32(end)
			return
		}
		from, to = s.alike(ts)
		out.ends, out.vec.Ints = append(out.ends, uint32(end)), append(out.vec.Ints, ts)
	}
	a, b := c.PagesOf(lo, hi)
	for i := a; i < b; i++ {
		p := &c.Pages[i]
		first, last := max(int(p.First), lo), min(int(p.First+p.Rows), hi)
		if _, end := s.alike(p.MinInt); end >= p.MaxInt {
			add(p.MinInt, last-lo)
			continue
		}
		v, err := g.seg.column(g.group, s.table.schema.Time, first, last, how)
		if err != nil {
			return runs{}, err
		}
		for k, ts := range v.Ints {
			add(ts, first-lo+k+1)
		}
		if len(out.ends)*minRun > hi-lo {
			return runs{}, nil
		}
	}
	return out, nil
}
