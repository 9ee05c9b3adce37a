package pattern

import (
	"archive/tar"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// labelled is a line with the statement that wrote it.
type labelled struct{ service, text, statement string }

// statement finds logger and line number, which name the statement; without them
// the text has to tell.
var statement = regexp.MustCompile(`^(\S+ +[A-Z]+ +)(\S+#\d+) (.*)$`)

// nezha reads the log lines of the data set of a real microservice system.
func nezha(t *testing.T) []labelled {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "nezha-dev.tar.zst"))
	if err != nil {
		t.Fatalf("the data set is needed: %v", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out []labelled
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(h.Name, "rca_data") || !strings.HasSuffix(h.Name, "_log.csv") {
			continue
		}
		c := csv.NewReader(r)
		c.FieldsPerRecord, c.LazyQuotes = -1, true
		for {
			rec, err := c.Read()
			if err != nil {
				break
			}
			var container struct{ Log string }
			if len(rec) != 8 || json.Unmarshal([]byte(rec[7]), &container) != nil {
				continue
			}
			if m := statement.FindStringSubmatch(strings.TrimSpace(container.Log)); m != nil {
				service := rec[3]
				for range 2 {
					service = service[:strings.LastIndexByte(service, '-')]
				}
				out = append(out, labelled{service, m[1] + m[3], service + " " + m[2]})
			}
		}
	}
	return out
}

// groupingAccuracy is the share of lines whose group has exactly the lines of
// their statement (Zhu et al., "Tools and Benchmarks for Automated Log Parsing",
// ICSE-SEIP 2019).
func groupingAccuracy(truth, group []string) float64 {
	type pair struct{ truth, group string }
	size, by, both := map[string]int{}, map[string]int{}, map[pair]int{}
	for i := range truth {
		size[truth[i]]++
		by[group[i]]++
		both[pair{truth[i], group[i]}]++
	}
	right := 0
	for p, n := range both {
		if n == size[p.truth] && n == by[p.group] {
			right += n
		}
	}
	return float64(right) / float64(len(truth))
}

// drain is Drain as published: a tree by length and first words, then the most
// similar cluster of a leaf.
type drain struct {
	leaves map[string][]*drainCluster
}

type drainCluster struct {
	id     string
	tokens []string
}

func (d *drain) add(line string) *drainCluster {
	const depth, similarity = 4, 0.4
	tokens := strings.Fields(line)
	key := strings.Builder{}
	key.WriteString(strconv.Itoa(len(tokens)))
	for i := 0; i < min(depth-2, len(tokens)); i++ {
		if strings.ContainsAny(tokens[i], "0123456789") {
			key.WriteString(" " + Any)
		} else {
			key.WriteString(" " + tokens[i])
		}
	}
	var best *drainCluster
	score := -1.0
	for _, c := range d.leaves[key.String()] {
		same := 0
		for i := range tokens {
			if c.tokens[i] == tokens[i] {
				same++
			}
		}
		if s := float64(same) / float64(max(1, len(tokens))); s > score {
			best, score = c, s
		}
	}
	if best == nil || score < similarity {
		best = &drainCluster{id: line, tokens: tokens}
		d.leaves[key.String()] = append(d.leaves[key.String()], best)
		return best
	}
	for i := range tokens {
		if best.tokens[i] != tokens[i] {
			best.tokens[i] = Any
		}
	}
	return best
}

// sameText joins statements that write the same text but for digits: without
// their place in the source nobody can tell them apart.
func sameText(lines []labelled) []string {
	leader := map[string]string{}
	var find func(string) string
	find = func(s string) string {
		if p, ok := leader[s]; ok && p != s {
			leader[s] = find(p)
			return leader[s]
		}
		return s
	}
	first := map[string]string{}
	digits := regexp.MustCompile(`[0-9a-f-]*[0-9][0-9a-f-]*`)
	for _, l := range lines {
		text := l.service + digits.ReplaceAllString(l.text, "0")
		if other, ok := first[text]; ok {
			leader[find(l.statement)] = find(other)
		} else {
			first[text] = l.statement
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = find(l.statement)
	}
	return out
}

func TestBetterThanDrain(t *testing.T) {
	lines := nezha(t)
	truth := sameText(lines)
	skeletons := make([]string, len(lines))
	baseline := make([]string, len(lines))
	d := &drain{leaves: map[string][]*drainCluster{}}
	for i, l := range lines {
		skeletons[i] = Skeleton(l.text)
		baseline[i] = d.add(l.service + " " + l.text).id
	}
	templates := Group(skeletons)
	ours := make([]string, len(lines))
	for i, s := range skeletons {
		ours[i] = lines[i].service + " " + templates[s]
	}
	a, b := groupingAccuracy(truth, ours), groupingAccuracy(truth, baseline)
	distinct := map[string]bool{}
	for _, o := range ours {
		distinct[o] = true
	}
	statements := map[string]bool{}
	for _, s := range truth {
		statements[s] = true
	}
	t.Logf("%d lines of %d statements, %d templates: grouping accuracy %.3f, Drain %.3f", len(lines), len(statements), len(distinct), a, b)
	if a <= b || a < 0.9 {
		t.Errorf("grouping accuracy %.3f, Drain has %.3f", a, b)
	}
	if testing.Verbose() {
		report(t, truth, ours)
	}
}

// report shows where templates and statements differ most.
func report(t *testing.T, truth, ours []string) {
	by := map[string]map[string]int{}
	back := map[string]map[string]int{}
	for i := range truth {
		if by[truth[i]] == nil {
			by[truth[i]] = map[string]int{}
		}
		if back[ours[i]] == nil {
			back[ours[i]] = map[string]int{}
		}
		by[truth[i]][ours[i]]++
		back[ours[i]][truth[i]]++
	}
	shown := 0
	for s, groups := range by {
		n := 0
		for _, k := range groups {
			n += k
		}
		if len(groups) > 1 && n > 300 && shown < 15 {
			shown++
			t.Logf("SPLIT %s: %d lines in %d templates", s, n, len(groups))
			k := 0
			for g, c := range groups {
				if k++; k < 5 {
					t.Logf("    %6d %s", c, g)
				}
			}
		}
	}
	shown = 0
	for g, st := range back {
		n := 0
		for _, k := range st {
			n += k
		}
		if len(st) > 1 && n > 300 && shown < 15 {
			shown++
			t.Logf("JOINED %d lines %s: %v", n, g, st)
		}
	}
}
