package traceql

import (
	"context"
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
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/storetest"
	"hinomi/internal/store/tracestore"
)

// A script has blocks. Times are offsets from scriptZero.
//
//	trace 1                            then its spans:
//	  ID PARENT START DURATION SERVICE "NAME" key=value …
//	                                   PARENT - is none; kind=, status=, message=,
//	                                   tracestate=, weight= (of sampling), resource.x=, event.NAME.x= and link.TRACE.x= are
//	                                   taken apart, [a,b] is an array
//	eval [limit N] [spss N] QUERY      then TRACE: ID ID … for each spanset, newest
//	                                   trace first; by and aggregates in brackets
//	eval show QUERY                    then TRACE ID key=value …
//	eval fail QUERY                    then a part of the error
//	range START END STEP QUERY         then {label="value"} and the value at each step,
//	                                   _ where there is none; the first step is START
//	instant START END QUERY            then {label="value"} VALUE
//	exemplars START END STEP QUERY     then {label="value"} TRACE/SPAN=VALUE …
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
				t.Run(name, func(t *testing.T) { runScript(t, open(t), f, string(text)) })
			}
		})
	}
}

// stores are what the scripts run on: the naive store, and the embedded engine
// with its rows in memory and on disk.
var stores = map[string]func(t *testing.T) store.TraceStore{
	"naive": func(*testing.T) store.TraceStore {
		m := storetest.New()
		m.UnitRows = 3
		return m
	},
	"memtable": func(t *testing.T) store.TraceStore { return openEngine(t) },
	"segments": func(t *testing.T) store.TraceStore { return &flushed{openEngine(t)} },
}

func openEngine(t *testing.T) *tracestore.Store {
	s, err := tracestore.Open(columnar.Options{
		FS: vfs.NewMem(), Dir: "traces", Now: func() time.Time { return scriptZero.Add(time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// flushed moves every append to a segment.
type flushed struct{ *tracestore.Store }

func (f *flushed) AppendTraces(ctx context.Context, scope model.Scope, td ptrace.Traces) (store.WriteResult, error) {
	res, err := f.Store.AppendTraces(ctx, scope, td)
	return res, errors.Join(err, f.Flush())
}

func runScript(t *testing.T, on store.TraceStore, name, text string) {
	mem := &weighted{on, map[string]float64{}}
	eng, err := New(Options{Store: mem})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	evals := 0
	for i := 0; i < len(lines); i++ {
		head := strings.TrimSpace(lines[i])
		if head == "" || head[0] == '#' {
			continue
		}
		at := fmt.Sprintf("%s:%d: %s", name, i+1, head)
		var body []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
			i++
			body = append(body, strings.TrimSpace(lines[i]))
		}
		word, rest, _ := strings.Cut(head, " ")
		switch word {
		case "trace":
			if err := loadTrace(mem, rest, body); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
		case "eval":
			evals++
			if err := evalScript(eng, rest, body); err != nil {
				t.Errorf("%s\n%v", at, err)
			}
		case "range", "instant", "exemplars":
			evals++
			if err := metricsScript(eng, word, rest, body); err != nil {
				t.Errorf("%s\n%v", at, err)
			}
		default:
			t.Fatalf("%s: unknown command", at)
		}
	}
	t.Logf("%d evaluations", evals)
}

var spanRe = regexp.MustCompile(`^(\S+) (\S+) (\S+) (\S+) (\S+) "([^"]*)"(.*)$`)
var pairRe = regexp.MustCompile(`(\S+?)=("[^"]*"|\S+)`)

func loadTrace(mem *weighted, id string, body []string) error {
	n, err := strconv.Atoi(id)
	if err != nil {
		return err
	}
	td := ptrace.NewTraces()
	for _, line := range body {
		m := spanRe.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("not a span: %s", line)
		}
		start, err1 := time.ParseDuration(m[3])
		dur, err2 := time.ParseDuration(m[4])
		if err1 != nil || err2 != nil {
			return fmt.Errorf("not a span: %s", line)
		}
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", m[5])
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("lib-" + m[5])
		sp := ss.Spans().AppendEmpty()
		sp.SetTraceID(pcommon.TraceID{15: byte(n)})
		sp.SetSpanID(pcommon.SpanID{0: m[1][0]})
		if m[2] != "-" {
			sp.SetParentSpanID(pcommon.SpanID{0: m[2][0]})
		}
		sp.SetName(m[6])
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(scriptZero.Add(start)))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(scriptZero.Add(start + dur)))
		for _, p := range pairRe.FindAllStringSubmatch(m[7], -1) {
			if p[1] != "weight" {
				setPair(rs.Resource(), sp, p[1], p[2])
				continue
			}
			weight, err := strconv.ParseFloat(p[2], 64)
			if err != nil {
				return err
			}
			mem.set(sp.TraceID(), sp.SpanID(), weight)
		}
	}
	_, err = mem.AppendTraces(context.Background(), model.ScopeAll(), td)
	return err
}

func setPair(res pcommon.Resource, sp ptrace.Span, k, v string) {
	put := func(m pcommon.Map, k, v string) {
		if list, ok := strings.CutPrefix(v, "["); ok {
			arr := m.PutEmptySlice(k)
			for x := range strings.SplitSeq(strings.TrimSuffix(list, "]"), ",") {
				if n, err := strconv.ParseInt(x, 10, 64); err == nil {
					arr.AppendEmpty().SetInt(n)
				} else {
					arr.AppendEmpty().SetStr(x)
				}
			}
		} else if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			m.PutInt(k, n)
		} else if f, err := strconv.ParseFloat(v, 64); err == nil {
			m.PutDouble(k, f)
		} else if b, err := strconv.ParseBool(v); err == nil {
			m.PutBool(k, b)
		} else {
			m.PutStr(k, strings.Trim(v, `"`))
		}
	}
	switch {
	case k == "kind":
		sp.SetKind(ptrace.SpanKind(slices.Index(kindNames, v)))
	case k == "status":
		sp.Status().SetCode(ptrace.StatusCode(slices.Index(statusNames, v)))
	case k == "tracestate":
		sp.TraceState().FromRaw(v)
	case k == "message":
		sp.Status().SetMessage(strings.Trim(v, `"`))
	case strings.HasPrefix(k, "resource."):
		put(res.Attributes(), strings.TrimPrefix(k, "resource."), v)
	case strings.HasPrefix(k, "event."):
		name, attr, _ := strings.Cut(strings.TrimPrefix(k, "event."), ".")
		e := sp.Events().AppendEmpty()
		e.SetName(name)
		e.SetTimestamp(sp.StartTimestamp() + 5e6)
		put(e.Attributes(), attr, v)
	case strings.HasPrefix(k, "link."):
		// link.TRACE.x=v links to span a of that trace.
		to, attr, _ := strings.Cut(strings.TrimPrefix(k, "link."), ".")
		n, _ := strconv.Atoi(to)
		l := sp.Links().AppendEmpty()
		l.SetTraceID(pcommon.TraceID{15: byte(n)})
		l.SetSpanID(pcommon.SpanID{0: 'a'})
		put(l.Attributes(), attr, v)
	default:
		put(sp.Attributes(), k, v)
	}
}

