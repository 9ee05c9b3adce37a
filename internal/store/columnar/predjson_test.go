package columnar

import (
	"bytes"
	"reflect"
	"regexp"
	"testing"

	"hinomi/internal/store"
)

func TestPredicatesAreKeptAsTheyAre(t *testing.T) {
	body, user := store.Col(store.ColBody), store.ColumnRef{Scope: store.Attr, Name: "user\xff\""}
	for _, p := range []store.Pred{
		store.True{}, store.And{}, store.Or{}, store.Not{P: store.True{}},
		store.Exists{Col: user},
		store.Cmp{Col: user, Op: store.Ne, Val: store.Str("a\x00b\xfe")},
		store.Cmp{Col: body, Op: store.Ge, Val: store.Int(-1 << 63)},
		store.Cmp{Col: body, Op: store.Lt, Val: store.Float(0.1)},
		store.Cmp{Col: body, Op: store.Eq, Val: store.Bool(true)},
		store.Cmp{Col: body, Op: store.Le, Val: store.Bytes([]byte{0, 255})},
		store.Contains{Col: body, Sub: "ann@example.com", Fold: true},
		store.TextEq{Col: store.ColumnRef{Scope: store.Stream, Name: "app"}, Text: ""},
		store.In{Col: store.ColumnRef{Scope: store.Resource, Name: "team"}, Texts: []string{"", "b"}},
		store.And{store.Or{store.Exists{Col: body}, store.Not{P: store.TextEq{Col: user, Text: "x"}}}, store.True{}},
	} {
		data, err := marshalPred(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unmarshalPred(data)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%#v became %#v by way of %s, %v", p, got, data, err)
		}
	}
	// Expressions are compared by their text.
	p := store.Match{Col: body, Re: regexp.MustCompile(`(?i)^user="a\d+"$`)}
	data, err := marshalPred(p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unmarshalPred(data); err != nil || got.(store.Match).Re.String() != p.Re.String() || got.(store.Match).Col != body {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := marshalPred(store.Cmp{Col: body}); err == nil {
		t.Error("a comparison with nothing was kept")
	}
}

// FuzzPredicate: what is decoded is encoded to what decodes to the same.
func FuzzPredicate(f *testing.F) {
	for _, s := range []string{
		`{"op":"true"}`, `{"op":"and","of":[{"op":"exists","name":"\"a\""}]}`, `{"op":"eq","name":"\"a\"","kind":1,"value":"\"x\""}`,
		`{"op":"match","name":"\"body\"","value":"\"a+\""}`, `{"op":"in","scope":4,"name":"\"a\"","values":["\"x\""]}`, `{"op":"not"}`, `{"op":"ge","kind":3,"name":"\"d\"","value":"NaN"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := unmarshalPred(data)
		if err != nil {
			return
		}
		once, err := marshalPred(p)
		if err != nil {
			t.Fatalf("%#v of %s cannot be kept: %v", p, data, err)
		}
		again, err := unmarshalPred(once)
		if err != nil {
			t.Fatalf("%s of %s: %v", once, data, err)
		}
		if twice, err := marshalPred(again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s became %s, %v", once, twice, err)
		}
	})
}

// FuzzDeletions: any bytes are read, and what is read is written so that it is
// read again.
func FuzzDeletions(f *testing.F) {
	line, err := formatLine(deletionRecord{Request: &requestRecord{ID: "1", Where: []byte(`{"op":"true"}`), To: 5, Who: "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(append(bytes.Clone(line), line[:20]...))
	f.Add([]byte("00000000 {}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, damaged := parseDeletions(data)
		if damaged > bytes.Count(data, []byte("\n")) {
			t.Fatalf("%d damaged lines of %d", damaged, bytes.Count(data, []byte("\n")))
		}
		var out []byte
		for _, r := range records {
			line, err := formatLine(r)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, line...)
		}
		if again, bad := parseDeletions(out); bad != 0 || len(again) != len(records) {
			t.Fatalf("%d of %d records after writing them", len(again), len(records))
		}
	})
}
