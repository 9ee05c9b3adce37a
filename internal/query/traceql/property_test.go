package traceql

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// randomTraces makes n traces of up to 12 spans. Attributes are few and of
// several types, so that random conditions meet them.
func randomTraces(rnd *rand.Rand, n int) ptrace.Traces {
	td := ptrace.NewTraces()
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	for t := range n {
		begin := scriptZero.Add(time.Duration(rnd.IntN(300)) * time.Second)
		size := 1 + rnd.IntN(12)
		for i := range size {
			rs := td.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", pick("web", "db", "cart"))
			if rnd.IntN(3) == 0 {
				rs.Resource().Attributes().PutStr("x", pick("a", "b", "ab"))
			}
			ss := rs.ScopeSpans().AppendEmpty()
			if rnd.IntN(2) == 0 {
				ss.Scope().SetName(pick("lib1", "lib2"))
			}
			sp := ss.Spans().AppendEmpty()
			sp.SetTraceID(pcommon.TraceID{3: 1, 15: byte(t), 14: byte(t >> 8)})
			sp.SetSpanID(pcommon.SpanID{0: byte(i + 1)})
			switch {
			case i == 0 && rnd.IntN(8) > 0:
			case rnd.IntN(12) == 0:
				sp.SetParentSpanID(pcommon.SpanID{7: 99}) // of a span that is not stored
			case i > 0:
				sp.SetParentSpanID(pcommon.SpanID{0: byte(rnd.IntN(i) + 1)})
			}
			sp.SetName(pick("GET", "POST", "SELECT", "quote"))
			sp.SetKind(ptrace.SpanKind(rnd.IntN(6)))
			sp.Status().SetCode(ptrace.StatusCode(rnd.IntN(3)))
			if rnd.IntN(4) == 0 {
				sp.Status().SetMessage(pick("boom", "late"))
			}
			start := begin.Add(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
			sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(rnd.IntN(2000)) * time.Millisecond)))
			randomAttributes(rnd, sp.Attributes(), pick)
			if rnd.IntN(4) == 0 {
				e := sp.Events().AppendEmpty()
				e.SetName(pick("exception", "retry"))
				e.SetTimestamp(sp.StartTimestamp() + pcommon.Timestamp(rnd.IntN(1e6)))
				randomAttributes(rnd, e.Attributes(), pick)
			}
		}
	}
	return td
}

func randomAttributes(rnd *rand.Rand, m pcommon.Map, pick func(...string) string) {
	switch rnd.IntN(7) {
	case 0, 1:
		m.PutStr("x", pick("a", "b", "ab", "[a", "5"))
	case 2:
		m.PutInt("x", int64(rnd.IntN(6)))
	case 3:
		m.PutDouble("x", float64(rnd.IntN(6))/2)
	case 4:
		l := m.PutEmptySlice("x")
		for range 1 + rnd.IntN(2) {
			l.AppendEmpty().SetStr(pick("a", "b"))
		}
	}
	if rnd.IntN(2) == 0 {
		m.PutInt("n", int64(rnd.IntN(40)))
	}
	if rnd.IntN(3) == 0 {
		m.PutBool("ok", rnd.IntN(2) == 0)
	}
	if rnd.IntN(3) == 0 {
		m.PutStr("s", pick("a", "b", "c"))
	}
}

