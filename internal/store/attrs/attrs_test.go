package attrs

import (
	"math"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/goleak"

	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sample() pcommon.Map {
	m := pcommon.NewMap()
	m.PutStr("z", "last \"quoted\" \\ \n\t\x01 日本 ")
	m.PutInt("big", math.MaxInt64)
	m.PutDouble("one", 1)
	m.PutDouble("tiny", 1e-300)
	m.PutDouble("inf", math.Inf(-1))
	m.PutBool("yes", true)
	m.PutEmpty("null")
	m.PutEmptyBytes("raw").FromRaw([]byte{0, 255, 7})
	s := m.PutEmptySlice("list")
	s.AppendEmpty().SetInt(3)
	s.AppendEmpty().SetStr("x")
	sub := m.PutEmptyMap("map")
	sub.PutStr("b", "2")
	sub.PutInt("a", 1)
	return m
}

func TestRoundTripKeepsTypes(t *testing.T) {
	in := sample()
	text := string(AppendMap(nil, in))
	out := pcommon.NewMap()
	if err := Fill(out, text); err != nil {
		t.Fatal(err)
	}
	if again := string(AppendMap(nil, out)); again != text {
		t.Fatalf("round trip changed the object\n first %s\n again %s", text, again)
	}
	for key, want := range in.All() {
		got, ok := out.Get(key)
		if !ok || got.Type() != want.Type() {
			t.Errorf("%s: got %v, want type %v", key, got, want.Type())
		}
	}
}

func TestGet(t *testing.T) {
	text := string(AppendMap(nil, sample()))
	for _, c := range []struct {
		key  string
		want store.Value
		ok   bool
	}{
		{"big", store.Int(math.MaxInt64), true},
		{"one", store.Float(1), true},
		{"yes", store.Bool(true), true},
		{"raw", store.Bytes([]byte{0, 255, 7}), true},
		{"map", store.Str(`{"a":1,"b":"2"}`), true},
		{"null", store.Value{}, false},
		{"absent", store.Value{}, false},
		{"a", store.Value{}, false}, // only inside of map
	} {
		got, ok := Get(text, c.key)
		if ok != c.ok || got != c.want {
			t.Errorf("Get(%q) = %v, %v; want %v, %v", c.key, got, ok, c.want, c.ok)
		}
	}
}

func TestInvalidUTF8BecomesReplacement(t *testing.T) {
	if got := string(AppendString(nil, "a\xffb")); got != "\"a\uFFFDb\"" {
		t.Fatalf("got %q", got)
	}
}

func TestDeepNestingIsCut(t *testing.T) {
	m := pcommon.NewMap()
	cur := m
	for range 100 {
		cur = cur.PutEmptyMap("n")
	}
	out := pcommon.NewMap()
	if err := Fill(out, string(AppendMap(nil, m))); err != nil {
		t.Fatal(err)
	}
}

func FuzzFill(f *testing.F) {
	f.Add(string(AppendMap(nil, sample())))
	f.Add(`{"a":[1,{"$bytes":"%%"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		m := pcommon.NewMap()
		if err := Fill(m, text); err != nil {
			return
		}
		canonical := string(AppendMap(nil, m))
		m2 := pcommon.NewMap()
		if err := Fill(m2, canonical); err != nil {
			t.Fatalf("canonical form %q does not read back: %v", canonical, err)
		}
	})
}
