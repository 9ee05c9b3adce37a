package attrs

import (
	"slices"
	"strings"
	"testing"

	"hinomi/internal/store"
)

// TestEachLeaf: nested objects are walked; arrays and tagged values are values.
func TestEachLeaf(t *testing.T) {
	var got []string
	add := func(path []string, v store.Value) bool {
		got = append(got, strings.Join(path, "/")+"="+v.String())
		return true
	}
	text := `{"a":1,"m":{"x":"1","n":{"f":2.5,"e":{}}},"l":[1,{"k":2}],"b":{"$bytes":"AQI="},"i":{"$float":"NaN"},"s":"{\"no\":1}","z":null}`
	if err := EachLeaf(text, add); err != nil {
		t.Fatal(err)
	}
	want := []string{"a=1", "m/x=1", "m/n/f=2.5", `l=[1,{"k":2}]`, "b=\x01\x02", "i=NaN", `s={"no":1}`, "z="}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	n := 0
	if err := EachLeaf(text, func([]string, store.Value) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Error("did not stop", n, err)
	}
	if err := EachLeaf(`{"a":`, add); err == nil {
		t.Error("no error")
	}
	got = nil
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	if err := EachLeaf(deep, add); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}
