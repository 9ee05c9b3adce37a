package columnar

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

var lifeSchema = Schema{
	Name: "life",
	Fields: []Field{
		{Name: store.ColTime, Kind: store.KindInt, Delta: true},
		{Name: store.ColProduct, Kind: store.KindString},
		{Name: store.ColService, Kind: store.KindString},
		{Name: store.ColTraceID, Kind: store.KindBytes, Exact: true},
		{Name: "id", Kind: store.KindString, Plain: true, Words: true},
		{Name: store.ColWeight, Kind: store.KindFloat},
	},
	Time:   store.ColTime,
	SortBy: store.ColTraceID,
}

func lifeOptions(fs vfs.FS) Options {
	o := testOptions(fs)
	o.Schema, o.Retention = &lifeSchema, modelRetention
	return o
}

type lifeRow struct {
	id, service, user, product string
	ts                         int64
}

func (r lifeRow) trace() string { return fmt.Sprintf("%016s", r.id) }

func appendLife(t testing.TB, tab *Table, rows ...lifeRow) {
	t.Helper()
	b := tab.NewBuilder()
	for _, r := range rows {
		b.Int(0, r.ts)
		b.Str(1, r.product)
		b.Str(2, r.service)
		b.Bytes(3, r.trace())
		b.Str(4, r.id)
		if r.user != "" {
			b.AttrStr("user", r.user)
		}
		b.Next()
	}
	if err := tab.Append(b); err != nil {
		t.Fatal(err)
	}
}

// lifeIDs are the ids of the rows that a scan shows, each once.
func lifeIDs(t testing.TB, tab *Table, where store.Pred) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	stats, err := tab.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Where: where, Columns: []store.ColumnRef{store.Col("id"), store.Col(store.ColTraceID)}}, func(b *store.Batch) error {
		for i := range b.N {
			id := strings.Clone(b.Cols[0].Str(i))
			if out[id] {
				return fmt.Errorf("%s is there twice", id)
			}
			if tr := b.Cols[1].Str(i); tr != (lifeRow{id: id}).trace() {
				return fmt.Errorf("%s has trace %q: its columns were mixed up", id, tr)
			}
			out[id] = true
		}
		return nil
	})
	if err != nil || stats.RowsMatched != int64(len(out)) {
		t.Fatalf("%v %+v", err, stats)
	}
	return out
}

func service(name string) store.Pred {
	return store.Cmp{Col: store.Col(store.ColService), Op: store.Eq, Val: store.Str(name)}
}

func userIs(name string) store.Pred {
	return store.TextEq{Col: store.ColumnRef{Scope: store.Attr, Name: "user"}, Text: name}
}

func removed(tab *Table, reason string) float64 {
	return testutil.ToFloat64(tab.metrics.removed.WithLabelValues(reason))
}

