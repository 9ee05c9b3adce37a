package columnar

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestColumnsWithLists says of attributes whether they have a text that begins as an
// array does, in the memtable, in segments of their own columns and of rest objects,
// and where the footer does not say.
func TestColumnsWithLists(t *testing.T) {
	tab := openTable(t, testOptions(vfs.NewMem()))
	b := tab.NewBuilder()
	for i := range 1000 {
		b.Int(0, testNow.UnixNano()-int64(i))
		b.Str(2, `{"args":["a","b"],"host":"h"}`)
		b.AttrStr("text", fmt.Sprint("value ", i))
		b.AttrStr("last", fmt.Sprint(map[bool]string{true: "["}[i == 999], i))
		b.AttrInt("n", int64(i))
		if i == 500 {
			b.AttrJSON("rare list", []byte("[1]"))
			b.AttrStr("rare text", "a")
		}
		b.Next()
	}
	if err := tab.Append(b); err != nil {
		t.Fatal(err)
	}
	attr := func(name string) store.ColumnRef { return store.ColumnRef{Scope: store.Attr, Name: name} }
	want := map[store.ColumnRef]bool{
		attr("text"): false, attr("last"): true, attr("n"): false, attr("rare list"): true, attr("rare text"): false,
		{Scope: store.Resource, Name: "args"}: true, {Scope: store.Resource, Name: "host"}: false,
	}
	check := func(what string) {
		t.Helper()
		infos, err := tab.Columns(t.Context(), model.ScopeAll(), 0, 1<<62)
		if err != nil || len(infos) != len(want) {
			t.Fatal(what, infos, err)
		}
		for _, c := range infos {
			if c.Lists != want[c.Ref] {
				t.Errorf("%s: %v has lists: %v", what, c.Ref, c.Lists)
			}
		}
	}
	check("in memory")
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	check("flushed")
	for _, s := range tab.segments {
		delete(s.file.Metadata, keyLists)
		s.set = nil
	}
	want[attr("text")], want[attr("rare text")] = true, true
	check("by an older version")
}
