package columnar

import (
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestColumnsOfOneProduct keeps the attribute names of products apart, in memory
// and in segments, and reads no rows where a unit has one product.
func TestColumnsOfOneProduct(t *testing.T) {
	tab := openTable(t, testOptions(vfs.NewMem()))
	// The long names agree in more bytes than a footer keeps.
	long := strings.Repeat("product-with-a-long-name-", 8)
	write := func(attributes map[string]string) {
		t.Helper()
		b := tab.NewBuilder()
		for product, name := range attributes {
			b.Int(0, testNow.UnixNano())
			b.Str(1, product)
			b.AttrStr(name, "x")
			b.Next()
		}
		if err := tab.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	check := func(where, product string, want ...string) {
		t.Helper()
		infos, err := tab.Columns(t.Context(), model.ScopeProducts(model.RoleViewer, product), 0, 1<<62)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range infos {
			if c.Ref.Scope == store.Attr {
				got = append(got, c.Ref.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: product %.10q has %v, want %v", where, product, got, want)
		}
	}
	all := func(where string) {
		t.Helper()
		check(where, "a", "of_a")
		check(where, "b", "of_b")
		check(where, "", "of_none")
		check(where, long+"1", "of_1")
		check(where, long+"2", "of_2")
		check(where, "other")
	}
	for _, one := range []map[string]string{{"a": "of_a"}, {"b": "of_b"}, {"": "of_none"}, {long + "1": "of_1"}, {long + "2": "of_2"}} {
		write(one)
	}
	if _, doubtful := tab.attrColumns(model.ScopeProducts(model.RoleViewer, "a"), 0, 1<<62); len(doubtful) != 0 {
		t.Errorf("blocks of one product are read: %v", doubtful)
	}
	all("memory")
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	all("a segment of all products")
	write(map[string]string{"a": "of_a", "b": "of_b"})
	all("a block of two products")
	only := openTable(t, testOptions(vfs.NewMem()))
	tab = only
	write(map[string]string{"a": "of_a"})
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	visible, doubtful := tab.attrColumns(model.ScopeProducts(model.RoleViewer, "a"), 0, 1<<62)
	if len(doubtful) != 0 || len(visible) != 1 {
		t.Errorf("a segment of one product is read: %v, %v", visible, doubtful)
	}
	check("a segment of one product", "a", "of_a")
	check("a segment of one product", "b")
}
