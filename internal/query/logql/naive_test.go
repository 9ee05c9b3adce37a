package logql

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// naiveRow is a pushed line as the language sees it.
type naiveRow struct {
	ts     int64
	line   string
	stream map[string]string
	meta   map[string]string
}

// naive evaluates queries row by row, without any store, plan or push-down: every
// stage runs on every line with all its labels, and windows are compared by their
// definition. It does binary operations and aggregations step by step.
type naive struct{ rows []naiveRow }

// pipe sends a row through a pipeline; nil when it is dropped.
func (n *naive) pipe(r naiveRow, l *LogExpr, stages []lineStage) *lineLabels {
	for _, m := range l.Matchers {
		if !m.Matches(r.stream[m.Name]) {
			return nil
		}
	}
	b := &lineLabels{}
	b.reset(r.ts, r.line)
	for _, k := range slices.Sorted(maps.Keys(r.stream)) {
		b.addBase(k, r.stream[k], catStream)
	}
	for _, k := range slices.Sorted(maps.Keys(r.meta)) {
		b.addBase(k, r.meta[k], catMeta)
	}
	for _, s := range stages {
		if !s(b) {
			return nil
		}
	}
	return b
}

func compileAll(l *LogExpr) []lineStage {
	var out []lineStage
	for _, s := range l.Stages {
		out = append(out, compileStage(s))
	}
	return out
}

// logs are the first limit lines in [from, to), sorted.
func (n *naive) logs(l *LogExpr, r Request) []string {
	var out []string
	stages := compileAll(l)
	for _, row := range n.rows {
		if row.ts < r.Start.UnixNano() || row.ts >= r.End.UnixNano() {
			continue
		}
		if b := n.pipe(row, l, stages); b != nil {
			out = append(out, fmt.Sprintf("%d %s %s", row.ts, b.labels(nil), b.line))
		}
	}
	slices.Sort(out) // all times have the same number of digits
	switch {
	case r.Limit == 0 || len(out) <= r.Limit:
	case r.Forward:
		out = out[:r.Limit]
	default:
		out = out[len(out)-r.Limit:]
	}
	return out
}

var errNaive = errors.New("pipeline error")

