package pattern

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSkeleton(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", ""},
		{"connection to 10.0.0.7:5432 refused after 3 attempts", "connection to <*> refused after <*> attempts"},
		{"16:42:22.382 INFO  t.s.TravelServiceImpl#532 TraceID: ffc8ca7e4c8f06c75142c880d5595d96 SpanID: 439bc949a9eeb0cc [getRouteByRouteId][Get Route By Id][Route is: Route(id=f3d4d4ef-693b, stations=[shanghai, suzhou], distances=[0, 50], startStation=shanghai)]",
			"<*> INFO t.s.TravelServiceImpl#532 TraceID: <*> SpanID: <*> [getRouteByRouteId][Get Route By Id][Route is: Route(<*>)]"},
		{"stations: [shanghai, suzhou, nanjing]", "stations: [<*>]"},
		{"stations: [shanghai, suzhou]", "stations: [<*>]"},
		{"took 3 ms, 4 ms, 5 ms", "took <*> ms, <*> ms, <*> ms"},
		{"ids 1, 2, 3", "ids <*>"},
		{"level=info msg=\"user logged in\" user=ana", "level=<*> msg=\"user logged in\" user=<*>"},
		{`open "/etc/passwd": permission denied`, `open "<*>": permission denied`},
		{"can't open file", "can't open file"},
		{"name 'ana' is taken", "name '<*>' is taken"},
		{"session opened for user root by (uid=0)", "session opened for user <*> by (<*>)"},
		{"GET /api/v1/orders/7 200", "GET <*>"},
		{"see https://example.com/x for help", "see <*> for help"},
		{"main.go:42: payment declined", "main.go:42: payment declined"},
		{"deadbeef cafebabe facade", "<*> facade"},
		{"==== start ====", "==== start ===="},
		{"unbalanced (a, b", "unbalanced (a, b"},
		{"panic: nil map\ngoroutine 1 [running]", "panic: nil map"},
		{`{"ts":1,"msg":"paid 7 EUR","user":"ana"}`, "paid <*> EUR"},
		{`{"b":1,"a":"x"}`, `{"a": <*>, "b": <*>}`},
		{"{not json}", "{not json}"},
		{"決済 3 件が失敗", "決済 <*> 件が失敗"},
	} {
		if got := Skeleton(c.line); got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.line, got, c.want)
		}
	}
}

func TestGroupJoinsNamesNotVerbs(t *testing.T) {
	lines := []string{}
	for _, name := range []string{"ana", "bob", "cho", "dee", "eve", "fay", "gil"} {
		lines = append(lines, "welcome back "+name+" in the shop", "train from "+name+" is late today")
	}
	lines = append(lines, "session was opened by someone", "session was closed by someone")
	got := Group(lines)
	for line, want := range map[string]string{
		"welcome back ana in the shop":  "welcome back <*> in the shop",
		"welcome back gil in the shop":  "welcome back <*> in the shop",
		"train from eve is late today":  "train from <*> is late today",
		"session was opened by someone": "session was opened by someone",
		"session was closed by someone": "session was closed by someone",
	} {
		if got[line] != want {
			t.Errorf("%q is grouped as %q, want %q", line, got[line], want)
		}
	}
}

func TestGroupJoinsSeveralPlaces(t *testing.T) {
	cities := []string{"shanghai", "suzhou", "nanjing", "taiyuan", "wuxi", "jinan", "hefei", "xian"}
	var lines []string
	for _, a := range cities {
		for _, b := range cities {
			lines = append(lines, "travel from "+a+" to "+b+" found")
		}
	}
	got := Group(lines)
	for _, l := range lines {
		if got[l] != "travel from <*> to <*> found" {
			t.Fatalf("%q is grouped as %q", l, got[l])
		}
	}
}

func FuzzSkeleton(f *testing.F) {
	f.Add("a=b (c, d) [e=f] \"g\" 'h' {\"i\":1}")
	f.Add(`{"msg":"x=[y"}`)
	f.Fuzz(func(t *testing.T, line string) {
		s := Skeleton(line)
		if len(s) > 4*len(line)+64 {
			t.Fatalf("a skeleton of %d bytes of a line of %d", len(s), len(line))
		}
	})
}

func BenchmarkSkeleton(b *testing.B) {
	line := "16:42:22.382 INFO  t.s.TravelServiceImpl#532 TraceID: ffc8ca7e4c8f06c75142c880d5595d96 SpanID: 439bc949a9eeb0cc [getRouteByRouteId][Get Route By Id][Route is: Route(id=f3d4d4ef-693b-4456-8eed-59c0d717dd08, stations=[shanghai, suzhou], distances=[0, 50])]"
	var buf []byte
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendSkeleton(buf[:0], line)
	}
}
