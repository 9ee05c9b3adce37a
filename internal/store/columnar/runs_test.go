package columnar

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// runTable has rows that come in runs: resources, products, a number and an
// attribute that is absent from some.
func runTable(t *testing.T, rng *rand.Rand) *Table {
	t.Helper()
	tab := openTable(t, testOptions(vfs.NewMem()))
	at := testNow.Add(-3 * time.Hour)
	for range 6 {
		b := tab.NewBuilder()
		for range 12 {
			resource, product, zone, level := rng.IntN(3), rng.IntN(2), rng.IntN(4), rng.IntN(3)
			for range 1 + rng.IntN(400) {
				at = at.Add(time.Duration(rng.IntN(200)) * time.Millisecond)
				b.Int(0, at.UnixNano())
				b.Str(1, []string{"", "shop"}[product])
				b.Str(2, fmt.Sprintf(`{"service.name":"s%d"}`, resource))
				b.Str(4, fmt.Sprint("row ", rng.Uint64()))
				b.Bytes(5, fmt.Sprintf("%016d", rng.Uint32()))
				if zone > 0 {
					b.AttrStr("zone", fmt.Sprint("z", zone))
				}
				b.AttrInt("level", int64(level))
				b.Next()
			}
		}
		if err := tab.Append(b); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(3) > 0 {
			if err := tab.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return tab
}

// TestRunsCountWhatRowsDo asks at random with and without leave to tell equal
// neighbours once, before and after a merge.
func TestRunsCountWhatRowsDo(t *testing.T) {
	zone, level := store.ColumnRef{Scope: store.Attr, Name: "zone"}, store.ColumnRef{Scope: store.Attr, Name: "level"}
	service := store.ColumnRef{Scope: store.Resource, Name: "service.name"}
	preds := []store.Pred{
		nil,
		store.Cmp{Col: service, Op: store.Eq, Val: store.Str("s1")},
		store.Not{P: store.Cmp{Col: zone, Op: store.Eq, Val: store.Str("z2")}},
		store.Or{store.Exists{Col: zone}, store.Cmp{Col: level, Op: store.Gt, Val: store.Int(1)}},
		store.And{store.Match{Col: zone, Re: regexp.MustCompile("[12]")}, store.TextEq{Col: level, Text: "0"}},
		store.Contains{Col: store.Col("id"), Sub: "7"},
		store.TextEq{Col: zone, Text: ""},
		store.Exists{Col: store.ColumnRef{Scope: store.Attr, Name: "nowhere"}},
	}
	columns := [][]store.ColumnRef{{service}, {zone}, {level, store.Col(store.ColProduct)}, {service, zone, level}, {store.Col(store.ColTraceID)}, {store.Col("id"), service}, {}}
	rng := rand.New(rand.NewPCG(5, 8))
	byRuns := 0
	for range 6 {
		tab := runTable(t, rng)
		for range 2 {
			for range 60 {
				bucket := []int64{1, int64(time.Second), int64(time.Minute), int64(time.Hour), 1 << 62}[rng.IntN(5)]
				req := store.ScanRequest{From: testNow.Add(-time.Duration(rng.IntN(240)) * time.Minute).UnixNano(), Where: preds[rng.IntN(len(preds))]}
				req.To = req.From + rng.Int64N(int64(4*time.Hour))
				req.Columns = append([]store.ColumnRef{store.Col(store.ColTime)}, columns[rng.IntN(len(columns))]...)
				scope := []model.Scope{model.ScopeAll(), model.ScopeProducts(model.RoleViewer, "shop")}[rng.IntN(2)]
				want, plain, _ := tally(t, tab, scope, req, bucket)
				req.Alike = func(ts int64) (lo, hi int64) { return ts / bucket * bucket, ts/bucket*bucket + bucket - 1 }
				got, stats, runs := tally(t, tab, scope, req, bucket)
				if len(got) != len(want) || stats.RowsMatched != plain.RowsMatched || stats.RowsScanned != plain.RowsScanned {
					t.Fatalf("%d groups, %d of %d rows; row by row %d, %d of %d (%+v)", len(got), stats.RowsMatched, stats.RowsScanned, len(want), plain.RowsMatched, plain.RowsScanned, req)
				}
				for key, n := range want {
					if got[key] != n {
						t.Fatalf("%d rows of %s, row by row %d (%+v)", got[key], key, n, req)
					}
				}
				if runs {
					byRuns++
				}
			}
			if err := tab.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := tab.CompactNow(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if byRuns < 50 {
		t.Errorf("%d answers by runs: the comparison proves little", byRuns)
	}
}

// tally counts the rows of an answer by the values of its columns and the bucket of its time.
func tally(t *testing.T, tab *Table, scope model.Scope, req store.ScanRequest, bucket int64) (out map[string]int64, stats store.ScanStats, runs bool) {
	t.Helper()
	out = map[string]int64{}
	var mu sync.Mutex
	stats, err := tab.Scan(context.Background(), scope, req, func(b *store.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range b.N {
			ts := b.Cols[0].Ints[i]
			if ts < req.From || ts >= req.To {
				return fmt.Errorf("a row of %d outside of [%d, %d)", ts, req.From, req.To)
			}
			key := fmt.Sprint(ts / bucket)
			for c := range b.Cols[1:] {
				v := b.Cols[1+c].Value(i)
				key += fmt.Sprintf(" %d:%s", v.Kind, v.String())
			}
			n := int64(1)
			if b.Counts != nil {
				n, runs = b.Counts[i], true
			}
			out[key] += n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, stats, runs
}

// FuzzStretches compares with a walk over the bits.
func FuzzStretches(f *testing.F) {
	for _, set := range []uint64{0, 1, 1 << 63, ^uint64(0), 0xf0f0, 3 << 62} {
		f.Add(set)
	}
	f.Fuzz(func(t *testing.T, set uint64) {
		var got uint64
		last := -1
		for lo, hi := range stretches(set) {
			if lo <= last || lo >= hi {
				t.Fatalf("%x: [%d, %d) after %d", set, lo, hi, last)
			}
			last = hi
			for i := lo; i < hi; i++ {
				got |= 1 << i
			}
		}
		if got != set {
			t.Fatalf("%x became %x", set, got)
		}
	})
}

// TestOneValueIsGivenForEveryRun divides a column that has one value in all of the
// row group more finely, as times do.
func TestOneValueIsGivenForEveryRun(t *testing.T) {
	var rep repeated
	for name, vec := range map[string]*store.Vec{
		"texts":  {Kind: store.KindString, Codes: rep.zeroCodes(1), Dict: []string{"info"}, Same: true},
		"floats": rep.float(2.5, 1),
	} {
		v := runs{[]uint32{8}, vec}.at([]uint32{2, 5, 8})
		for i := range 3 {
			if v.Value(i) != vec.Value(0) {
				t.Errorf("%s: run %d has %v, want %v", name, i, v.Value(i), vec.Value(0))
			}
		}
	}
}
