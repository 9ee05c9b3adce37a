package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/query/traceql"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/tracestore"
)

var now = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

const traceHex = "0a0000000000000000000000000000ff"

type fixture struct {
	t     *testing.T
	mux   *http.ServeMux
	scope model.Scope
	links error // what the dependencies fail with
}

// fill stores two traces: one of gateway and match, where match fails with an
// exception and a link, and one of driver whose parent is missing.
func fill(t *testing.T, mem store.TraceStore) {
	t.Helper()
	td := ptrace.NewTraces()
	add := func(service string, trace pcommon.TraceID, id, parent byte, name string, start, d time.Duration) ptrace.Span {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		rs.Resource().Attributes().PutInt("pid", 7)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("lib")
		ss.Scope().SetVersion("1.0")
		sp := ss.Spans().AppendEmpty()
		sp.SetTraceID(trace)
		sp.SetSpanID(pcommon.SpanID{7: id})
		if parent != 0 {
			sp.SetParentSpanID(pcommon.SpanID{7: parent})
		}
		sp.SetName(name)
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(start)))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(start + d)))
		return sp
	}
	one, two := pcommon.TraceID{0x0a, 15: 0xff}, pcommon.TraceID{15: 2}
	root := add("gateway", one, 1, 0, "GET /rides", -time.Minute, 1500*time.Millisecond)
	root.SetKind(ptrace.SpanKindServer)
	root.Status().SetCode(ptrace.StatusCodeOk)
	root.Attributes().PutInt("http.status_code", 503)
	root.Attributes().PutDouble("ratio", 0.5)
	root.Attributes().PutBool("cached", true)
	root.Attributes().PutInt("big", 1<<60)
	root.Attributes().PutEmptyBytes("raw").FromRaw([]byte{1, 2})
	root.Attributes().PutEmptySlice("list").AppendEmpty().SetStr("x")
	child := add("match", one, 2, 1, "match", -59*time.Second, 20*time.Millisecond)
	child.SetKind(ptrace.SpanKindClient)
	child.Status().SetCode(ptrace.StatusCodeError)
	child.Status().SetMessage("boom")
	child.TraceState().FromRaw("a=b")
	e := child.Events().AppendEmpty()
	e.SetName("exception")
	e.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-58 * time.Second)))
	e.Attributes().PutStr("exception.type", "Timeout")
	l := child.Links().AppendEmpty()
	l.SetTraceID(two)
	l.SetSpanID(pcommon.SpanID{7: 9})
	add("driver", two, 3, 9, "locate", -30*time.Second, 10*time.Millisecond)
	if _, err := mem.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
		t.Fatal(err)
	}
}