// randomCondition makes an expression that is a boolean.
func randomCondition(rnd *rand.Rand, depth int, traceWide bool) string {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	if depth > 0 && rnd.IntN(3) > 0 {
		l, r := randomCondition(rnd, depth-1, traceWide), randomCondition(rnd, depth-1, traceWide)
		switch rnd.IntN(5) {
		case 0, 1:
			return "(" + l + " && " + r + ")"
		case 2, 3:
			return "(" + l + " || " + r + ")"
		}
		return "!(" + l + ")"
	}
	cmp := func() string { return pick("=", "!=", "<", "<=", ">", ">=") }
	attr := func(name string) string { return pick("span.", ".", "resource.", "event.") + name }
	conds := []func() string{
		func() string {
			return attr("x") + " " + cmp() + " " + pick(`"a"`, `"b"`, `"ab"`, `"[\"a\"]"`, "2", "1.5")
		},
		func() string { return attr("x") + pick(" =~ ", " !~ ") + pick(`"a.*"`, `"b"`, `".*"`, `"[0-9]"`) },
		func() string { return attr(pick("x", "n", "s", "none")) + pick(" = nil", " != nil") },
		func() string { return attr("n") + " " + cmp() + " " + pick("3", "10", "20.5", "7ns") },
		func() string { return attr("n") + pick(" + 1", " * 2", " / 3", " % 4", " - .n") + " " + cmp() + " 5" },
		func() string { return pick("span.ok", "!span.ok", "span.ok = true", ".ok != true") },
		func() string {
			return `resource.service.name ` + pick("=", "!=", "=~") + ` "` + pick("web", "db", "none") + `"`
		},
		func() string {
			return "name " + pick("=", "!=", ">", "=~", "!~") + ` "` + pick("GET", "POST", "S.*") + `"`
		},
		func() string { return "status " + pick("=", "!=") + " " + pick("ok", "error", "unset") },
		func() string { return "kind " + pick("=", "!=") + " " + pick("server", "client", "internal") },
		func() string { return "duration " + cmp() + " " + pick("100ms", "1s", "0.5s * 2") },
		func() string { return "statusMessage " + pick("=", "!=") + ` "` + pick("boom", "") + `"` },
		func() string { return "event:name " + pick("=", "!=", "=~") + ` "` + pick("exception", "retry") + `"` },
		func() string { return "event:timeSinceStart " + cmp() + " 500us" },
		func() string { return "instrumentation:name " + pick(`= "lib1"`, `!= "lib1"`, `= nil`, `!= nil`) },
		func() string { return "nestedSetParent " + pick("< 0", "= -1") },
		func() string { return "span:id " + pick("=", "!=") + ` "0100000000000000"` },
		func() string {
			return "span:parentID " + pick(`= "0100000000000000"`, `!= "0100000000000000"`, "= nil", "!= nil")
		},
		func() string { return pick("true", "false", "kind != nil", "5 > 3") },
	}
	wide := []func() string{
		func() string {
			return "rootName " + pick("=", "!=", "=~", "!~") + ` "` + pick("GET", "P.*", ".*") + `"`
		},
		func() string { return "rootServiceName " + pick("=", "!=", ">") + ` "web"` },
		func() string { return "parent.x " + pick("=", "!=", "<") + pick(` "a"`, " 2") },
		func() string { return "parent.name " + pick("=", "=~") + ` "GET"` },
		func() string { return "trace:duration " + cmp() + " 2s" },
		func() string { return "span:childCount " + cmp() + " 1" },
		func() string { return "parent.n " + cmp() + " 10" },
		func() string { return "nestedSetLeft " + cmp() + " 3" },
		func() string { return `trace:id != "00000001000000000000000000000001"` },
	}
	if traceWide && rnd.IntN(4) == 0 {
		return wide[rnd.IntN(len(wide))]()
	}
	return conds[rnd.IntN(len(conds))]()
}

func randomSpansets(rnd *rand.Rand, depth int) string {
	if depth > 0 && rnd.IntN(2) == 0 {
		ops := slices.Sorted(maps.Keys(spansetOps))
		return "(" + randomSpansets(rnd, depth-1) + ") " + ops[rnd.IntN(len(ops))] + " (" + randomSpansets(rnd, depth-1) + ")"
	}
	if rnd.IntN(10) == 0 {
		return "{ }"
	}
	return "{ " + randomCondition(rnd, 2, true) + " }"
}

