package columnar

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestManifestIsRebuilt removes the manifest: every row must still be there.
func TestManifestIsRebuilt(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, testOptions(fs))
	for i := range 6 {
		if err := add(tab, i*2, i*2+1); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	before, err := tab.Columns(t.Context(), model.ScopeAll(), 0, 1<<62)
	if err != nil {
		t.Fatal(err)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove("/table/" + manifestName); err != nil {
		t.Fatal(err)
	}
	tab = openTable(t, testOptions(fs))
	if got, stats := ids(t, tab); !slices.Equal(got, count(12)) || stats.Quarantined != 0 {
		t.Fatalf("%d of 12 rows after the manifest was lost, %+v", len(got), stats)
	}
	after, err := tab.Columns(t.Context(), model.ScopeAll(), 0, 1<<62)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("columns %v, before %v: %v", after, before, err)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	// The rebuilt manifest is a whole one.
	tab = openTable(t, testOptions(fs))
	if got, _ := ids(t, tab); !slices.Equal(got, count(12)) {
		t.Fatalf("%d of 12 rows after opening again", len(got))
	}
}

// TestDamagedLastLineKeepsItsSegment flips a bit in the manifest's last line,
// whose segment has no other copy: the file must not be deleted as a stray.
func TestDamagedLastLineKeepsItsSegment(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, testOptions(fs))
	for i := range 2 {
		if err := add(tab, i); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	files := func(dir string) []string {
		names, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	all := len(files("/table/segments/2026-11-21T00"))
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	data := readFile(t, fs, "/table/"+manifestName)
	last := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	data[last+20] ^= 1
	writeFile(t, fs, "/table/"+manifestName, data)
	tab = openTable(t, testOptions(fs))
	if n := len(files("/table/segments/2026-11-21T00")) + len(files("/table/quarantine")); n != all {
		t.Errorf("%d of %d segment files are left", n, all)
	}
	var req store.ScanRequest
	req.To = 1 << 62
	if _, err := tab.Scan(t.Context(), model.ScopeAll(), req, func(*store.Batch) error { return nil }); err != nil {
		t.Error(err)
	}
}
