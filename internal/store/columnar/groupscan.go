package columnar

import (
	"fmt"
	"sync"
	"sync/atomic"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// groupScan is what the windows of one row group share in a scan.
type groupScan struct {
	seg   *segment
	group int
	memo  memo

	unreachable atomic.Bool // counted as such

	once     sync.Once
	granules uint64 // in which rows may match
	filter   *node  // what is left of the scan's filter
	byRuns   bool   // rows may be read as runs
	runCols  []string
	err      error

	mu    sync.Mutex
	dicts map[int][]string // by column, decoded for this scan
	mem   *parquetio.Memory
}

// dictionary decodes a dictionary once for all windows of the row group, a large
// one, which the cache does not keep, into the memory of the worker that has them all.
func (g *groupScan) dictionary(group, col int) (dict []string, decoded int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d, ok := g.dicts[col]; ok {
		return d, 0, nil
	}
	d, err := g.seg.dictionary(group, col, g.mem)
	if err != nil {
		return nil, 0, err
	}
	if g.dicts == nil {
		g.dicts = map[int][]string{}
	}
	g.dicts[col] = d
	return d, g.seg.file.Groups[group].Chunks[col].DictBytes(), nil
}

// manyGranules is of how many granules of a row group whole dictionaries are
// decoded rather than the parts that single rows need.
const manyGranules = maxGranules / 4

// forget drops what only windows of the row group need.
func (g *groupScan) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dicts = nil
	g.memo.forget()
}

// prepare prunes a row group and compiles what is left to filter its rows by.
func (s *scan) prepare(g *groupScan) {
	info := &g.seg.groups[g.group]
	if info.bad.Load() {
		g.err = fmt.Errorf("%w: row group %d", errCorrupt, g.group)
		return
	}
	pr := newPruner(g.seg, g.group)
	time := store.Col(s.table.schema.Time)
	for _, bound := range []struct {
		needed bool
		cmp    store.Cmp
	}{
		{info.minTs < s.req.From, store.Cmp{Col: time, Op: store.Ge, Val: store.Int(s.req.From)}},
		{info.maxTs >= s.req.To, store.Cmp{Col: time, Op: store.Lt, Val: store.Int(s.req.To)}},
	} {
		if bound.needed {
			// Times are compared with the rows before the filter.
			pr.all &= pr.pages(g.seg.file.Column(s.table.schema.Time), bound.cmp)
		}
	}
	var rest store.Pred
	if rest, g.err = pr.reduce(s.where); g.err != nil {
		return
	}
	if g.granules, g.err = pr.find(rest); g.err != nil {
		return
	}
	if s.req.Alike != nil {
		g.runCols, g.byRuns = s.runColumns(g, rest)
	}
	leaves := 0
	g.filter = compile(rest, &leaves)
	g.memo.known = make([]memoLeaf, leaves)
}
