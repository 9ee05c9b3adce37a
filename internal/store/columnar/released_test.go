package columnar

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var update = flag.Bool("update", false, "write testdata/format-N of the present format, unless it exists")

// releasedRows is how many rows a kept table has: in a merged segment, in one
// from the memtable, and in the WAL.
const releasedRows = 120

func writeReleased(t *testing.T, dir string) {
	t.Helper()
	opts := testOptions(vfs.Default)
	opts.Dir = dir
	tab, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	rows := count(releasedRows)
	for i := range 5 {
		if err := add(tab, rows[i*20:(i+1)*20]...); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			if err := tab.compact(testNow); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := add(tab, rows[100:]...); err != nil {
		t.Fatal(err)
	}
	digest, err := tab.Digest()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(digest, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	// As a kill leaves it: closing would flush the WAL.
	if err := os.CopyFS(dir+".kept", os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".kept", dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "digest.json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestReadsEveryReleasedFormat opens a copy of a table of each format that was
// ever released: every row is there and every value is what it was.
func TestReadsEveryReleasedFormat(t *testing.T) {
	current := filepath.Join("testdata", "format-"+formatVersion)
	if _, err := os.Stat(current); *update && os.IsNotExist(err) {
		writeReleased(t, filepath.Join(current, "table"))
	}
	kept, err := filepath.Glob(filepath.Join("testdata", "format-*"))
	if err != nil || !slices.Contains(kept, current) {
		t.Fatalf("there is no table of format %s among %v (%v): run this test with -update", formatVersion, kept, err)
	}
	for _, dir := range kept {
		copied := filepath.Join(t.TempDir(), "table")
		if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "table"))); err != nil {
			t.Fatal(err)
		}
		opts := testOptions(vfs.Default)
		opts.Dir = copied
		tab := openTable(t, opts)
		got, stats := ids(t, tab)
		if !slices.Equal(got, count(releasedRows)) || stats.Quarantined != 0 {
			t.Errorf("%s: rows %v, %+v", dir, got, stats)
		}
		digest, err := tab.Digest()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(digest, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, "digest.json"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(append(text, '\n'), want) {
			t.Errorf("%s: values changed:\n%s\nwere\n%s", dir, text, want)
		}
	}
}
