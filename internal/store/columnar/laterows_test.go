package columnar

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestLateRowsOfManyDays sends small requests whose rows are anywhere in 300 days, of
// 200 resources, with one of ten years ago in each. Segments stay few, every row is
// there, and none was written more often than merges of four need.
func TestLateRowsOfManyDays(t *testing.T) {
	const days, flushes, rows = 300, 32, 900
	fs := vfs.NewMem()
	opts := testOptions(fs)
	opts.Retention = 20 * 365 * 24 * time.Hour
	tab := openTable(t, opts)
	rng := rand.New(rand.NewPCG(2, 7))
	written := 0
	for range flushes {
		b := tab.NewBuilder()
		for i := range rows {
			at := testNow.Add(-time.Duration(rng.IntN(days*24)) * time.Hour)
			if i == 0 {
				at = testNow.AddDate(-10, 0, 0)
			}
			b.Int(0, at.UnixNano())
			b.Str(2, fmt.Sprintf(`{"service.name":"s%d"}`, rng.IntN(200)))
			b.Str(4, fmt.Sprint("row ", written))
			b.Bytes(5, fmt.Sprintf("%016d", written))
			b.Next()
			written++
		}
		if err := tab.Append(b); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := tab.CompactNow(); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := tab.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{From: 0, To: 1 << 62, Columns: []store.ColumnRef{store.Col("id")}}, func(*store.Batch) error { return nil })
	if err != nil || stats.RowsMatched != int64(written) || stats.Incomplete() {
		t.Fatalf("%d of %d rows (%+v): %v", stats.RowsMatched, written, stats, err)
	}
	// Up to three segments of each of the levels 0, 1 and 2 may wait in a partition.
	if most := (days + 2) * 3 * 3; stats.Segments > most {
		t.Errorf("%d segments of %d partitions, at most %d expected", stats.Segments, days+2, most)
	}
	added := 0
	for line := range bytes.Lines(manifestOf(t, fs, opts.Dir)) {
		var edit struct {
			Add []struct {
				Rows int `json:"rows"`
			} `json:"add"`
		}
		if err := json.Unmarshal(bytes.TrimSpace(line[9:]), &edit); err != nil {
			t.Fatal(err)
		}
		for _, a := range edit.Add {
			added += a.Rows
		}
	}
	// Once to level 0, 1, 2 and 3: merges of four, thirty-two flushes.
	if perRow := float64(added) / float64(written); perRow > 4 {
		t.Errorf("each row was written %.1f times", perRow)
	}
}

func manifestOf(t *testing.T, fs vfs.FS, dir string) []byte {
	t.Helper()
	f, err := fs.Open(fs.PathJoin(dir, "MANIFEST"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
