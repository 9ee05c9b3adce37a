package traceql

import (
	"math"
	"testing"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

func TestKeysKeepTypes(t *testing.T) {
	for _, v := range []Static{
		strStatic("x"), strStatic(""), strStatic("5"), strStatic("nil"), intStatic(5), intStatic(-5), intStatic(math.MinInt64), floatStatic(5), floatStatic(0.1),
		boolStatic(true), boolStatic(false), durStatic(1500), {Type: TypeStatus, Int: 2}, {Type: TypeKind, Int: 3}, {Type: TypeArray, Str: `["a","b"]`},
	} {
		if got := decodeKey(store.Str(encodeKey(v))); got != v {
			t.Errorf("%v (%d) became %v (%d)", v, v.Type, got, got.Type)
		}
	}
	if got := decodeKey(store.Value{}); got.Type != TypeNil {
		t.Error(got)
	}
}

// TestKeyDictionaryIsBounded: a column of ever new numbers is told apart without
// that all of them are kept.
func TestKeyDictionaryIsBounded(t *testing.T) {
	s := &keyStage{attr: &Attribute{Scope: ScopeSpan, Name: "x"}, cols: []int{0}, codes: map[int64]uint32{}}
	const rows = 10_000
	n := int64(0)
	for range 20 {
		v := store.Vec{Kind: store.KindInt}
		for range rows {
			n++
			v.Ints = append(v.Ints, n)
		}
		f := &plan.Frame{N: rows, Cols: []store.Vec{v}}
		if err := s.Apply(f); err != nil {
			t.Fatal(err)
		}
		for _, r := range []int{0, rows / 2, rows - 1} {
			if got := decodeKey(store.Str(f.Cols[1].Str(r))); got != intStatic(v.Ints[r]) {
				t.Fatalf("row %d is %v, want %d", r, got, v.Ints[r])
			}
		}
		if len(s.dict) > maxKeyDict+rows {
			t.Fatalf("%d entries", len(s.dict))
		}
	}
}
