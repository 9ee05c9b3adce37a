package columnar

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestBytesOfDictionariesCount reads few texts that many rows share: what is decoded is
// their dictionary, which the budget bounds.
func TestBytesOfDictionariesCount(t *testing.T) {
	const texts, textBytes = 400, 4096
	opts := testOptions(vfs.NewMem())
	tab := openTable(t, opts)
	for range opts.MergeAfter {
		b := tab.NewBuilder()
		for i := range 3 * texts {
			b.Int(0, testNow.UnixNano()-int64(i))
			b.Str(2, "{}")
			b.AttrStr("note", strings.Repeat(string(rune('a'+i%texts%26)), textBytes-4)+string(rune(0x10000+i%texts)))
			b.Next()
		}
		if err := tab.Append(b); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.CompactNow(); err != nil {
		t.Fatal(err)
	}
	note := store.ColumnRef{Scope: store.Attr, Name: "note"}
	req := store.ScanRequest{From: 0, To: 1 << 62, Where: store.Contains{Col: note, Sub: "zzzy"}}
	ignore := func(*store.Batch) error { return nil }
	for range 2 { // The second finds what a cache keeps.
		stats, err := tab.Scan(context.Background(), model.ScopeAll(), req, ignore)
		if err != nil || stats.BytesScanned < texts*textBytes {
			t.Fatalf("%d bytes scanned of %d, %v", stats.BytesScanned, texts*textBytes, err)
		}
	}
	req.Budget.Bytes = texts * textBytes / 2
	if _, err := tab.Scan(context.Background(), model.ScopeAll(), req, ignore); !errors.Is(err, store.ErrBudget) {
		t.Errorf("a budget of half of it: %v", err)
	}
}
