package columnar

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// modelRow is what the model knows of a row.
type modelRow struct {
	ts      int64
	product string
	attr    int64 // -1: none
	text    string
}

// modelTable is a table beside a map that must always hold the same rows.
type modelTable struct {
	t    *testing.T
	rng  *rand.Rand
	fs   *vfs.MemFS
	opts Options
	now  time.Time
	tab  *Table
	rows map[string]modelRow
	next int
}

const modelRetention = 10 * 24 * time.Hour

func (m *modelTable) open() {
	m.t.Helper()
	var err error
	if m.tab, err = Open(m.opts); err != nil {
		m.t.Fatal(err)
	}
}

// append adds a batch whose times are anywhere in the retention and often at
// the edges of partitions.
func (m *modelTable) append() {
	b := m.tab.NewBuilder()
	added := map[string]modelRow{}
	for range 1 + m.rng.IntN(40) {
		r := modelRow{attr: -1, product: []string{"", "a", "b"}[m.rng.IntN(3)]}
		at := m.now.Add(-time.Duration(m.rng.Int64N(int64(modelRetention - 48*time.Hour))))
		switch m.rng.IntN(4) {
		case 0:
			at = at.Truncate(24 * time.Hour)
		case 1:
			at = at.Truncate(24 * time.Hour).Add(-1)
		}
		r.ts = at.UnixNano()
		id := fmt.Sprint("row-", m.next)
		m.next++
		b.Int(0, r.ts)
		b.Str(1, r.product)
		b.Str(4, id)
		b.Bytes(5, fmt.Sprintf("%016d", m.next))
		if m.rng.IntN(2) == 0 {
			r.attr = m.rng.Int64N(5)
			b.AttrInt("n", r.attr)
		}
		if m.rng.IntN(3) == 0 {
			r.text = fmt.Sprint("text ", m.rng.IntN(7))
			// The same name is sometimes of another kind, in another row.
			if r.attr < 0 && m.rng.IntN(2) == 0 {
				b.AttrStr("n", r.text)
			} else {
				b.AttrStr(fmt.Sprint("key", m.rng.IntN(60)), r.text)
			}
		}
		b.Next()
		added[id] = r
	}
	if err := m.tab.Append(b); err != nil {
		m.t.Fatal(err)
	}
	for id, r := range added {
		m.rows[id] = r
	}
}

// crash loses what was not synced and some of it, at random.
func (m *modelTable) crash() {
	old := m.tab
	clone := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: m.rng.IntN(101), RNG: m.rng})
	if err := old.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.fs, m.opts.FS = clone, clone
	m.open()
}

// expire moves the clock and removes what is too old: rows go by segment, when
// the newest of it is out of retention, so the model asks which are left.
func (m *modelTable) expire() {
	m.now = m.now.Add(time.Duration(m.rng.Int64N(int64(36 * time.Hour))))
	if err := m.tab.Flush(); err != nil {
		m.t.Fatal(err)
	}
	if err := m.tab.expire(m.now); err != nil {
		m.t.Fatal(err)
	}
	limit := m.now.Add(-modelRetention).UnixNano()
	have := m.scan(model.ScopeAll(), store.ScanRequest{From: 0, To: 1 << 62})
	for id, r := range m.rows {
		if _, ok := have[id]; !ok && r.ts < limit {
			delete(m.rows, id)
		}
	}
}

func (m *modelTable) scan(scope model.Scope, req store.ScanRequest) map[string]int64 {
	m.t.Helper()
	req.Columns = []store.ColumnRef{store.Col("id"), store.Col(store.ColTime)}
	out := map[string]int64{}
	last := map[bool]int64{}
	stats, err := m.tab.Scan(m.t.Context(), scope, req, func(b *store.Batch) error {
		for i := range b.N {
			id := b.Cols[0].Str(i)
			if _, twice := out[id]; twice {
				return fmt.Errorf("%s is there twice", id)
			}
			ts := b.Cols[1].Ints[i]
			if i > 0 && (req.Order == store.OldestFirst && ts < last[true] || req.Order == store.NewestFirst && ts > last[true]) {
				return fmt.Errorf("%s is out of order", id)
			}
			last[true] = ts
			out[id] = ts
		}
		return nil
	})
	if err != nil || stats.Quarantined != 0 || stats.RowsMatched != int64(len(out)) {
		m.t.Fatalf("%v, %+v, %d rows", err, stats, len(out))
	}
	return out
}