// TestFirstMatchingRuleTellsTheAge has a rule for one service, one for all, and a
// row of each service on each of the last nine days.
func TestFirstMatchingRuleTellsTheAge(t *testing.T) {
	const day = 24 * time.Hour
	tab := openTable(t, lifeOptions(vfs.NewMem()))
	want := map[string]bool{}
	for age := range 9 {
		for _, s := range []string{"audit", "noise", "web"} {
			r := lifeRow{id: fmt.Sprint(s, age), service: s, ts: testNow.Add(-time.Duration(age) * day).UnixNano()}
			appendLife(t, tab, r)
			// Whole days leave when the youngest row of the day is too old.
			keep := map[string]int{"audit": 8, "noise": 2, "web": 5}[s]
			if age <= keep {
				want[r.id] = true
			}
		}
	}
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	err := tab.SetPolicy(Policy{Rules: []RetentionRule{{service("audit"), 9 * day}, {service("noise"), 2*day + time.Hour}, {store.True{}, 5*day + time.Hour}, {service("audit"), time.Hour}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tab.leave(testNow); err != nil {
		t.Fatal(err)
	}
	if got := lifeIDs(t, tab, nil); !equalSets(got, want) {
		t.Fatalf("got %v\nwant %v", keys(got), keys(want))
	}
	if n := removed(tab, removedRule); n != float64(27-len(want)) {
		t.Errorf("%v rows counted, %d left", n, 27-len(want))
	}
	files := tab.Stats().Segments
	ids := segmentIDs(tab)
	if err := tab.leave(testNow); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids, segmentIDs(tab)) {
		t.Errorf("%d segments were rewritten although every row stays", files)
	}
	if err := tab.SetPolicy(Policy{Rules: []RetentionRule{{store.True{}, modelRetention + 1}}}); err == nil {
		t.Error("a rule kept rows for longer than the table")
	}
}

func equalSets(a, b map[string]bool) bool {
	return slices.Equal(keys(a), keys(b))
}

func keys(m map[string]bool) []string { return sortedKeys(m) }

func segmentIDs(t *Table) []uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []uint64
	for id := range t.segments {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func TestDiskBudgetRemovesTheOldestPartitionsFirst(t *testing.T) {
	tab := openTable(t, lifeOptions(vfs.NewMem()))
	rng := rand.New(rand.NewPCG(1, 2))
	for age := range 6 {
		for half := range 2 {
			var rows []lifeRow
			for i := range 300 {
				rows = append(rows, lifeRow{id: fmt.Sprintf("%d-%d-%d-%x", age, half, i, rng.Uint64()), ts: testNow.Add(-time.Duration(age)*24*time.Hour - time.Duration(half)*time.Hour).UnixNano()})
			}
			appendLife(t, tab, rows...)
			if err := tab.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	one := tab.Stats().SegmentBytes / 12
	check := func(budget int64, want ...string) {
		t.Helper()
		if err := tab.SetPolicy(Policy{MaxBytes: budget}); err != nil {
			t.Fatal(err)
		}
		if err := tab.leave(testNow); err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		for id := range lifeIDs(t, tab, nil) {
			have[id[:3]] = true
		}
		if got := keys(have); !slices.Equal(got, want) {
			t.Errorf("with %d bytes of %d: %v, want %v", budget, one, got, want)
		}
	}
	check(100*one, "0-0", "0-1", "1-0", "1-1", "2-0", "2-1", "3-0", "3-1", "4-0", "4-1", "5-0", "5-1")
	// A day goes whole, although one half of it would do.
	check(one*7+one/2, "0-0", "0-1", "1-0", "1-1", "2-0", "2-1")
	check(one*4+one/2, "0-0", "0-1", "1-0", "1-1")
	check(one+one/2, "0-0")
	if n := removed(tab, removedBudget); n != 11*300 {
		t.Errorf("%v rows counted", n)
	}
}

// evenSampler keeps groups whose id ends in an even digit, with weight 2.
type evenSampler struct{ expected map[string]bool }

func (e *evenSampler) Expect(v *store.Vec, n int) {
	for i := range n {
		e.expected[strings.Clone(v.Str(i))] = true
	}
}
func (e *evenSampler) Note(*store.Batch) {}
func (e *evenSampler) Weights(b *store.Batch, weights []float64) {
	for i := range b.N {
		id := b.Cols[0].Str(i)
		if !e.expected[id] {
			panic("a group that was not announced")
		}
		if (id[len(id)-1]-'0')%2 == 0 {
			weights[i] = 2
		}
	}
}

func newEvenSampler() *Sampler {
	return &Sampler{GroupBy: store.ColTraceID, Weight: store.ColWeight, Grace: time.Hour, Columns: []store.ColumnRef{store.Col(store.ColTraceID)},
		Pass: func() SamplerPass { return &evenSampler{expected: map[string]bool{}} }}
}

func TestSamplingWaitsForTheGraceAndWritesWeights(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, lifeOptions(fs))
	all := map[string]bool{}
	for i := range 2000 {
		r := lifeRow{id: fmt.Sprint(i), ts: testNow.Add(-2 * time.Hour).UnixNano()}
		if i == 1500 {
			r.ts = testNow.Add(-30 * time.Minute).UnixNano()
		}
		all[r.id] = true
		appendLife(t, tab, r)
	}
	// A segment with a young row waits.
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := tab.SetPolicy(Policy{Sampler: newEvenSampler()}); err != nil {
		t.Fatal(err)
	}
	if err := tab.leave(testNow); err != nil {
		t.Fatal(err)
	}
	if got := lifeIDs(t, tab, nil); !equalSets(got, all) {
		t.Fatalf("%d of %d rows: a segment was sampled within its grace: %+v, %v removed by sampling, segments %v", len(got), len(all), tab.Stats(), removed(tab, removedSampling), segmentIDs(tab))
	}
	later := testNow.Add(3 * time.Hour)
	if err := tab.leave(later); err != nil {
		t.Fatal(err)
	}
	even := map[string]bool{}
	for id := range all {
		if (id[len(id)-1]-'0')%2 == 0 {
			even[id] = true
		}
	}
	weighted := store.Cmp{Col: store.Col(store.ColWeight), Op: store.Eq, Val: store.Float(2)}
	if got := lifeIDs(t, tab, weighted); !equalSets(got, even) || len(lifeIDs(t, tab, nil)) != len(even) {
		t.Fatalf("%d rows with weights of %d", len(got), len(even))
	}
	if n := removed(tab, removedSampling); n != float64(len(all)-len(even)) {
		t.Errorf("%v rows counted", n)
	}
	ids := segmentIDs(tab)
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	tab = openTable(t, lifeOptions(fs))
	if err := tab.SetPolicy(Policy{Sampler: newEvenSampler()}); err != nil {
		t.Fatal(err)
	}
	if err := tab.leave(later); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids, segmentIDs(tab)) {
		t.Error("what was sampled was sampled again after a restart")
	}
	if got := lifeIDs(t, tab, weighted); !equalSets(got, even) {
		t.Errorf("%d rows with weights after a restart", len(got))
	}
}

// TestFlushesDoNotWaitForRewrites flushes while everything that rewrites is held up.
func TestFlushesDoNotWaitForRewrites(t *testing.T) {
	tab := openTable(t, lifeOptions(vfs.NewMem()))
	tab.leaving.Lock()
	defer tab.leaving.Unlock()
	tab.compacting.Lock()
	defer tab.compacting.Unlock()
	appendLife(t, tab, lifeRow{id: "1", ts: testNow.UnixNano()})
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	if st := tab.Stats(); st.Segments != 1 || st.MemtableRows != 0 {
		t.Errorf("%+v", st)
	}
}
