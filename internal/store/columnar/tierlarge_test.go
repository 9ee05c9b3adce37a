package columnar

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestLargeSegmentInS3 reads a segment of many pages and counts the requests.
func TestLargeSegmentInS3(t *testing.T) {
	bucket := &troubled{Bucket: newS3(t)}
	opts, now := tiered(vfs.NewMem(), bucket)
	opts.Tiers = opts.Tiers[1:]
	reg := prometheus.NewRegistry()
	opts.Registerer = reg
	tab := openTable(t, opts)
	const n = 30_000
	rng := rand.New(rand.NewPCG(8, 8))
	noise := make([]byte, 300)
	for from := 0; from < n; from += 5000 {
		b := tab.NewBuilder()
		for id := from; id < from+5000; id++ {
			for i := range noise {
				noise[i] = byte(rng.Uint32())
			}
			b.Int(0, testNow.Add(-time.Duration(id)*time.Millisecond).UnixNano())
			b.Str(4, fmt.Sprintf("row-%d %s", id, base64.RawURLEncoding.EncodeToString(noise)))
			b.Bytes(5, fmt.Sprintf("%016d", id))
			b.Next()
		}
		if err := tab.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	now.Add(int64(coldAfter + 24*time.Hour))
	if err := tab.CompactNow(); err != nil {
		t.Fatal(err)
	}
	moveDue(t, tab)
	size := tab.Stats().SegmentBytes
	if p := places(tab); p["cold"] != 1 || size < 6<<20 {
		t.Fatalf("%v, %d bytes", p, size)
	}
	var ranges atomic.Int64
	bucket.set(func(_ context.Context, op, _ string) error {
		if op == "range" {
			ranges.Add(1)
		}
		return nil
	})
	one := func() {
		t.Helper()
		stats, err := tab.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Columns: []store.ColumnRef{store.Col("id")},
			Where: store.Cmp{Col: store.Col(store.ColTraceID), Op: store.Eq, Val: store.Bytes([]byte(fmt.Sprintf("%016d", 12345)))}},
			func(b *store.Batch) error {
				if b.N != 1 || !strings.HasPrefix(b.Cols[0].Str(0), "row-12345 ") {
					return fmt.Errorf("%d rows, %.20s", b.N, b.Cols[0].Str(0))
				}
				return nil
			})
		if err != nil || stats.RowsMatched != 1 {
			t.Fatalf("%v %+v", err, stats)
		}
	}
	// The footer, the directory and the magic, the filter, a page of each column: in
	// ranges of a megabyte that is less than half of the file.
	one()
	if got := ranges.Load(); got > 6 || tab.tiers.ranges.size() > size/2+rangeBytes {
		t.Errorf("one row took %d requests and %d of %d bytes", got, tab.tiers.ranges.size(), size)
	}
	one()
	first := ranges.Load()
	one()
	if got := ranges.Load(); got != first {
		t.Errorf("the same row again took %d requests", got-first)
	}
	var got []int
	stats, err := tab.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Columns: []store.ColumnRef{store.Col("id"), store.Col(store.ColTraceID)}}, func(b *store.Batch) error {
		for i := range b.N {
			id := 0
			if _, err := fmt.Sscanf(b.Cols[0].Str(i), "row-%d ", &id); err != nil || b.Cols[1].Str(i) != fmt.Sprintf("%016d", id) {
				return fmt.Errorf("%v in %.20s", err, b.Cols[0].Str(i))
			}
			got = append(got, id)
		}
		return nil
	})
	if err != nil || stats.Incomplete() {
		t.Fatalf("%v %+v", err, stats)
	}
	slices.Sort(got)
	if !slices.Equal(got, count(n)) {
		t.Fatalf("%d rows", len(got))
	}
	if all := ranges.Load(); all > size/rangeBytes+4 {
		t.Errorf("%d requests for %d bytes", all, size)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "place" {
					values[f.GetName()+" "+l.GetValue()] = m.GetGauge().GetValue()
				}
			}
			if m.Counter != nil {
				values[f.GetName()] = m.GetCounter().GetValue()
			}
		}
	}
	if values["hinomi_store_place_bytes cold"] != float64(size) || values["hinomi_store_place_bytes "] != 0 || values["hinomi_store_moved_segments_total"] != 1 || values["hinomi_store_unreachable_total"] != 0 {
		t.Errorf("metrics %v", values)
	}
}