// vector evaluates an expression at one time: labels to value.
func (n *naive) vector(e Expr, t int64) (map[string]float64, error) {
	switch e := e.(type) {
	case *RangeAgg:
		return n.window(e, t)
	case *VectorAgg:
		// Loki lets a sum of sums see the lines' labels, an unwrapped one too.
		if r, g, ok := fusible(e); ok && r.Unwrap != nil && len(g.Labels) > 0 {
			inner := *r
			inner.Grouping = g
			in, err := n.window(&inner, t)
			if err != nil {
				return nil, err
			}
			return in, nil
		}
		in, err := n.vector(e.Expr, t)
		if err != nil {
			return nil, err
		}
		groups := map[string][]float64{}
		for k, v := range in {
			g := groupLabels(parseLabels(k), groupingOf(e)).String()
			groups[g] = append(groups[g], v)
		}
		out := map[string]float64{}
		for g, vals := range groups {
			out[g] = naiveFold(e.Op, vals)
		}
		return out, nil
	case *BinOp:
		lit := e.Rght.(*Literal).Val
		in, err := n.vector(e.Left, t)
		if err != nil {
			return nil, err
		}
		out := map[string]float64{}
		for k, v := range in {
			switch {
			case e.Op == "*":
				out[k] = v * lit
			case e.Op == ">" && v > lit:
				out[k] = v
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("naive: %T", e)
}

func groupingOf(e *VectorAgg) *Grouping {
	if e.Grouping == nil {
		return &Grouping{}
	}
	return e.Grouping
}

// parseLabels reads what labels.Labels.String wrote.
func parseLabels(s string) labels.Labels { return ParseStream(s) }

func naiveFold(op string, vals []float64) float64 {
	sum := 0.0
	for _, v := range vals {
		sum += v
	}
	mean := sum / float64(len(vals))
	switch op {
	case "sum":
		return sum
	case "avg":
		return mean
	case "min":
		return slices.Min(vals)
	case "max":
		return slices.Max(vals)
	case "count":
		return float64(len(vals))
	case "stdvar":
		m2 := 0.0
		for _, v := range vals {
			m2 += (v - mean) * (v - mean)
		}
		return m2 / float64(len(vals))
	}
	panic(op)
}

// window evaluates a range aggregation over (t-offset-range, t-offset].
func (n *naive) window(a *RangeAgg, t int64) (map[string]float64, error) {
	end := t - int64(a.Offset)
	type sample struct {
		ts    int64
		val   float64
		bytes float64
	}
	groups := map[string][]sample{}
	stages := compileAll(a.Log)
	for _, r := range n.rows {
		if r.ts <= end-int64(a.Range) || r.ts > end {
			continue
		}
		b := n.pipe(r, a.Log, stages)
		if b == nil {
			continue
		}
		s := sample{ts: r.ts, bytes: float64(len(b.line))}
		drop := []string{}
		if u := a.Unwrap; u != nil {
			v, ok := u.sample(b)
			if !ok {
				continue
			}
			s.val = v
			if a.Grouping == nil || a.Grouping.Without {
				drop = append(drop, u.Label) // by(…) may ask for it
			}
		}
		if b.err != "" {
			return nil, errNaive
		}
		ls := labels.NewBuilder(b.labels(nil)).Del(drop...).Labels().WithoutEmpty()
		if a.Grouping != nil {
			ls = groupLabels(ls, a.Grouping)
		}
		groups[ls.String()] = append(groups[ls.String()], s)
	}
	out := map[string]float64{}
	for k, in := range groups {
		slices.SortStableFunc(in, func(x, y sample) int { return int(x.ts - y.ts) })
		vals := make([]float64, len(in))
		bytes := 0.0
		for i, s := range in {
			vals[i] = s.val
			bytes += s.bytes
		}
		secs := a.Range.Seconds()
		switch a.Op {
		case "count_over_time":
			out[k] = float64(len(in))
		case "rate":
			out[k] = float64(len(in)) / secs
			if a.Unwrap != nil {
				out[k] = naiveFold("sum", vals) / secs
			}
		case "bytes_over_time":
			out[k] = bytes
		case "bytes_rate":
			out[k] = bytes / secs
		case "first_over_time":
			out[k] = vals[0]
		case "last_over_time":
			out[k] = vals[len(vals)-1]
		case "quantile_over_time":
			slices.Sort(vals)
			rank := *a.Param * float64(len(vals)-1)
			lo := int(rank)
			hi := min(lo+1, len(vals)-1)
			out[k] = vals[lo] + (vals[hi]-vals[lo])*(rank-float64(lo))
		default:
			out[k] = naiveFold(strings.TrimSuffix(a.Op, "_over_time"), vals)
		}
	}
	return out, nil
}

// random picks an element.
func pick[T any](rnd *rand.Rand, list ...T) T { return list[rnd.IntN(len(list))] }

// naiveData makes lines of every kind that parsers know, some of which cannot be
// parsed, in a few streams with metadata. Times are all different, so that first and
// last are defined.
func naiveData(rnd *rand.Rand, n int) []naiveRow {
	var out []naiveRow
	for i := range n {
		r := naiveRow{
			ts:     scriptZero.UnixNano() + int64(i)*int64(time.Second) + rnd.Int64N(9e8),
			stream: map[string]string{"app": pick(rnd, "a", "b", "c")},
			meta:   map[string]string{"detected_level": "unknown"},
		}
		if rnd.IntN(2) == 0 {
			r.stream["env"] = pick(rnd, "prod", "dev")
		}
		if rnd.IntN(2) == 0 {
			r.meta["user"] = pick(rnd, "u1", "u2", "7", "")
		}
		if rnd.IntN(3) == 0 {
			r.meta["status"] = pick(rnd, "200", "500", "abc")
		}
		if rnd.IntN(2) == 0 {
			r.meta["code"] = pick(rnd, "200", "404", "500") // stored as integers
		}
		if rnd.IntN(2) == 0 {
			r.meta["mixed"] = pick(rnd, "7", "404", "text") // integers and texts
		}
		if rnd.IntN(3) == 0 {
			r.meta["trace_id"] = strings.Repeat(pick(rnd, "0a", "1b"), 16)
		}
		status, took, msg := pick(rnd, "200", "404", "500"), rnd.IntN(50), pick(rnd, "hello", "Hello world", "it failed", "x")
		switch rnd.IntN(5) {
		case 0:
			r.line = fmt.Sprintf(`{"status":%s,"msg":%q,"took":"%dms","in":{"n":%d},"env":"json"}`, status, msg, took, rnd.IntN(3))
		case 1, 2:
			r.line = fmt.Sprintf(`status=%s msg=%q took=%dms n=%d env=logfmt`, status, msg, took, rnd.IntN(3))
		case 3:
			r.line = fmt.Sprintf(`10.0.%d.%d GET /%s %s`, rnd.IntN(2), rnd.IntN(3), msg, status)
		default:
			r.line = pick(rnd, "", "not parsed", "error 500", "ERROR: "+msg)
		}
		if r.meta["user"] == "" {
			delete(r.meta, "user")
		}
		out = append(out, r)
	}
	return out
}

func naiveSelector(rnd *rand.Rand) string {
	return pick(rnd, `{app="a"}`, `{app=~"a|b"}`, `{app=~".+"}`, `{app=~".+", env="prod"}`, `{app!="c", app=~".+"}`, `{app=~".+", env=""}`,
		`{app=~"[ab]", env!~"pr.*"}`, `{app=~".+", env=~"prod|"}`, `{app=~"a.*"}`, `{app=~".+", env!=""}`)
}

func naiveStages(rnd *rand.Rand) string {
	out := ""
	for range rnd.IntN(4) {
		out += " " + pick(rnd,
			`|= "500"`, `!= "500"`, `|~ "hello|failed"`, `|~ "(?i)HELLO"`, `!~ "sta.us=4"`, `|~ "status=[45]0[04]"`, `|~ ".*failed.*"`, `|= "hello" or "x"`, `!= "hello" or "GET"`,
			`|> "<_> GET <_>"`, `!> "10.<_>"`, `|= ip("10.0.1.0/24")`, `!= ip("10.0.0.1")`, `|~ "fail(ed|ure)"`, `|~ "^(GET|10)"`, `|~ "1. GET"`,
			`| json`, `| logfmt`, `| json s="status", deep="in.n"`, `| logfmt s="status"`, `| pattern "<ip> <_> /<path> <code>"`, `| regexp "(?P<num>\\d+)"`, `| unpack`, `| decolorize`,
			`| user="u1"`, `| user!=""`, `| user=~"u.*"`, `| user!~"u1|7"`, `| status="500"`, `| status!="abc"`, `| status=~"2..|5.."`, `| detected_level="unknown"`,
			`| user="u1" or status="500"`, `| user="u2" and app="a"`, `| (env="prod" or env="") and app!="b"`, `| status >= 400`, `| user > 5 or app="a"`, `| took > 20ms`, `| n = 1`, `| ip=ip("10.0.0.0/24")`,
			`| __error__=""`, `| drop __error__=~".+"`, `| drop user, status="500"`, `| keep app, status, msg=~".+"`, `| label_format st=status`, `| label_format x="{{.app}}-{{.status}}"`, `| line_format "{{.msg}}!"`, `| line_format "{{.app}} {{__line__}}"`,
			`| code >= 404`, `| code = 404`, `| code != 200`, `| code < 404.5`, `| code > 200 and code < 500`, `| code = 200 or user="u1"`, `| code="404"`, `| code=~"404|500"`, `| code!~"4.."`, `| code!=""`, `| code > 1s`,
			`| mixed > 7`, `| mixed = 404`, `| mixed != 7`, `| mixed="7"`, `| mixed=~"7|text"`, `| mixed=""`, `| trace_id="0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"`, `| trace_id=""`, `| trace_id=~"0a.*"`, `| trace_id!="1B"`,
			`| status_extracted="500"`, `| env_extracted!=""`, `| s="500"`, `| deep="1"`)
	}
	return out
}

func naiveRange(rnd *rand.Rand) string {
	sel, stages := naiveSelector(rnd), naiveStages(rnd)
	rng := pick(rnd, "[10s]", "[30s]", "[60s]", "[45s]", "[7s]") + pick(rnd, "", "", " offset 20s", " offset -15s")
	if rnd.IntN(2) == 0 {
		return pick(rnd, "count_over_time", "rate", "bytes_over_time", "bytes_rate") + "(" + sel + stages + rng + ")"
	}
	unwrap := pick(rnd, ` | logfmt | unwrap n`, ` | logfmt | unwrap duration(took)`, ` | json | unwrap in_n`, ` | unwrap status | __error__=""`, ` | logfmt | unwrap status_extracted | __error__=""`, ` | regexp "(?P<v>\\d+)" | unwrap v | v < 300`)
	op, param, by := pick(rnd, "sum", "avg", "min", "max", "first", "last", "stdvar", "rate", "quantile"), "", pick(rnd, "", " by (app)", " by (app, status)", " by (user)", " without (msg, user, took)")
	switch op {
	case "quantile":
		param = pick(rnd, "0.5, ", "0.9, ", "0, ", "1, ")
	case "rate":
		return "rate(" + sel + stages + unwrap + rng + ")"
	case "sum":
		by = ""
	}
	return op + "_over_time(" + param + sel + stages + unwrap + rng + ")" + by
}

func naiveMetric(rnd *rand.Rand) string {
	q := naiveRange(rnd)
	if rnd.IntN(4) > 0 {
		q = pick(rnd, "sum", "avg", "min", "max", "count", "stdvar") + pick(rnd, "", " by (app)", " by (app, env)", " by (user, status)", " by (code)", " by (mixed, trace_id)", " by (msg)", " by (status_extracted)", " without (user, msg, took, status, n)") + " (" + q + ")"
	}
	return q + pick(rnd, "", "", " * 2", " > 1.2345")
}

func naivePush(t *testing.T, s store.LogStore, rows []naiveRow) {
	t.Helper()
	ld := plog.NewLogs()
	for _, r := range rows {
		rl := ld.ResourceLogs().AppendEmpty()
		for k, v := range r.stream {
			rl.Resource().Attributes().PutStr(k, v)
		}
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("loki")
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(r.ts))
		lr.Body().SetStr(r.line)
		for k, v := range r.meta {
			num, err := strconv.ParseInt(v, 10, 64)
			switch {
			case k == "detected_level":
			case k == "trace_id":
				var id pcommon.TraceID
				if _, err := hex.Decode(id[:], []byte(v)); err != nil {
					t.Fatal(err)
				}
				lr.SetTraceID(id)
			case err == nil && (k == "code" || k == "mixed"):
				lr.Attributes().PutInt(k, num)
			default:
				lr.Attributes().PutStr(k, v)
			}
		}
	}
	if _, err := s.AppendLogs(context.Background(), model.ScopeAll(), ld); err != nil {
		t.Fatal(err)
	}
}

// TestNaive compares random queries on random lines: pushed down to each store, and
// row by row.
func TestNaive(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(11, 5))
			failed, answered := 0, 0
			for range 4 {
				n := &naive{rows: naiveData(rnd, 150)}
				s := open(t)
				naivePush(t, s, n.rows[:70])
				naivePush(t, s, n.rows[70:])
				eng, err := New(Options{Store: s, MaxSeries: 10_000})
				if err != nil {
					t.Fatal(err)
				}
				for range 150 {
					if n.compareLogs(t, eng, rnd, naiveSelector(rnd)+naiveStages(rnd)) {
						answered++
					}
					if n.compareMetric(t, eng, rnd, naiveMetric(rnd)) {
						answered++
					} else {
						failed++
					}
					if t.Failed() {
						return
					}
				}
			}
			t.Logf("%d answers with values, %d without or with an error", answered, failed)
			if answered < 300 {
				t.Errorf("only %d queries had an answer to compare", answered)
			}
		})
	}
}

