package columnar

import (
	"context"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestColumnsOfOneValueAreNotRead has columns whose rows have one value, several,
// or no number among them, and compares what is read, whole and of single rows.
func TestColumnsOfOneValueAreNotRead(t *testing.T) {
	schema := testSchema
	schema.Fields = append(schema.Fields[:len(schema.Fields):len(schema.Fields)],
		Field{Name: "unset", Kind: store.KindFloat}, Field{Name: "one", Kind: store.KindFloat}, Field{Name: "zeros", Kind: store.KindFloat},
		Field{Name: "nan", Kind: store.KindFloat}, Field{Name: "text", Kind: store.KindString}, Field{Name: "few", Kind: store.KindFloat})
	opts := testOptions(vfs.NewMem())
	opts.Schema = &schema
	tab := openTable(t, opts)
	const rows = 20_000
	b := tab.NewBuilder()
	first := len(testSchema.Fields)
	negative := math.Copysign(0, -1)
	for i := range rows {
		b.Int(0, testNow.UnixNano()-int64(i))
		b.Float(first+1, 2.5)
		b.Float(first+2, []float64{0, negative}[i%2])
		b.Float(first+3, math.NaN())
		b.Str(first+4, "all the same")
		b.Float(first+5, float64(i%3))
		b.Next()
	}
	if err := tab.Append(b); err != nil {
		t.Fatal(err)
	}
	for _, flushed := range []bool{false, true} {
		if flushed {
			if err := tab.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		for _, where := range []store.Pred{nil, store.Cmp{Col: store.Col("few"), Op: store.Ge, Val: store.Float(1)}, store.Cmp{Col: store.Col(store.ColTime), Op: store.Ge, Val: store.Int(testNow.UnixNano() - 5)}} {
			for _, c := range []struct {
				name string
				same bool
				ok   func(v store.Value, row int) bool
			}{
				{"unset", true, func(v store.Value, _ int) bool { return v == store.Float(0) }},
				{"one", flushed, func(v store.Value, _ int) bool { return v == store.Float(2.5) }},
				{"zeros", false, func(v store.Value, i int) bool {
					return v.Flt == 0 && math.Signbit(v.Flt) == (i%2 == 1)
				}},
				{"nan", false, func(v store.Value, _ int) bool { return math.IsNaN(v.Flt) }},
				{"text", flushed, func(v store.Value, _ int) bool { return v == store.Str("all the same") }},
				{"few", false, func(v store.Value, i int) bool { return v.Flt == float64(i%3) }},
			} {
				seen := 0
				_, err := tab.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{From: 0, To: 1 << 62, Where: where, Columns: []store.ColumnRef{
					store.Col(store.ColTime), store.Col(c.name),
				}}, func(b *store.Batch) error {
					seen += b.N
					if v := &b.Cols[1]; v.Same != c.same || c.same && vecBytes(v) != 0 {
						t.Errorf("flushed %v: %s: one value: %v of %d bytes, want %v", flushed, c.name, v.Same, vecBytes(v), c.same)
					}
					for i := range b.N {
						if row := int(testNow.UnixNano() - b.Cols[0].Ints[i]); !c.ok(b.Cols[1].Value(i), row) {
							t.Fatalf("flushed %v: %s of row %d is %v", flushed, c.name, row, b.Cols[1].Value(i))
						}
					}
					return nil
				})
				if err != nil || seen == 0 {
					t.Fatal(c.name, seen, err)
				}
			}
		}
	}
}