func newFixture(t *testing.T) *fixture {
	mem, err := tracestore.Open(columnar.Options{FS: vfs.NewMem(), Dir: "traces", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mem.Close() })
	fill(t, mem)
	eng, err := traceql.New(traceql.Options{Store: mem})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, mux: http.NewServeMux(), scope: model.ScopeAll()}
	api, err := New(Options{
		Engine: eng, Store: mem, Scope: func(*http.Request) model.Scope { return f.scope }, Now: func() time.Time { return now },
		Dependencies: func(_ *http.Request, from, to time.Time) ([]Link, error) {
			if to.Sub(from) != 24*time.Hour {
				return nil, errors.New("another lookback")
			}
			return []Link{{"gateway", "match", 5}, {"match", "driver", 3}}, f.links
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	api.Register(f.mux)
	return f
}

func (f *fixture) get(path string, params ...string) (int, string) {
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	r := httptest.NewRequest("GET", "/jaeger/api/"+path+"?"+v.Encode(), nil)
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func (f *fixture) expect(path, want string, params ...string) {
	f.t.Helper()
	if _, got := f.get(path, params...); got != want {
		f.t.Errorf("%s %v\n got %s\nwant %s", path, params, got, want)
	}
}

func TestNames(t *testing.T) {
	f := newFixture(t)
	f.expect("services", `{"data":["driver","gateway","match"],"total":3,"limit":0,"offset":0,"errors":null}`)
	f.expect("services/gateway/operations", `{"data":["GET /rides"],"total":1,"limit":0,"offset":0,"errors":null}`)
	f.expect("services/nobody/operations", `{"data":[],"total":0,"limit":0,"offset":0,"errors":null}`)
	f.expect("operations", `{"data":[{"name":"match","spanKind":"client"}],"total":1,"limit":0,"offset":0,"errors":null}`, "service", "match")
	f.expect("operations", `{"data":[],"total":0,"limit":0,"offset":0,"errors":null}`, "service", "match", "spanKind", "server")
	f.expect("operations", `{"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":400,"msg":"parameter 'service' is required"}]}`)
	f.expect("v3/services", `{"services":["driver","gateway","match"]}`)
	f.expect("v3/operations", `{"operations":[{"name":"locate","spanKind":"internal"}]}`, "service", "driver")
	f.expect("v3/operations", `{"operations":[{"name":"match","spanKind":"client"}]}`, "service", "match", "span_kind", "client")
}

const tidyTrace = `{"traceID":"0a0000000000000000000000000000ff","spans":[` +
	`{"traceID":"0a0000000000000000000000000000ff","spanID":"0000000000000001","operationName":"GET /rides","references":[],"startTime":1767322740000000,"duration":1500000,` +
	`"tags":[{"key":"otel.scope.name","type":"string","value":"lib"},{"key":"otel.scope.version","type":"string","value":"1.0"},{"key":"big","type":"int64","value":"1152921504606846976"},` +
	`{"key":"cached","type":"bool","value":true},{"key":"http.status_code","type":"int64","value":503},{"key":"list","type":"string","value":"[\"x\"]"},{"key":"ratio","type":"float64","value":0.5},` +
	`{"key":"raw","type":"binary","value":"AQI="},{"key":"span.kind","type":"string","value":"server"},{"key":"otel.status_code","type":"string","value":"OK"}],` +
	`"logs":[],"processID":"p1","warnings":null},` +
	`{"traceID":"0a0000000000000000000000000000ff","spanID":"0000000000000002","operationName":"match",` +
	`"references":[{"refType":"CHILD_OF","traceID":"0a0000000000000000000000000000ff","spanID":"0000000000000001"},{"refType":"FOLLOWS_FROM","traceID":"0000000000000002","spanID":"0000000000000009"}],` +
	`"startTime":1767322741000000,"duration":20000,"tags":[{"key":"otel.scope.name","type":"string","value":"lib"},{"key":"otel.scope.version","type":"string","value":"1.0"},{"key":"span.kind","type":"string","value":"client"},` +
	`{"key":"otel.status_code","type":"string","value":"ERROR"},{"key":"error","type":"bool","value":true},{"key":"otel.status_description","type":"string","value":"boom"},{"key":"w3c.tracestate","type":"string","value":"a=b"}],` +
	`"logs":[{"timestamp":1767322742000000,"fields":[{"key":"event","type":"string","value":"exception"},{"key":"exception.type","type":"string","value":"Timeout"}]}],"processID":"p2","warnings":null}],` +
	`"processes":{"p1":{"serviceName":"gateway","tags":[{"key":"pid","type":"int64","value":7}]},"p2":{"serviceName":"match","tags":[{"key":"pid","type":"int64","value":7}]}},"warnings":null}`

func TestTrace(t *testing.T) {
	f := newFixture(t)
	f.expect("traces/"+traceHex, `{"data":[`+tidyTrace+`],"total":0,"limit":0,"offset":0,"errors":null}`)
	// A parent that is not there is warned of, unless the raw trace is asked for.
	if _, out := f.get("traces/2"); !strings.Contains(out, `"warnings":["parent span ID=0000000000000009 is not in the trace; skipping clock skew adjustment"]`) {
		t.Error(out)
	}
	if _, out := f.get("traces/2", "raw", "true"); strings.Contains(out, "skipping") || !strings.Contains(out, `"traceID":"0000000000000002"`) {
		t.Error(out)
	}
	f.expect("traces", `{"data":[`+tidyTrace+`],"total":0,"limit":0,"offset":0,"errors":[{"msg":"trace not found","traceID":"0000000000000003"}]}`, "traceID", traceHex, "traceID", "3")
	for path, want := range map[string]int{"traces/xyz": 400, "traces/3": 404, "traces/" + traceHex + "00": 400, "metrics/calls": 501, "nothing": 404, "v3/traces/xyz": 400, "v3/traces/3": 404} {
		if code, out := f.get(path); code != want {
			t.Error(path, code, out)
		}
	}
	f.expect("traces/3", `{"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":404,"msg":"trace not found"}]}`)
}

// found names the services of the traces that a search finds, newest first.
func found(t *testing.T, out string) string {
	t.Helper()
	var r struct {
		Data []trace
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var names []string
	for _, tr := range r.Data {
		names = append(names, tr.Processes["p1"].ServiceName)
	}
	return strings.Join(names, " ")
}

func TestReferences(t *testing.T) {
	sp := ptrace.NewSpan()
	sp.SetTraceID(pcommon.TraceID{15: 1})
	sp.SetParentSpanID(pcommon.SpanID{7: 2})
	link := func(trace, span byte, kind string) {
		l := sp.Links().AppendEmpty()
		l.SetTraceID(pcommon.TraceID{15: trace})
		l.SetSpanID(pcommon.SpanID{7: span})
		if kind != "" {
			l.Attributes().PutStr("opentracing.ref_type", kind)
		}
	}
	link(1, 2, "follows_from") // of the parent
	link(3, 4, "child_of")
	link(0, 0, "") // to nothing
	want := `[{FOLLOWS_FROM 0000000000000001 0000000000000002} {CHILD_OF 0000000000000003 0000000000000004}]`
	if got := fmt.Sprint(references(sp, false)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := references(sp, true); len(got) != 3 {
		t.Errorf("raw: %v", got)
	}
}

func TestSearch(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		want   string
		params []string
	}{
		{"driver gateway", nil},
		{"driver", []string{"limit", "1"}},
		{"gateway", []string{"service", "match"}},
		{"gateway", []string{"service", "gateway", "operation", "GET /rides"}},
		{"", []string{"service", "gateway", "operation", "match"}},
		{"gateway", []string{"minDuration", "1s"}},
		{"driver gateway", []string{"maxDuration", "1s"}},
		{"driver", []string{"maxDuration", "10ms"}},
		{"gateway", []string{"tags", `{"http.status_code":"503"}`}},
		{"", []string{"tags", `{"http.status_code":"503.0"}`}},
		{"gateway", []string{"tag", "cached:true", "tag", "ratio:0.5"}},
		{"gateway", []string{"tags", `{"error":"true"}`, "service", "match"}},
		{"", []string{"tags", `{"error":"true"}`, "service", "gateway"}},
		{"driver gateway", []string{"tags", `{"error":"false"}`}},
		{"gateway", []string{"tags", `{"span.kind":"client"}`}},
		{"gateway", []string{"tags", `{"otel.status_code":"ERROR","otel.status_description":"boom"}`}},
		{"driver gateway", []string{"tags", `{"otel.scope.name":"lib"}`}},
		{"gateway", []string{"tags", `{"exception.type":"Timeout","event":"exception"}`}},
		{"gateway", []string{"tags", `{"list":"x"}`}},
		{"driver gateway", []string{"tags", `{"pid":"7"}`}},
		{"gateway", []string{"start", "1767322730000000", "end", "1767322760000000"}},
		{"", []string{"start", "1767322790000000", "end", "1767322800000000"}},
		{"driver", []string{"lookback", "45s"}},
		{"driver gateway", []string{"lookback", "2d"}},
		{"", []string{"start", "1767322800000000"}},
	} {
		code, out := f.get("traces", c.params...)
		if code != 200 || found(t, out) != c.want {
			t.Errorf("%v: %d %q, want %q", c.params, code, found(t, out), c.want)
		}
	}
	for _, c := range [][]string{
		{"start", "soon", "unable to parse param 'start'"},
		{"limit", "many", "unable to parse param 'limit'"},
		{"minDuration", "1", "unable to parse param 'minDuration'"},
		{"minDuration", "2s", "maxDuration", "1s", "'maxDuration' should be greater than 'minDuration'"},
		{"tag", "novalue", "malformed 'tag' parameter, expecting key:value, received: novalue"},
		{"tags", "{", "malformed 'tags' parameter, cannot unmarshal JSON"},
		{"raw", "maybe", "unable to parse param 'raw'"},
		{"lookback", "long", "unable to parse param 'lookback'"},
		{"traceID", "xyz", "cannot parse traceID param"},
	} {
		code, out := f.get("traces", c[:len(c)-1]...)
		if code != 400 || !strings.Contains(out, `"code":400`) || !strings.Contains(out, c[len(c)-1]) {
			t.Errorf("%v: %d %s", c, code, out)
		}
	}
}

func TestDependencies(t *testing.T) {
	f := newFixture(t)
	f.expect("dependencies", `{"data":[{"parent":"gateway","child":"match","callCount":5},{"parent":"match","child":"driver","callCount":3}],"total":0,"limit":0,"offset":0,"errors":null}`)
	f.expect("dependencies", `{"data":[{"parent":"match","child":"driver","callCount":3}],"total":0,"limit":0,"offset":0,"errors":null}`, "service", "driver", "endTs", "1767322800000", "lookback", "86400000")
	for _, bad := range []string{"0", "-5", "x", "99999999999999"} {
		if code, out := f.get("dependencies", "lookback", bad); code != 400 {
			t.Error(bad, code, out)
		}
	}
	f.links = errors.New("broken")
	if code, out := f.get("dependencies"); code != 500 || !strings.Contains(out, "broken") {
		t.Error(code, out)
	}
}

func TestV3(t *testing.T) {
	f := newFixture(t)
	_, out := f.get("v3/traces/" + traceHex)
	var one struct{ Result json.RawMessage }
	if err := json.Unmarshal([]byte(out), &one); err != nil {
		t.Fatal(err)
	}
	td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(one.Result)
	if err != nil || td.SpanCount() != 2 || !strings.Contains(out, `"traceId":"`+traceHex+`"`) {
		t.Fatal(err, out)
	}
	if code, again := f.get("v3/traces/CgAAAAAAAAAAAAAAAAAA_w"); code != 200 || !strings.Contains(again, `"traceId":"`+traceHex+`"`) {
		t.Error("by base64:", again)
	}
	times := []string{"query.startTimeMin", "2026-01-02T02:00:00Z", "query.startTimeMax", "2026-01-02T03:00:00Z"}
	_, out = f.get("v3/traces", append(times, "query.serviceName", "driver")...)
	if strings.Contains(out, traceHex) || !strings.Contains(out, `"name":"locate"`) {
		t.Error(out)
	}
	_, out = f.get("v3/traces", append(times, "query.service_name", "match", "query.attributes", `{"error":"true"}`, "query.duration_min", "1ms", "query.num_traces", "5")...)
	if !strings.Contains(out, traceHex) || strings.Contains(out, "locate") {
		t.Error(out)
	}
	f.expect("v3/traces", `{"error":{"httpCode":404,"message":"No traces found"}}`, append(times, "query.serviceName", "nobody")...)
	f.expect("v3/traces", `{"error":{"httpCode":400,"message":"query.startTimeMin and query.startTimeMax are required"}}`)
	f.expect("v3/trace-summaries", `{"summaries":[{"traceId":"`+traceHex+`","rootServiceName":"gateway","rootOperationName":"GET /rides","minStartTimeUnixNano":"1767322740000000000",`+
		`"maxEndTimeUnixNano":"1767322741500000000","spanCount":2,"errorSpanCount":1,"services":[{"name":"gateway","spanCount":1},{"name":"match","spanCount":1,"errorSpanCount":1}]}]}`, append(times, "query.serviceName", "match")...)
	for _, c := range [][]string{
		{"query.startTimeMin", "yesterday", "query.startTimeMax", "2026-01-02T03:00:00Z", "malformed parameter query.startTimeMin"},
		{"query.startTimeMin", "2026-01-02T04:00:00Z", "query.startTimeMax", "2026-01-02T03:00:00Z", "must be before"},
		append(times[:4:4], "query.searchDepth", "x", "malformed parameter query.searchDepth"),
		append(times[:4:4], "query.durationMax", "x", "malformed parameter query.durationMax"),
		append(times[:4:4], "query.attributes", "x", "malformed parameter query.attributes"),
	} {
		if code, out := f.get("v3/traces", c[:len(c)-1]...); code != 400 || !strings.Contains(out, c[len(c)-1]) {
			t.Errorf("%v: %d %s", c, code, out)
		}
	}
}

func TestScope(t *testing.T) {
	f := newFixture(t)
	f.scope = model.ScopeProducts(model.RoleViewer, "other")
	for _, path := range []string{"services", "services/gateway/operations", "traces", "v3/services", "traces?traceID=" + traceHex} {
		if _, out := f.get(path); strings.Contains(out, "gateway") || strings.Contains(out, "GET /rides") {
			t.Error(path, out)
		}
	}
	if code, out := f.get("traces/" + traceHex); code != 404 {
		t.Error(code, out)
	}
}