// everything reads all traces of a store without any predicate.
func everything(t *testing.T, eng *Engine) (*reader, []*Trace) {
	t.Helper()
	r := &reader{e: eng, ctx: context.Background(), scope: model.ScopeAll()}
	for _, name := range []string{"x", "n", "s", "ok", "none"} {
		for _, s := range []Scope{ScopeNone, ScopeEvent} {
			r.cols.attribute(&Attribute{Scope: s, Name: name})
		}
	}
	for _, canon := range intrinsics {
		r.cols.attribute(&Attribute{Scope: ScopeIntrinsic, Name: canon})
	}
	r.cols.attribute(&Attribute{Scope: ScopeResource, Name: "service.name"})
	r.cols.add(store.Col(store.ColTraceState))
	ids := map[string]bool{}
	lo, hi := scriptZero.Add(-time.Hour).UnixNano(), scriptZero.Add(time.Hour).UnixNano()
	if _, err := eng.o.Store.Scan(context.Background(), model.ScopeAll(), store.ScanRequest{From: lo, To: hi, Columns: []store.ColumnRef{store.Col(store.ColTraceID)}}, func(b *store.Batch) error {
		for i := range b.N {
			ids[strings.Clone(b.Cols[0].Str(i))] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	traces, _, err := r.read(slices.Sorted(maps.Keys(ids)), lo, hi)
	if err != nil {
		t.Fatal(err)
	}
	return r, traces
}

// TestSearchEqualsNaive compares what the pushed-down search finds with the
// evaluation of the query on every trace there is.
func TestSearchEqualsNaive(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(11, 12))
			s := open(t)
			for range 4 {
				if _, err := s.AppendTraces(context.Background(), model.ScopeAll(), randomTraces(rnd, 20)); err != nil {
					t.Fatal(err)
				}
			}
			eng, err := New(Options{Store: s})
			if err != nil {
				t.Fatal(err)
			}
			r, traces := everything(t, eng)
			matched := 0
			for range 400 {
				q := randomSpansets(rnd, 2)
				switch rnd.IntN(5) {
				case 0:
					q += " | count() > 1"
				case 1:
					q += " | { " + randomCondition(rnd, 1, true) + " }"
				case 2:
					q += " | by(name) | " + []string{"avg", "sum", "min", "max"}[rnd.IntN(4)] + "(span.n) >= 10"
				}
				pipe, err := Parse(q)
				if err != nil {
					continue // types that can never meet
				}
				var want []string
				for _, tr := range traces {
					ev := &evaluator{cols: &r.cols, trace: tr}
					if sets := ev.run(pipe); len(sets) > 0 {
						want = append(want, describe(hexText(tr.ID), sets))
					}
				}
				res, err := eng.Search(context.Background(), model.ScopeAll(), Request{
					Query: q, Start: scriptZero.Add(-time.Hour), End: scriptZero.Add(time.Hour), Limit: 1000, Spss: 1000,
				})
				if err != nil || res.Partial {
					t.Fatal(q, err, res.Partial)
				}
				var got []string
				for _, f := range res.Traces {
					line := f.TraceID
					for _, set := range f.Sets {
						line += " |"
						for _, sp := range set.Spans {
							line += " " + sp.ID
						}
					}
					got = append(got, line)
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("%s\n got %v\nwant %v", q, got, want)
				}
				matched += len(want)
			}
			if matched < 1000 {
				t.Errorf("only %d traces matched: the comparison proves little", matched)
			}
		})
	}
}

func describe(id string, sets []Spanset) string {
	for _, s := range sets {
		id += " |"
		for _, sp := range s.Spans {
			id += " " + hexText(sp.ID)
		}
	}
	return id
}

// headWeights is what some tracestates say a span stands for.
var headWeights = map[string]float64{"": 1, "vendor=x": 1, "ot=th:8": 2, "a=b,ot=rv:1;th:c": 4}

