package logql

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
	"hinomi/internal/store/storetest"
)

// A script has blocks. Times are offsets from scriptZero.
//
//	clear
//	load {service_name="a"}            one stream of Loki's push, then its lines:
//	  10s "text" key="metadata"
//	otlp service.name="a" other="b"    one resource, then its records:
//	  10s "text" @severity=ERROR @trace_id=0af7… http.method="GET" map=json:{"a":{"b":1}}
//	eval instant at 5m QUERY           then {labels} value
//	eval range 0s 5m 1m QUERY          then {labels} v v _ v   (_ is no value)
//	eval logs 0s 10m [limit N] [forward] QUERY   then TIME {all labels} text
//	eval lines QUERY                   then the text of every line, oldest first
//	eval format QUERY                  then its canonical form
//	eval fail QUERY                    then a part of the error
//
// An expected label value of * matches any.
var scriptZero = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for name, open := range stores {
				t.Run(name, func(t *testing.T) {
					s := &script{t: t, open: open}
					s.reset()
					s.run(f, string(text))
				})
			}
		})
	}
}

// stores are what the scripts run on: the naive store, and the embedded engine
// with its rows in memory and on disk.
var stores = map[string]func(t *testing.T) store.LogStore{
	"naive": func(*testing.T) store.LogStore {
		m := storetest.New()
		m.UnitRows = 3
		return m
	},
	"memtable": func(t *testing.T) store.LogStore { return openEngine(t) },
	"segments": func(t *testing.T) store.LogStore { return &flushed{openEngine(t)} },
}

