package columnar

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// fewRequests are searches for few rows, by texts, ids and attributes.
func fewRequests(rng *rand.Rand, n int) []store.ScanRequest {
	zone := store.ColumnRef{Scope: store.Attr, Name: "zone"}
	columns := []store.ColumnRef{store.Col(store.ColTime), store.Col("id"), store.Col(store.ColTraceID), zone, {Scope: store.Attr, Name: "level"},
		{Scope: store.Attr, Name: "nowhere"}, {Scope: store.Resource, Name: "service.name"}, store.Col(store.ColAttrs)}
	var out []store.ScanRequest
	for range n {
		where := store.And{store.Contains{Col: store.Col("id"), Sub: fmt.Sprint(1000 + rng.IntN(9000))}}
		switch rng.IntN(4) {
		case 0:
			where = append(where, store.Not{P: store.Cmp{Col: zone, Op: store.Eq, Val: store.Str(fmt.Sprint("z", rng.IntN(4)))}})
		case 1:
			where = append(where, store.Match{Col: store.Col(store.ColTraceID), Re: regexp.MustCompile(fmt.Sprint(rng.IntN(10), "$"))})
		case 2:
			where = append(where, store.Exists{Col: zone})
		}
		from := int64(0)
		if rng.IntN(2) == 0 {
			from = testNow.Add(-time.Duration(rng.IntN(180)) * time.Minute).UnixNano()
		}
		out = append(out, store.ScanRequest{From: from, To: 1 << 62, Where: where, Columns: columns, Order: store.NewestFirst, Limit: 1 + rng.IntN(60)})
	}
	return out
}

// answerOf is the rows of a search, newest first, as texts.
func answerOf(t *testing.T, tab *Table, req store.ScanRequest) ([]string, store.ScanStats) {
	t.Helper()
	type row struct {
		ts   int64
		text string
	}
	var rows []row
	var mu sync.Mutex
	stats, err := tab.Scan(context.Background(), model.ScopeAll(), req, func(b *store.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range b.N {
			text := ""
			for c := range b.Cols {
				v := b.Cols[c].Value(i)
				text += fmt.Sprintf("%d:%s ", v.Kind, v.String())
			}
			rows = append(rows, row{b.Cols[0].Ints[i], text})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(b.ts, a.ts), cmp.Compare(a.text, b.text)) })
	var out []string
	for _, r := range rows[:min(len(rows), req.Limit)] {
		out = append(out, r.text)
	}
	return out, stats
}

// forgetFound makes the next answers anew.
func forgetFound(tab *Table) {
	c := tab.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.found.Len() > 0 {
		c.remove(c.found.Back())
	}
}

// whole is what was decoded for a search whose range cuts no window: of others nothing
// is kept.
func whole(req store.ScanRequest, stats store.ScanStats) int64 {
	if req.From > 0 {
		return 0
	}
	return stats.BytesScanned
}

// TestFoundLeavesRoomForPages fills the cache with both: what was found has its share,
// pages have the rest, all of it when nothing was found.
func TestFoundLeavesRoomForPages(t *testing.T) {
	const budget = 1 << 20
	c := newCache(budget, store.Unbounded{})
	page := func(i int) {
		c.put(cacheKey{1, 0, 0, int32(i)}, &store.Vec{Kind: store.KindInt, Ints: make([]int64, 512)})
	}
	for i := range 1000 {
		page(i)
	}
	if c.pages.bytes < budget*9/10 || c.pages.bytes > budget {
		t.Errorf("pages alone have %d of %d bytes", c.pages.bytes, budget)
	}
	for i := range 10_000 {
		c.putValue(cacheKey{1, 0, 0, int32(firstValue + i)}, store.Str("value"))
	}
	if share := int64(budget / foundShare); c.found.bytes > share || c.found.bytes < share*9/10 {
		t.Errorf("values have %d bytes of their %d", c.found.bytes, share)
	}
	for i := range 1000 {
		page(1000 + i)
	}
	if c.entry(cacheKey{1, 0, 0, firstValue + 9_999}) == nil {
		t.Error("pages pushed out a value")
	}
	if c.used != c.pages.bytes+c.found.bytes || c.used > budget {
		t.Errorf("%d bytes are counted, %d and %d kept, the budget is %d", c.used, c.pages.bytes, c.found.bytes, budget)
	}
	c.dropSegment(1)
	if c.size() != 0 || c.pages.Len()+c.found.Len()+len(c.entries) != 0 {
		t.Errorf("%d bytes are left of a segment that is gone", c.size())
	}
}

// TestWhatWasFoundIsFoundAgain asks searches in any order, several times, and compares
// with the answers that nothing was kept for; rows that are deleted then are gone at once.
func TestWhatWasFoundIsFoundAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	tab := runTable(t, rng)
	for range 3 {
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := tab.CompactNow(); err != nil {
			t.Fatal(err)
		}
		requests := fewRequests(rng, 40)
		fresh := func() (answers [][]string, rows int, bytes int64) {
			for _, req := range requests {
				forgetFound(tab)
				answer, stats := answerOf(t, tab, req)
				answers, rows, bytes = append(answers, answer), rows+len(answer), bytes+whole(req, stats)
			}
			return answers, rows, bytes
		}
		want, rows, bytes := fresh()
		if rows < 100 {
			t.Fatalf("%d rows found: the comparison proves little", rows)
		}
		again := func(n int) (bytes int64) {
			for range n {
				for _, i := range rng.Perm(len(requests)) {
					answer, stats := answerOf(t, tab, requests[i])
					bytes += whole(requests[i], stats)
					if !slices.Equal(answer, want[i]) {
						t.Fatalf("%+v:\n%q\nwas\n%q", requests[i], answer, want[i])
					}
				}
			}
			return bytes
		}
		again(1)
		if kept := again(1); kept*4 > bytes {
			t.Errorf("%d bytes were decoded to answer again, %d at first", kept, bytes)
		}
		gone := store.Contains{Col: store.Col("id"), Sub: fmt.Sprint(10 + rng.IntN(90))}
		if _, err := tab.Delete(context.Background(), model.ScopeAll(), DeleteRequest{Where: gone, To: 1 << 62, Who: "test"}); err != nil {
			t.Fatal(err)
		}
		var left int
		if want, left, _ = fresh(); left == 0 || left == rows {
			t.Fatalf("%d of %d rows are left: the comparison proves little", left, rows)
		}
		again(2)
		tab = runTable(t, rng)
	}
}