// withoutService leaves out the label that stores add to streams with app.
func withoutService(ls labels.Labels) labels.Labels {
	return labels.NewBuilder(ls).Del("service_name").Labels()
}

func (n *naive) compareLogs(t *testing.T, eng *Engine, rnd *rand.Rand, query string) bool {
	from := scriptZero.UnixNano() + rnd.Int64N(60e9)
	to := from + rnd.Int64N(120e9) + 1
	l, err := ParseLog(query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return false
	}
	r := Request{Query: query, Start: time.Unix(0, from), End: time.Unix(0, to), Limit: pick(rnd, 0, 1, 3, 25), Forward: rnd.IntN(2) == 0}
	res, err := eng.Range(context.Background(), model.ScopeAll(), r)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return false
	}
	got := []string{}
	for _, s := range res.Streams {
		for _, e := range s.Entries {
			var all []labels.Label
			for _, part := range []labels.Labels{withoutService(s.Labels), e.Metadata, e.Parsed} {
				part.Range(func(l labels.Label) { all = append(all, l) })
			}
			got = append(got, fmt.Sprintf("%d %s %s", e.Ts, labels.New(all...), e.Line))
		}
	}
	slices.Sort(got)
	want := n.logs(l, r)
	if !slices.Equal(got, want) {
		t.Errorf("%s limit %d forward %v\n got %d\n%s\nwant %d\n%s", query, r.Limit, r.Forward, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
	return len(want) > 0
}

// compareMetric tells whether there was an answer with values. The fast path may
// answer where the naive one fails, because it leaves out stages that nothing reads.
func (n *naive) compareMetric(t *testing.T, eng *Engine, rnd *rand.Rand, query string) bool {
	start, step := scriptZero.UnixNano()+rnd.Int64N(50e9), int64(pick(rnd, 5, 10, 30))*1e9
	end := start + step*rnd.Int64N(6)
	e, err := Parse(query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return false
	}
	res, err := eng.Range(context.Background(), model.ScopeAll(), Request{Query: query, Start: time.Unix(0, start), End: time.Unix(0, end), Step: time.Duration(step)})
	want := map[string]float64{}
	for ts := start; ts <= end; ts += step {
		v, nerr := n.vector(e, ts)
		if nerr != nil {
			return false
		}
		for k, x := range v {
			want[fmt.Sprintf("%s %d", k, ts)] = x
		}
	}
	if err != nil {
		t.Errorf("%s: %v, but the naive evaluation has %v", query, err, want)
		return false
	}
	got := map[string]float64{}
	for _, s := range res.Series {
		for k, v := range s.Values {
			if !plan.IsAbsent(v) {
				got[fmt.Sprintf("%s %d", withoutService(s.Labels).WithoutEmpty(), start+int64(k)*step)] = v
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s at %d..%d step %d\n got %v\nwant %v", query, start, end, step, got, want)
		return false
	}
	for k, v := range want {
		if g, ok := got[k]; !ok || math.Abs(g-v) > 1e-9*math.Max(1, math.Abs(v)) {
			t.Errorf("%s at %d..%d step %d\n%s: got %v, want %v", query, start, end, step, k, g, v)
			return false
		}
	}
	return len(want) > 0
}