func evalScript(eng *Engine, rest string, want []string) error {
	r := Request{Start: scriptZero, End: scriptZero.Add(time.Hour), Spss: 100}
	show := false
	for {
		word, tail, _ := strings.Cut(rest, " ")
		switch word {
		case "limit", "spss":
			num, q, _ := strings.Cut(tail, " ")
			n, _ := strconv.Atoi(num)
			if word == "limit" {
				r.Limit = n
			} else {
				r.Spss = n
			}
			rest = q
			continue
		case "min", "max":
			num, q, _ := strings.Cut(tail, " ")
			d, _ := time.ParseDuration(num)
			if word == "min" {
				r.MinDuration = d
			} else {
				r.MaxDuration = d
			}
			rest = q
			if !strings.HasPrefix(num, "(") {
				continue
			}
		case "show":
			show, rest = true, tail
			continue
		case "fail":
			r.Query = tail
			_, err := eng.Search(context.Background(), model.ScopeAll(), r)
			if err == nil || !strings.Contains(err.Error(), strings.Join(want, "\n")) {
				return fmt.Errorf("error %v lacks %q", err, want)
			}
			return nil
		}
		break
	}
	r.Query = rest
	res, err := eng.Search(context.Background(), model.ScopeAll(), r)
	if err != nil {
		return err
	}
	var got []string
	for _, tr := range res.Traces {
		id := strings.TrimLeft(tr.TraceID, "0")
		for _, set := range tr.Sets {
			if show {
				for _, sp := range set.Spans {
					line := id + " " + spanLetter(sp)
					if sp.Name != "" {
						line += fmt.Sprintf(" name=%q", sp.Name)
					}
					for _, a := range sp.Attrs {
						line += " " + a.Name + "=" + a.Val.String()
					}
					got = append(got, line)
				}
				continue
			}
			line := id + ":"
			for _, sp := range set.Spans {
				line += " " + spanLetter(sp)
			}
			if set.Matched != len(set.Spans) {
				line += fmt.Sprintf(" of %d", set.Matched)
			}
			for _, a := range set.Attrs {
				line += fmt.Sprintf(" [%s %s]", a.Name, a.Val)
			}
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return nil
}

func spanLetter(sp FoundSpan) string {
	b, _ := strconv.ParseUint(sp.ID[:2], 16, 8)
	return string(rune(b))
}

func metricsScript(eng *Engine, word, rest string, want []string) error {
	r := MetricsRequest{Instant: word == "instant"}
	for _, dst := range []*time.Time{&r.Start, &r.End} {
		arg, tail, _ := strings.Cut(rest, " ")
		d, err := time.ParseDuration(arg)
		if err != nil {
			return err
		}
		*dst, rest = scriptZero.Add(d), tail
	}
	if !r.Instant {
		arg, tail, _ := strings.Cut(rest, " ")
		d, err := time.ParseDuration(arg)
		if err != nil {
			return err
		}
		r.Step, rest = d, tail
	}
	fail := false
	if q, ok := strings.CutPrefix(rest, "fail "); ok {
		fail, rest = true, q
	}
	r.Query = rest
	res, err := eng.Metrics(context.Background(), model.ScopeAll(), r)
	if fail {
		if err == nil || !strings.Contains(err.Error(), strings.Join(want, "\n")) {
			return fmt.Errorf("error %v lacks %q", err, want)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if res.Partial {
		return fmt.Errorf("partial: %s", res.Message)
	}
	var got []string
	for _, s := range res.Series {
		var parts []string
		for _, l := range s.Labels {
			parts = append(parts, l.Name+"="+l.Val.String())
		}
		line := "{" + strings.Join(parts, ", ") + "}"
		if word == "exemplars" {
			for _, e := range s.Exemplars {
				id, _ := strconv.ParseUint(e.Labels[1].Val.Str[:2], 16, 8)
				line += fmt.Sprintf(" %s/%c=%s", strings.TrimLeft(e.Labels[0].Val.Str, "0"), rune(id), digits(e.Value))
			}
			got = append(got, line)
			continue
		}
		for _, v := range s.Values {
			line += " " + digits(v)
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return nil
}

// digits rounds to 6 digits, which interpolation along exponents needs.
func digits(v float64) string {
	if math.IsNaN(v) {
		return "_"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
