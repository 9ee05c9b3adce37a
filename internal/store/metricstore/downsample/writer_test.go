package downsample

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// TestWriter has names that sort before the label of the aggregate, so that the
// order of the series is not that of the aggregates, and reads the block with
// the TSDB's own code.
func TestWriter(t *testing.T) {
	dir := t.TempDir()
	w, err := NewWriter(dir, 1, 24*OneHour+1)
	if err != nil {
		t.Fatal(err)
	}
	sets := []labels.Labels{
		labels.FromStrings("A", "2", "__name__", "m"), labels.FromStrings("A", "10", "__name__", "m"),
		labels.FromStrings("Z", "1", "__name__", "m"), labels.FromStrings("__name__", "a", "x", "1"), labels.FromStrings("__name__", "m"),
		labels.FromStrings("__name__", "m", "x", "1"), labels.FromStrings("__ZZ", "1", "__name__", "m"),
	}
	slices.SortFunc(sets, labels.Compare) // as a querier delivers them
	for i, ls := range sets {
		var ws []Window
		for j := range int64(288) {
			v := float64(i*1000) + float64(j%7) // goes up and down: nothing is left out
			ws = append(ws, Window{T: (j + 1) * FiveMinutes, Count: 20, Sum: 20 * v, Min: v - 1, Max: v + 1, First: v, Last: v, Increase: 3})
		}
		if err := w.Add(ls, ws); err != nil {
			t.Fatal(err)
		}
	}
	id, ok, err := w.Finish(context.Background())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("%v", left)
	}
	b, err := tsdb.OpenBlock(slog.New(slog.DiscardHandler), filepath.Join(dir, id.String()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	q, err := tsdb.NewBlockQuerier(b, 0, 25*OneHour)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for i, ls := range sets {
		for _, a := range Aggregates() {
			var ms []*labels.Matcher
			for _, n := range []string{"A", "Z", "__ZZ", "__name__", "x"} {
				ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, n, ls.Get(n)))
			}
			set := q.Select(context.Background(), true, nil, append(ms, labels.MustNewMatcher(labels.MatchEqual, Label, a))...)
			if !set.Next() {
				t.Fatalf("%s of %s is missing", a, ls)
			}
			v0 := float64(i * 1000)
			want := map[string]float64{Count: 20, Sum: 20 * v0, Min: v0 - 1, Max: v0 + 1, First: v0, Last: v0, Increase: 3}[a]
			it, n := set.At().Iterator(nil), 0
			for it.Next() != chunkenc.ValNone {
				if at, v := it.At(); n == 0 && (v != want || at != FiveMinutes) {
					t.Errorf("%s of %s is %v at %d, want %v", a, ls, v, at, want)
				}
				n++
			}
			if n != 288 || set.Next() {
				t.Errorf("%s of %s has %d samples", a, ls, n)
			}
		}
	}
	if m := b.Meta(); m.Stats.NumSeries != 7*7 || m.Stats.NumSamples != 7*7*288 || m.MinTime != 1 || m.MaxTime != 24*OneHour+1 {
		t.Errorf("meta %+v", m)
	}
}

func TestWriterLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, end := range []func(*Writer) error{
		(*Writer).Abort,
		func(w *Writer) error {
			_, ok, err := w.Finish(context.Background())
			if ok {
				return fmt.Errorf("an empty block was written")
			}
			return err
		},
	} {
		w, err := NewWriter(dir, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(w); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v", left)
	}
}
