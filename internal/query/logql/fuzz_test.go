package logql

import (
	"bufio"
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
		file, err := os.Open(name)
		if err != nil {
			f.Fatal(err)
		}
		sc := bufio.NewScanner(file)
		for sc.Scan() {
			if i := strings.IndexAny(sc.Text(), "{(12"); strings.HasPrefix(sc.Text(), "eval") && i > 0 {
				f.Add(strings.TrimPrefix(sc.Text(), "eval fail "))
				f.Add(sc.Text()[i:])
			}
		}
		file.Close()
	}
	for _, q := range []string{
		`sum by (a) (rate({a="b"} | json x="y[0]" | unwrap duration(z) | __error__="" [1h30m] offset 5m)) > bool 1e3`,
		`{a="b"} | a >= -1.5KiB or (b < 1d and c = ip("10.0.0.1-10.0.0.9")) | drop a, b=~"c" # comment`,
		"label_replace(vector(1), \"a\", \"$1\", \"b\", `(.*)`) and on (x) vector(2)",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		e, err := Parse(q)
		if err != nil {
			if e != nil {
				t.Fatal("an error and an expression")
			}
			return
		}
		text := e.String()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q became %q, which does not parse: %v", q, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q became %q, then %q", q, text, again.String())
		}
	})
}