// headSampled gives some spans a tracestate.
func headSampled(rnd *rand.Rand, td ptrace.Traces) {
	states := slices.Sorted(maps.Keys(headWeights))
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				if rnd.IntN(2) == 0 {
					sp.TraceState().FromRaw(states[rnd.IntN(len(states))])
				}
			}
		}
	}
}

// naiveMetrics evaluates a metrics query span by span.
func naiveMetrics(r *reader, traces []*Trace, p *MetricsPipeline, w window, weigh func(*Trace, *Span) float64) map[string][]float64 {
	type value struct{ v, weight float64 }
	vals := map[string][][]value{}
	buckets := map[string]bool{}
	for _, tr := range traces {
		ev := &evaluator{cols: &r.cols, trace: tr}
		for _, set := range ev.run(p.Pipe) {
			for _, sp := range set.Spans {
				if sp.Start <= w.start || sp.Start > w.end {
					continue
				}
				k := int((sp.Start - w.start - 1) / w.step)
				key := ""
				for _, a := range p.Agg.By {
					key += labelName(a) + "=" + ev.attribute(a, sp)[0].String() + ","
				}
				v := 1.0
				if p.Agg.Attr != nil {
					x := ev.attribute(p.Agg.Attr, sp)[0]
					n, ok := x.number()
					if !ok {
						continue
					}
					v = n
					switch p.Agg.Op {
					case "histogram_over_time":
						if x.Type != TypeFloat && n < 2 || n <= 0 {
							continue
						}
						end := math.Pow(2, math.Ceil(math.Log2(n)))
						if x.Type != TypeFloat {
							end = float64(uint64(1) << bits.Len64(uint64(n)-1))
						}
						if isDuration(p.Agg.Attr) {
							end /= 1e9
						}
						key += fmt.Sprint("le=", end)
						buckets[key] = true
					default:
						if isDuration(p.Agg.Attr) {
							v /= 1e9
						}
					}
				}
				if vals[key] == nil {
					vals[key] = make([][]value, w.steps())
				}
				vals[key][k] = append(vals[key][k], value{v, weigh(tr, sp)})
			}
		}
	}
	if len(vals) == 0 && len(p.Agg.By) == 0 && p.Agg.Attr == nil {
		vals[""] = make([][]value, w.steps())
	}
	out := map[string][]float64{}
	for key, steps := range vals {
		line := make([]float64, len(steps))
		for k, list := range steps {
			n, sum, smallest, largest := 0.0, 0.0, math.Inf(1), math.Inf(-1)
			for _, x := range list {
				n += x.weight
				sum += x.v * x.weight
				smallest, largest = min(smallest, x.v), max(largest, x.v)
			}
			switch {
			case p.Agg.Op == "rate":
				line[k] = n / (float64(w.step) / 1e9)
			case p.Agg.Op == "count_over_time" || p.Agg.Op == "histogram_over_time":
				line[k] = n
			case len(list) == 0:
				line[k] = math.NaN()
			case p.Agg.Op == "min_over_time":
				line[k] = smallest
			case p.Agg.Op == "max_over_time":
				line[k] = largest
			case p.Agg.Op == "avg_over_time":
				line[k] = sum / n
			default:
				line[k] = sum
			}
		}
		out[key] = line
	}
	return out
}