func openEngine(t *testing.T) *logstore.Store {
	s, err := logstore.Open(columnar.Options{
		FS: vfs.NewMem(), Dir: "logs", Now: func() time.Time { return scriptZero.Add(time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// flushed moves every append to a segment.
type flushed struct{ *logstore.Store }

func (f *flushed) AppendLogs(ctx context.Context, scope model.Scope, ld plog.Logs) (store.WriteResult, error) {
	res, err := f.Store.AppendLogs(ctx, scope, ld)
	return res, errors.Join(err, f.Flush())
}

type script struct {
	t     *testing.T
	open  func(t *testing.T) store.LogStore
	store store.LogStore
	eng   *Engine
	evals int
}

func (s *script) reset() {
	s.store = s.open(s.t)
	var err error
	if s.eng, err = New(Options{Store: s.store, MaxSeries: 20}); err != nil {
		s.t.Fatal(err)
	}
}

type block struct {
	head string
	body []string
	at   string
}

func (s *script) run(name, text string) {
	var blocks []block
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case line[0] != ' ' && line[0] != '\t':
			blocks = append(blocks, block{head: trimmed, at: fmt.Sprintf("%s:%d", name, i+1)})
		default:
			b := &blocks[len(blocks)-1]
			b.body = append(b.body, trimmed)
		}
	}
	for _, b := range blocks {
		if err := s.block(b); err != nil {
			s.t.Errorf("%s: %s\n%v", b.at, b.head, err)
		}
	}
	s.t.Logf("%d evaluations", s.evals)
}

func (s *script) block(b block) error {
	word, rest, _ := strings.Cut(b.head, " ")
	switch word {
	case "clear":
		s.reset()
		return nil
	case "load":
		ls := ParseStream(rest)
		return s.load(b.body, func(m pcommon.Map) { ls.Range(func(l labels.Label) { m.PutStr(l.Name, l.Value) }) }, "loki")
	case "otlp":
		return s.load(b.body, func(m pcommon.Map) { eachPair(rest, m.PutStr) }, "go.logger")
	case "eval":
		s.evals++
		return s.eval(rest, b.body)
	}
	return fmt.Errorf("unknown command %q", word)
}

var pairRe = regexp.MustCompile(`([@\w.]+)=("(?:[^"\\]|\\.)*"|\S+)`)

func eachPair(text string, fn func(k, v string)) {
	for _, m := range pairRe.FindAllStringSubmatch(text, -1) {
		v := m[2]
		if u, err := strconv.Unquote(v); err == nil {
			v = u
		}
		fn(m[1], v)
	}
}

func (s *script) load(lines []string, resource func(pcommon.Map), scope string) error {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	resource(rl.Resource().Attributes())
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(scope)
	for _, line := range lines {
		at, rest, _ := strings.Cut(line, " ")
		d, err := time.ParseDuration(at)
		if err != nil {
			return err
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return fmt.Errorf("%s: %w", rest, err)
		}
		body, _ := strconv.Unquote(quoted)
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(scriptZero.Add(d)))
		lr.Body().SetStr(body)
		eachPair(rest[len(quoted):], func(k, v string) {
			switch k {
			case "@severity":
				lr.SetSeverityText(v)
				lr.SetSeverityNumber(map[string]plog.SeverityNumber{"INFO": 9, "WARN": 13, "ERROR": 17}[v])
			case "@trace_id":
				var id [16]byte
				b, _ := hex.DecodeString(v)
				copy(id[:], b)
				lr.SetTraceID(id)
			default:
				if text, ok := strings.CutPrefix(v, "json:"); ok {
					if err := attrs.FillValue(lr.Attributes().PutEmpty(k), text); err != nil {
						s.t.Fatal(err)
					}
					return
				}
				if n, err := strconv.ParseInt(v, 10, 64); err == nil {
					lr.Attributes().PutInt(k, n)
					return
				}
				lr.Attributes().PutStr(k, v)
			}
		})
	}
	_, err := s.store.AppendLogs(context.Background(), model.ScopeAll(), ld)
	return err
}

func (s *script) eval(rest string, want []string) error {
	kind, rest, _ := strings.Cut(rest, " ")
	word := func() string {
		w, r, _ := strings.Cut(rest, " ")
		rest = r
		return w
	}
	at := func() time.Time {
		d, err := time.ParseDuration(word())
		if err != nil {
			s.t.Fatal(err)
		}
		return scriptZero.Add(d)
	}
	var res Result
	var err error
	ctx, all := context.Background(), model.ScopeAll()
	switch kind {
	case "instant":
		word()
		t := at()
		res, err = s.eng.Instant(ctx, all, rest, t)
	case "range":
		r := Request{Start: at(), End: at()}
		r.Step = at().Sub(scriptZero)
		r.Query = rest
		res, err = s.eng.Range(ctx, all, r)
	case "logs":
		r := Request{Start: at(), End: at()}
		for {
			if strings.HasPrefix(rest, "limit ") {
				word()
				r.Limit, _ = strconv.Atoi(word())
			} else if strings.HasPrefix(rest, "forward ") {
				word()
				r.Forward = true
			} else {
				break
			}
		}
		r.Query = rest
		res, err = s.eng.Range(ctx, all, r)
	case "lines":
		return s.evalLines(rest, want)
	case "format":
		e, err := Parse(rest)
		if err != nil {
			return err
		}
		if got := e.String(); got != strings.Join(want, "\n") {
			return fmt.Errorf("got  %s\nwant %s", got, strings.Join(want, "\n"))
		}
		return nil
	case "fail":
		res, err = s.eng.Range(ctx, all, Request{Query: rest, Start: scriptZero, End: scriptZero.Add(time.Hour), Step: time.Minute})
		if err == nil {
			return fmt.Errorf("no error, got %v", res)
		}
		if got := err.Error(); !strings.Contains(got, strings.Join(want, "\n")) {
			return fmt.Errorf("error %q lacks %q", got, want)
		}
		return nil
	default:
		return fmt.Errorf("unknown eval %q", kind)
	}
	if err != nil {
		return err
	}
	got := renderResult(res)
	if len(got) != len(want) {
		return fmt.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	for i := range got {
		if !sameLine(got[i], want[i]) {
			return fmt.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	return nil
}

// evalLines compares the text of lines alone. Spaces at the ends do not count, as the
// script cannot show them.
func (s *script) evalLines(query string, want []string) error {
	res, err := s.eng.Range(context.Background(), model.ScopeAll(), Request{Query: query, Start: scriptZero, End: scriptZero.Add(2 * time.Hour), Forward: true})
	if err != nil {
		return err
	}
	var lines []Entry
	for _, st := range res.Streams {
		lines = append(lines, st.Entries...)
	}
	slices.SortStableFunc(lines, func(a, b Entry) int { return cmp.Compare(a.Ts, b.Ts) })
	var got []string
	for _, e := range lines {
		got = append(got, strings.TrimSpace(e.Line))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return nil
}

func sameLine(got, want string) bool {
	re := strings.ReplaceAll(regexp.QuoteMeta(want), `"\*"`, `"(?:[^"\\]|\\.)*"`)
	return regexp.MustCompile("^" + re + "$").MatchString(got)
}

func renderResult(r Result) []string {
	var out []string
	switch r.Kind {
	case Scalar:
		return []string{formatNumber(r.Scalar)}
	case Streams:
		type line struct {
			ts   int64
			text string
		}
		for _, s := range r.Streams {
			for _, e := range s.Entries {
				// A builder would drop empty labels, which lines can have.
				var all []labels.Label
				for _, part := range []labels.Labels{s.Labels, e.Metadata, e.Parsed} {
					part.Range(func(l labels.Label) { all = append(all, l) })
				}
				out = append(out, fmt.Sprintf("%v %s %s", time.Duration(e.Ts-scriptZero.UnixNano()), known(labels.New(all...)), e.Line))
			}
		}
		return out
	}
	for _, s := range r.Series {
		vals := make([]string, len(s.Values))
		for i, v := range s.Values {
			vals[i] = formatNumber(math.Round(v*1e6) / 1e6)
			if plan.IsAbsent(v) {
				vals[i] = "_"
			}
		}
		out = append(out, known(s.Labels).String()+" "+strings.Join(vals, " "))
	}
	return out
}

// known leaves out what only some stores add: the level of lines without one and
// the service name that the log store finds in the label app, as Loki does.
func known(ls labels.Labels) labels.Labels {
	var out []labels.Label
	ls.Range(func(l labels.Label) {
		if l.Name == "detected_level" && l.Value == "unknown" || l.Name == "service_name" && ls.Get("app") == l.Value {
			return
		}
		out = append(out, l)
	})
	return labels.New(out...)
}
