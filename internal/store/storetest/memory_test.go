package storetest

import (
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEval goes through the sentences at store.Pred.
func TestEval(t *testing.T) {
	s, i, f, b, none := store.Col("s"), store.Col("i"), store.Col("f"), store.Col("b"), store.Col("none")
	r := Row{s: store.Str("Text"), i: store.Int(7), f: store.Float(7), b: store.Bool(true)}
	for n, c := range []struct {
		p    store.Pred
		want bool
	}{
		{store.And{}, true},
		{store.Or{}, false},
		{store.True{}, true},
		{store.Cmp{Col: i, Op: store.Eq, Val: store.Float(7)}, true},
		{store.Cmp{Col: f, Op: store.Ge, Val: store.Int(7)}, true},
		{store.Cmp{Col: i, Op: store.Lt, Val: store.Float(7.5)}, true},
		{store.Cmp{Col: i, Op: store.Ne, Val: store.Str("7")}, false},
		{store.Cmp{Col: b, Op: store.Ne, Val: store.Int(0)}, false},
		{store.Cmp{Col: s, Op: store.Gt, Val: store.Str("Tex")}, true},
		{store.Cmp{Col: none, Op: store.Ne, Val: store.Str("x")}, false},
		{store.Not{P: store.Cmp{Col: none, Op: store.Eq, Val: store.Str("x")}}, true},
		{store.Match{Col: i, Re: regexp.MustCompile("^7$")}, true},
		{store.Match{Col: none, Re: regexp.MustCompile("")}, false},
		{store.Contains{Col: s, Sub: "ext"}, true},
		{store.Contains{Col: s, Sub: "text"}, false},
		{store.Contains{Col: s, Sub: "text", Fold: true}, true},
		{store.Contains{Col: none, Sub: ""}, false},
		{store.TextEq{Col: b, Text: "true"}, true},
		{store.TextEq{Col: none, Text: ""}, true},
		{store.In{Col: s, Texts: []string{"x", "Text"}}, true},
		{store.In{Col: i, Texts: []string{"7"}}, false},
		{store.In{Col: none, Texts: []string{""}}, false},
		{store.In{Col: s}, false},
		{store.Exists{Col: none}, false},
		{store.Exists{Col: b}, true},
	} {
		if got := Eval(c.p, r); got != c.want {
			t.Errorf("case %d: %+v is %v", n, c.p, got)
		}
	}
}
