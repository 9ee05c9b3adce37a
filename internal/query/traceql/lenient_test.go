package traceql

import "testing"

func TestLenientFilter(t *testing.T) {
	for query, want := range map[string]string{
		``:                              ``,
		`{}`:                            ``,
		`{ name = "x" }`:                `{ name = "x" }`,
		`{ name = "x" && span.foo = }`:  `{ (name = "x") && true }`,
		`{ name = && span.foo = 5 }`:    `{ true && (span.foo = 5) }`,
		`{ name = "x" && (status =`:     `{ (name = "x") && true }`,
		`{ name = "x"`:                  `{ name = "x" }`,
		`{ name = "x" } >> { kind =~ }`: `{ name = "x" } >> { true }`,
		`{ name = "x" && }`:             ``,
		`{ name = "x`:                   ``,
		`{ } | rate()`:                  ``,
		`)=`:                            ``,
	} {
		got := ""
		if p := LenientFilter(query); p != nil {
			got = p.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}