// check compares random scans with the model.
func (m *modelTable) check() {
	m.t.Helper()
	n := store.ColumnRef{Scope: store.Attr, Name: "n"}
	from, to := int64(0), int64(1)<<62
	if m.rng.IntN(2) == 0 {
		from = m.now.Add(-time.Duration(m.rng.Int64N(int64(modelRetention)))).Truncate(24 * time.Hour).UnixNano()
		to = from + m.rng.Int64N(int64(72*time.Hour))
	}
	value := m.rng.Int64N(5)
	text := fmt.Sprint("text ", m.rng.IntN(7))
	preds := []struct {
		pred store.Pred
		ok   func(modelRow) bool
	}{
		{nil, func(modelRow) bool { return true }},
		{store.Cmp{Col: n, Op: store.Eq, Val: store.Int(value)}, func(r modelRow) bool { return r.attr == value }},
		{store.Cmp{Col: n, Op: store.Gt, Val: store.Float(float64(value))}, func(r modelRow) bool { return r.attr > value }},
		{store.Not{P: store.Cmp{Col: n, Op: store.Ge, Val: store.Int(value)}}, func(r modelRow) bool { return r.attr < value }},
		{store.Cmp{Col: store.Col(store.ColProduct), Op: store.Eq, Val: store.Str("a")}, func(r modelRow) bool { return r.product == "a" }},
		{store.Or{store.TextEq{Col: store.Col(store.ColProduct), Text: "b"}, store.Cmp{Col: n, Op: store.Eq, Val: store.Int(value)}},
			func(r modelRow) bool { return r.product == "b" || r.attr == value }},
		{store.Contains{Col: store.Col(store.ColAttrs), Sub: text + `"`}, func(r modelRow) bool { return r.text == text }},
	}
	p := preds[m.rng.IntN(len(preds))]
	scope, allowed := model.ScopeAll(), func(string) bool { return true }
	if m.rng.IntN(3) == 0 {
		scope = model.ScopeProducts(model.RoleViewer, "a", "")
		allowed = func(product string) bool { return product != "b" }
	}
	got := m.scan(scope, store.ScanRequest{From: from, To: to, Where: p.pred, Order: store.Order(m.rng.IntN(3))})
	want := map[string]int64{}
	for id, r := range m.rows {
		if r.ts >= from && r.ts < to && p.ok(r) && allowed(r.product) {
			want[id] = r.ts
		}
	}
	for id, ts := range want {
		if at, ok := got[id]; !ok || at != ts {
			m.t.Fatalf("%s of %+v is missing or at %d (%#v, %d rows of %d)", id, m.rows[id], at, p.pred, len(got), len(want))
		}
	}
	if len(got) != len(want) {
		m.t.Fatalf("%d rows, want %d (%#v)", len(got), len(want), p.pred)
	}
}

// TestModel does in random order what happens to a table in its life and compares
// its rows with a map after every step.
func TestModel(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &modelTable{t: t, rng: rand.New(rand.NewPCG(seed, 1)), fs: vfs.NewCrashableMem(), now: testNow, rows: map[string]modelRow{}}
			m.opts = testOptions(m.fs)
			m.opts.Retention = modelRetention
			// The background work would make the order of things random.
			m.opts.Now = func() time.Time { return testNow }
			m.open()
			t.Cleanup(func() { _ = m.tab.Close() })
			steps := []string{}
			defer func() {
				if t.Failed() {
					t.Logf("steps: %v", steps)
				}
			}()
			for range 70 {
				switch step := m.rng.IntN(100); {
				case step < 60:
					steps = append(steps, "append")
					m.append()
				case step < 75:
					steps = append(steps, "flush")
					if err := m.tab.Flush(); err != nil {
						t.Fatal(err)
					}
				case step < 85:
					steps = append(steps, "compact")
					if err := m.tab.compact(testNow); err != nil {
						t.Fatal(err)
					}
				case step < 90:
					steps = append(steps, "reopen")
					if err := m.tab.Close(); err != nil {
						t.Fatal(err)
					}
					m.open()
				case step < 96:
					steps = append(steps, "crash")
					m.crash()
				default:
					steps = append(steps, "expire")
					m.expire()
				}
				m.check()
				m.check()
			}
			if d := m.tab.Damages(); len(d) != 0 {
				t.Errorf("damages: %+v", d)
			}
		})
	}
}

// TestManyAppendersAtOnce appends, scans, flushes and compacts from many
// goroutines, then loses what is not synced: every acknowledged row is there.
func TestManyAppendersAtOnce(t *testing.T) {
	fs := vfs.NewCrashableMem()
	tab := openTable(t, testOptions(fs))
	const appenders, each = 16, 60
	errs := make(chan error, appenders+2)
	done := make(chan struct{})
	for a := range appenders {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				err = add(tab, a*each+i)
			}
			errs <- err
		}()
	}
	background := func(work func() error) {
		var err error
		for err == nil {
			select {
			case <-done:
				errs <- nil
				return
			default:
				err = work()
			}
		}
		errs <- err
	}
	go background(tab.Flush)
	go background(func() error {
		if err := tab.compact(testNow); err != nil {
			return err
		}
		seen := map[string]bool{}
		_, err := tab.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{From: 0, To: 1 << 62, Columns: []store.ColumnRef{store.Col("id")}}, func(b *store.Batch) error {
			for i := range b.N {
				if id := b.Cols[0].Str(i); seen[id] {
					return fmt.Errorf("%s is there twice", id)
				} else {
					seen[id] = true
				}
			}
			return nil
		})
		return err
	})
	for range appenders {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	close(done)
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	tab = openTable(t, testOptions(crashed))
	if got, _ := ids(t, tab); !slices.Equal(got, count(appenders*each)) {
		t.Errorf("%d of %d rows after a crash", len(got), appenders*each)
	}
}