// TestMetricsEqualNaive compares aggregation inside of the scan, and over whole
// traces, with a direct evaluation.
func TestMetricsEqualNaive(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(21, 22))
			s := &weighted{open(t), map[string]float64{}}
			for range 3 {
				td := randomTraces(rnd, 25)
				headSampled(rnd, td)
				if _, err := s.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
					t.Fatal(err)
				}
			}
			eng, err := New(Options{Store: s})
			if err != nil {
				t.Fatal(err)
			}
			r, traces := everything(t, eng)
			pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
			points := 0
			for i := range 450 {
				switch i { // Sampling has decided about nothing, then about some, then about all alike.
				case 150:
					for _, tr := range traces {
						for _, sp := range tr.Spans {
							if rnd.IntN(3) > 0 {
								s.weights[tr.ID+sp.ID] = 1 + 20*rnd.Float64()
							}
						}
					}
				case 350:
					for _, tr := range traces {
						for _, sp := range tr.Spans {
							s.weights[tr.ID+sp.ID] = 2.5
						}
					}
				}
				q := "{ " + randomCondition(rnd, 2, rnd.IntN(3) == 0) + " }"
				if rnd.IntN(4) == 0 {
					q = randomSpansets(rnd, 1)
				}
				q += " | " + pick("rate()", "count_over_time()", "min_over_time(duration)", "max_over_time(span.n)", "avg_over_time(.n)",
					"sum_over_time(span.x)", "histogram_over_time(duration)", "histogram_over_time(span.n)", "histogram_over_time(span.x)", "max_over_time(trace:duration)")
				q += pick("", " by (name)", " by (.x)", " by (span.x, status)", " by (resource.service.name, kind)", " by (rootName)", " by (span.ok, event:name)", " by (instrumentation:name, statusMessage)", " by (span:parentID)")
				weigh := func(tr *Trace, sp *Span) float64 {
					if x := s.weights[tr.ID+sp.ID]; x > 0 {
						return x
					}
					return headWeights[r.cols.value(sp, store.Col(store.ColTraceState)).Str]
				}
				if rnd.IntN(8) == 0 {
					q += " with (extrapolate=false)"
					weigh = func(*Trace, *Span) float64 { return 1 }
				}
				parsed, err := ParseQuery(q)
				if err != nil {
					continue
				}
				req := MetricsRequest{Query: q, Start: scriptZero.Add(30 * time.Second), End: scriptZero.Add(250 * time.Second), Step: time.Duration(10+rnd.IntN(60)) * time.Second, Instant: rnd.IntN(5) == 0}
				w, err := req.window()
				if err != nil {
					t.Fatal(err)
				}
				want := naiveMetrics(r, traces, parsed.Metrics.(*MetricsPipeline), w, weigh)
				res, err := eng.Metrics(context.Background(), model.ScopeAll(), req)
				if err != nil || res.Partial {
					t.Fatal(q, err, res.Message)
				}
				points += compareMetrics(t, q, parsed.Metrics.(*MetricsPipeline).Agg, res, want)
			}
			if points < 1000 {
				t.Errorf("only %d points were compared", points)
			}
		})
	}
}

func compareMetrics(t *testing.T, q string, a *MetricsAgg, res MetricsResult, want map[string][]float64) int {
	t.Helper()
	points := 0
	seen := map[string]bool{}
	for _, s := range res.Series {
		key := ""
		for _, by := range a.By {
			v := Static{}
			for _, l := range s.Labels {
				if l.Name == labelName(by) {
					v = l.Val
				}
			}
			key += labelName(by) + "=" + v.String() + ","
		}
		if a.Op == "histogram_over_time" {
			key += fmt.Sprint("le=", s.Labels[len(s.Labels)-1].Val.Flt)
		}
		seen[key] = true
		line := want[key]
		if len(line) != len(s.Values) {
			t.Fatalf("%s\nunexpected series %q %v; want %v", q, key, s.Values, want)
		}
		for k, v := range s.Values {
			if math.IsNaN(v) != math.IsNaN(line[k]) || math.Abs(v-line[k]) > 1e-9*math.Max(1, math.Abs(v)) {
				t.Fatalf("%s\nseries %q step %d: %v, want %v", q, key, k, v, line[k])
			}
			points++
		}
		for _, e := range s.Exemplars {
			if len(e.Labels) != 2 || math.IsNaN(e.Value) {
				t.Fatalf("%s: exemplar %+v", q, e)
			}
		}
	}
	for key, line := range want {
		if !seen[key] && slices.ContainsFunc(line, func(v float64) bool { return !math.IsNaN(v) }) {
			t.Fatalf("%s\nseries %q is missing", q, key)
		}
	}
	return points
}
