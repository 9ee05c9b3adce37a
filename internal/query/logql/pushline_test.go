package logql

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

// TestPushRegexp compares the predicate of an expression with the expression on lines
// made of the letters that it could get wrong.
func TestPushRegexp(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 9))
	parts := []string{"foo", "fob", "bar", "a", "b", ".", ".*", ".+", "x*", "b?", "(foo|bar)", "(?:fo+|b)", "[ab]", "[^a]", "^", "$", `\b`, "(a.*|b)", "(.*a|b.*)", "(?i:Foo)", "|", " ", "(a|)", "(ab){2}", `\.`, "é"}
	lineParts := []string{"foo", "fob", "FOO", "bar", "a", "b", "ab", "abab", "x", " ", ".", "é", "\n", "f", "o"}
	pushed := 0
	for range 20_000 {
		text := ""
		if rnd.IntN(4) == 0 {
			text = "(?i)"
		}
		for range 1 + rnd.IntN(4) {
			text += parts[rnd.IntN(len(parts))]
		}
		re, err := regexp.Compile(text)
		if err != nil {
			continue
		}
		p := pushRegexp(re)
		if _, same := p.(store.Match); !same {
			pushed++
		}
		for range 20 {
			line := ""
			for range rnd.IntN(5) {
				line += lineParts[rnd.IntN(len(lineParts))]
			}
			got := storetest.Eval(p, storetest.Row{store.Col(store.ColBody): store.Str(line)})
			if want := re.MatchString(line); got != want {
				t.Fatalf("%q on %q: %v, want %v; pushed as %#v", text, line, got, want, p)
			}
		}
	}
	if pushed < 5000 {
		t.Errorf("only %d expressions were pushed down as more than themselves", pushed)
	}
}

// TestPushRegexpForm: what people write is answered by substring searches.
func TestPushRegexpForm(t *testing.T) {
	body := store.Col(store.ColBody)
	for text, want := range map[string]store.Pred{
		"error":            store.Contains{Col: body, Sub: "error"},
		".*error.*":        store.Contains{Col: body, Sub: "error"},
		"(?i)error":        store.Contains{Col: body, Sub: "ERROR", Fold: true},
		`192\.168\.1\.1`:   store.Contains{Col: body, Sub: "192.168.1.1"},
		"error|warn":       store.Or{store.Contains{Col: body, Sub: "error"}, store.Contains{Col: body, Sub: "warn"}},
		"status=(404|500)": store.Or{store.Contains{Col: body, Sub: "status=404"}, store.Contains{Col: body, Sub: "status=500"}},
		".*":               store.True{},
	} {
		got := pushRegexp(regexp.MustCompile(text))
		if show(got) != show(want) {
			t.Errorf("%s became %s, want %s", text, show(got), show(want))
		}
	}
	if got, ok := pushRegexp(regexp.MustCompile(`took \d+ms`)).(store.And); !ok || show(got[0]) != show(store.Contains{Col: body, Sub: "took "}) {
		t.Errorf("no search in front of the expression: %v", got)
	}
}

func show(p store.Pred) string {
	switch p := p.(type) {
	case store.Contains:
		if p.Fold {
			return "fold " + strings.ToLower(p.Sub)
		}
		return p.Sub
	case store.Or:
		out := ""
		for _, q := range p {
			out += show(q) + " or "
		}
		return out
	case store.True:
		return "true"
	}
	return "?"
}
