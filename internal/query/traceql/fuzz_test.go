package traceql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse: no query makes the parser panic, and the text of a parsed query
// parses to the same text.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.test")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if i := strings.IndexAny(line, "({"); strings.HasPrefix(line, "eval") && i > 0 {
				f.Add(strings.TrimSpace(line[i:]))
			}
		}
	}
	f.Add(`{ span."a b\"c" = -1.5 && parent."name" != nil && .5x = 1h2m } !>> ({ } | by(event.x) | select(link.y, trace:id)) | (count() + 1) ^ 2 >= -3`)
	f.Add(`100 * ({ .a = minInt } | quantile_over_time(span."x y", .5, 0.99) by(name, parent.foo) | topk(3) > 1s) / (-2 - ({ } | compare({ status = error }, 5, 1, 2))) with(sample=0.5, exemplars=false)`)
	f.Add(`(({ } | count()) + ({ kind = server } | by(name) | max(duration))) / 2 > 3w`)
	f.Fuzz(func(t *testing.T, q string) {
		e, err := ParseQuery(q)
		if err != nil {
			if e != nil {
				t.Fatal("an error and an expression")
			}
			return
		}
		text := e.String()
		again, err := ParseQuery(text)
		if err != nil {
			t.Fatalf("%q became %q, which does not parse: %v", q, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q became %q, then %q", q, text, again.String())
		}
	})
}
