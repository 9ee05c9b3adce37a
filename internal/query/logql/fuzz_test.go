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

// FuzzStages: no line makes a parser or a template panic, and a parser that knows
// which labels matter finds the same values of them as one that does not.
func FuzzStages(f *testing.F) {
	for _, line := range []string{
		`{"a":"x","n":1,"o":{"p":[1,{"q":null}]},"e":"\\u00e9\\ud83d"}`, `a=1 b="two \"words\"" c= d =e f=x=y "g`, `{"_entry":"x","pod":"p"}`, "10.0.0.1 ::1 [x] \x1b[31mred", `{"a":`, "",
	} {
		f.Add(line)
	}
	const stages = ` | json x="o.p[0]", a | json | logfmt --strict --keep-empty y="b" | logfmt | regexp "(?P<num>\\d+)" | pattern "<first> <rest>" | unpack | decolorize |= ip("10.0.0.0/8") or "" | line_format "{{.a}}{{__line__ | trunc 3}}"`
	l, err := ParseLog(`{a="b"}` + stages)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var all, some lineLabels
		some.need = newNameSet("a", "n", "b_extracted", "first")
		for _, b := range []*lineLabels{&all, &some} {
			b.reset(0, line)
			b.addBase("b", "stream", catStream)
			for _, s := range l.Stages {
				compileStage(s)(b)
			}
		}
		for name := range some.need.m {
			if all.value(name) != some.value(name) {
				t.Fatalf("%q: %s is %q, with other labels beside it %q", line, name, some.value(name), all.value(name))
			}
		}
	})
}
