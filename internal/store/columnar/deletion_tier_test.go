package columnar

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestDeletionReachesTiersAndTheArchive deletes a row of a segment in a bucket,
// of which the archive has a copy: both files are replaced before it is proved.
func TestDeletionReachesTiersAndTheArchive(t *testing.T) {
	bucket, archive := newS3(t), newS3(t)
	opts, now := tiered(vfs.NewMem(), bucket)
	opts.Archive = &Archive{Bucket: archive}
	tab := openTable(t, opts)
	filled(t, tab, 1000)
	now.Store(testNow.Add(coldAfter + 48*time.Hour).UnixNano())
	moveDue(t, tab)
	if p := places(tab); p["cold"] == 0 || p[""] != 0 {
		t.Fatalf("segments are in %v", p)
	}
	cold, archived := objectsOf(t, bucket), objectsOf(t, archive)
	if len(cold) == 0 || len(archived) == 0 {
		t.Fatalf("objects %v, archive %v", cold, archived)
	}
	id, err := tab.Delete(t.Context(), model.ScopeAll(), DeleteRequest{
		Where: store.Cmp{Col: store.ColumnRef{Scope: store.Attr, Name: "n"}, Op: store.Eq, Val: store.Int(7)},
		To:    1 << 62, Who: "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(count(1000), func(n int) bool { return n == 7 })
	if got, _ := ids(t, tab); !slices.Equal(got, want) {
		t.Fatalf("%d rows are shown", len(got))
	}
	for range 3 {
		if err := tab.ApplyPolicy(); err != nil {
			t.Fatal(err)
		}
		moveDue(t, tab)
	}
	p := deletionOf(t, tab, id).Proof
	if p == nil || p.Rows != 1 || len(p.NotVerified) != 0 || p.Rewrites[0].Before[0].Place != "cold" {
		t.Fatalf("proof %+v", p)
	}
	for _, gone := range []struct {
		name          string
		before, after []string
	}{{"bucket", cold, objectsOf(t, bucket)}, {"archive", archived, objectsOf(t, archive)}} {
		if len(gone.after) == 0 {
			t.Errorf("nothing is in the %s any more", gone.name)
		}
		for _, o := range gone.before {
			if slices.Contains(gone.after, o) {
				t.Errorf("%s is still in the %s", o, gone.name)
			}
		}
	}
	if got, _ := ids(t, tab); !slices.Equal(got, want) {
		t.Errorf("%d rows after the removal", len(got))
	}
}
