package tempo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/model"
	"hinomi/internal/query/traceql"
	"hinomi/internal/store/storetest"
)

var now = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

type fixture struct {
	t     *testing.T
	mux   *http.ServeMux
	scope model.Scope
}

func newFixture(t *testing.T) *fixture {
	mem := storetest.New()
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "gateway")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("http")
	start := now.Add(-time.Minute)
	root := ss.Spans().AppendEmpty()
	root.SetTraceID(pcommon.TraceID{0x0a, 15: 0xff})
	root.SetSpanID(pcommon.SpanID{1, 2, 3, 4, 5, 6, 7, 8})
	root.SetName("GET /rides")
	root.SetKind(ptrace.SpanKindServer)
	root.Status().SetCode(ptrace.StatusCodeError)
	root.Status().SetMessage("boom")
	root.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	root.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(1500 * time.Millisecond)))
	root.Attributes().PutInt("http.status_code", 503)
	child := ss.Spans().AppendEmpty()
	root.CopyTo(child)
	child.SetSpanID(pcommon.SpanID{9})
	child.SetParentSpanID(root.SpanID())
	child.SetName("match")
	child.SetKind(ptrace.SpanKindClient)
	child.Status().SetCode(ptrace.StatusCodeUnset)
	child.Status().SetMessage("")
	child.Attributes().Clear()
	child.Attributes().PutBool("cached", true)
	if _, err := mem.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
		t.Fatal(err)
	}
	eng, err := traceql.New(traceql.Options{Store: mem})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, mux: http.NewServeMux(), scope: model.ScopeAll()}
	api, err := New(Options{Engine: eng, Store: mem, Scope: func(*http.Request) model.Scope { return f.scope }, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	api.Register(f.mux)
	return f
}

func (f *fixture) get(path, accept string, params ...string) (int, string) {
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	r := httptest.NewRequest("GET", "/tempo/api/"+path+"?"+v.Encode(), nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	if accept == protobufType {
		return w.Code, string(b)
	}
	return w.Code, strings.TrimSpace(string(b))
}

// getRoot asks for a path outside of the API.
func (f *fixture) getRoot(method, path string) (int, string) {
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

const traceHex = "0a0000000000000000000000000000ff"

const spansJSON = `[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gateway"}}]},"scopeSpans":[{"scope":{"name":"http"},"spans":[` +
	`{"attributes":[{"key":"http.status_code","value":{"intValue":"503"}}],"endTimeUnixNano":"1767322741500000000","kind":"SPAN_KIND_SERVER","name":"GET /rides","spanId":"AQIDBAUGBwg=","startTimeUnixNano":"1767322740000000000","status":{"code":"STATUS_CODE_ERROR","message":"boom"},"traceId":"CgAAAAAAAAAAAAAAAAAA/w=="},` +
	`{"attributes":[{"key":"cached","value":{"boolValue":true}}],"endTimeUnixNano":"1767322741500000000","kind":"SPAN_KIND_CLIENT","name":"match","parentSpanId":"AQIDBAUGBwg=","spanId":"CQAAAAAAAAA=","startTimeUnixNano":"1767322740000000000","status":{},"traceId":"CgAAAAAAAAAAAAAAAAAA/w=="}]}]}]`

func TestTrace(t *testing.T) {
	f := newFixture(t)
	_, out := f.get("traces/"+traceHex, "")
	expect(t, "v1", out, `{"batches":`+spansJSON+`}`)
	// Leading zeros may be missing.
	_, out = f.get("v2/traces/"+strings.TrimLeft(traceHex, "0"), "application/json")
	expect(t, "v2", out, `{"metrics":{},"trace":{"resourceSpans":`+spansJSON+`}}`)
	_, out = f.get("traces/"+traceHex, protobufType)
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces([]byte(out))
	if err != nil || td.SpanCount() != 2 {
		t.Error("v1 protobuf", err)
	}
	_, out = f.get("v2/traces/"+traceHex, protobufType)
	_, _, n := protowire.ConsumeTag([]byte(out))
	msg, _ := protowire.ConsumeBytes([]byte(out)[n:])
	if td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(msg); err != nil || td.SpanCount() != 2 {
		t.Error("v2 protobuf", err)
	}
	for path, want := range map[string]int{"traces/xyz": 400, "traces/" + traceHex + "00": 400, "traces/1": 404} {
		if code, out := f.get(path, ""); code != want {
			t.Error(path, code, out)
		}
	}
}

func TestSearch(t *testing.T) {
	f := newFixture(t)
	_, out := f.get("search", "", "q", `{ span.http.status_code >= 500 && status = error }`, "start", "1767322000", "end", "1767323000")
	expect(t, "search", out, `{"traces":[{"traceID":"`+traceHex+`","rootServiceName":"gateway","rootTraceName":"GET /rides","startTimeUnixNano":"1767322740000000000","durationMs":1500,`+
		`"spanSet":{"spans":[{"spanID":"0102030405060708","startTimeUnixNano":"1767322740000000000","durationNanos":"1500000000","attributes":[{"key":"http.status_code","value":{"intValue":"503"}},{"key":"status","value":{"stringValue":"error"}}]}],"matched":1},`+
		`"spanSets":[{"spans":[{"spanID":"0102030405060708","startTimeUnixNano":"1767322740000000000","durationNanos":"1500000000","attributes":[{"key":"http.status_code","value":{"intValue":"503"}},{"key":"status","value":{"stringValue":"error"}}]}],"matched":1}],`+
		`"serviceStats":{"gateway":{"spanCount":2,"errorCount":1}}}],"metrics":`+metrics(t, out)+`}`)
	for _, c := range []struct {
		params []string
		found  int
	}{
		{nil, 1},
		{[]string{"tags", `service.name=gate http.status_code=503`}, 1},
		{[]string{"tags", `service.name="gateway" error=true`}, 1},
		{[]string{"tags", `service.name=driver`}, 0},
		{[]string{"tags", `cached=true name=MATCH`}, 1},
		{[]string{"service.name", "gate"}, 1},
		{[]string{"service.name", "driver"}, 0},
		{[]string{"minDuration", "1s"}, 1},
		{[]string{"minDuration", "2s"}, 0},
		{[]string{"maxDuration", "1s"}, 0},
		{[]string{"q", "{}", "end", "1767322000"}, 0},
	} {
		code, out := f.get("search", "", c.params...)
		if code != 200 || strings.Count(out, `"traceID"`) != c.found {
			t.Errorf("%v: %d %s", c.params, code, out)
		}
	}
	for _, c := range [][]string{
		{"q", "{", "invalid TraceQL query: parse error at line 1, col 2"},
		{"q", "{ 1 + 1 }", "span filter field expressions must resolve to a boolean"},
		{"q", "{}", "tags", "a=b", "can't specify tags and q"},
		{"limit", "-1", "invalid limit"},
		{"limit", "99999", "over the maximum"},
		{"start", "5", "end", "4", "start must be before end"},
		{"start", "soon", "give Unix seconds"},
		{"minDuration", "x", "invalid minDuration"},
		{"minDuration", "2s", "maxDuration", "1s", "invalid maxDuration"},
		{"tags", "novalue", "invalid tags"},
	} {
		if code, out := f.get("search", "", c[:len(c)-1]...); code != 400 || !strings.Contains(out, c[len(c)-1]) {
			t.Errorf("%v: %d %s", c, code, out)
		}
	}
}

func metrics(t *testing.T, out string) string {
	t.Helper()
	var r struct{ Metrics json.RawMessage }
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return string(r.Metrics)
}

func TestTags(t *testing.T) {
	f := newFixture(t)
	_, out := f.get("search/tags", "")
	expect(t, "tags", out, `{"metrics":{},"tagNames":["cached","http.status_code","service.name"]}`)
	_, out = f.get("v2/search/tags", "", "scope", "span")
	expect(t, "tags v2", out, `{"metrics":{},"scopes":[{"name":"span","tags":["cached","http.status_code"]}]}`)
	_, out = f.get("v2/search/tags", "")
	if !strings.Contains(out, `{"name":"intrinsic","tags":["duration",`) {
		t.Error(out)
	}
	for path, want := range map[string]string{
		"search/tag/service.name/values":             `["gateway"]`,
		"search/tag/http.status_code/values":         `["503"]`,
		"search/tag/status/values":                   `["error","ok","unset"]`,
		"v2/search/tag/.service.name/values":         `[{"type":"string","value":"gateway"}]`,
		"v2/search/tag/span.cached/values":           `[{"type":"bool","value":"true"}]`,
		"v2/search/tag/name/values":                  `[{"type":"string","value":"GET /rides"},{"type":"string","value":"match"}]`,
		"v2/search/tag/rootName/values":              `[{"type":"string","value":"GET /rides"}]`,
		"v2/search/tag/span.nothing/values":          `[]`,
		"v2/search/tag/span.http.status_code/values": `[{"type":"int","value":"503"}]`,
	} {
		_, out := f.get(path, "")
		var r struct{ TagValues json.RawMessage }
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Error(path, out)
		}
		expect(t, path, string(r.TagValues), want)
	}
	_, out = f.get("v2/search/tag/name/values", "", "q", `{ kind = client }`)
	if !strings.Contains(out, "match") || strings.Contains(out, "GET /rides") {
		t.Error("filtered:", out)
	}
	if code, out := f.get("v2/search/tag/bad%20name/values", ""); code != 400 {
		t.Error(code, out)
	}
}

func TestScope(t *testing.T) {
	f := newFixture(t)
	f.scope = model.ScopeProducts(model.RoleViewer, "other")
	if code, out := f.get("traces/"+traceHex, ""); code != 404 {
		t.Error(code, out)
	}
	for _, path := range []string{"search", "search/tags", "v2/search/tag/name/values", "search/tag/service.name/values"} {
		if _, out := f.get(path, ""); strings.Contains(out, "gateway") || strings.Contains(out, traceHex) || strings.Contains(out, "GET /rides") {
			t.Error(path, out)
		}
	}
}

func TestStatus(t *testing.T) {
	f := newFixture(t)
	_, out := f.get("echo", "")
	expect(t, "echo", out, "echo")
	if _, out := f.get("status/buildinfo", ""); !strings.Contains(out, `"version"`) {
		t.Error(out)
	}
}

func TestMetrics(t *testing.T) {
	f := newFixture(t)
	_, out := f.get("metrics/query_range", "", "q", `{ kind = server } | count_over_time() by (resource.service.name)`, "start", "1767322680", "end", "1767322800", "step", "1m")
	expect(t, "query_range", out, `{"series":[{"labels":[{"key":"resource.service.name","value":{"stringValue":"gateway"}}],`+
		`"samples":[{"timestampMs":"1767322680000"},{"timestampMs":"1767322740000","value":1},{"timestampMs":"1767322800000"}],`+
		`"exemplars":[{"labels":[{"key":"trace:id","value":{"stringValue":"`+traceHex+`"}},{"key":"span:id","value":{"stringValue":"0102030405060708"}}],"value":1,"timestampMs":"1767322740000"}]}],`+
		`"metrics":`+metrics(t, out)+`}`)
	_, out = f.get("metrics/query", "", "query", `{ } | max_over_time(duration)`, "start", "1767322680", "end", "2026-01-02T03:00:00Z")
	expect(t, "query", out, `{"series":[{"labels":[{"key":"__name__","value":{"stringValue":"max_over_time"}}],"value":1.5}],"metrics":`+metrics(t, out)+`}`)
	_, out = f.get("metrics/query", "", "q", `{ } | rate()`, "since", "5m")
	if !strings.Contains(out, `"value":0.006666666666666667`) { // 2 spans in 300 s
		t.Error(out)
	}
	for _, c := range [][]string{
		{"q", "{ }", "not a metrics query"},
		{"q", "{ } | rate(", "compiling query: parse error"},
		{"q", "{ } | rate()", "start", "5", "end", "4", "end must be greater than start"},
		{"q", "{ } | rate()", "step", "soon", "valid duration"},
		{"q", "{ } | rate()", "step", "-5", "step must be positive"},
		{"q", "{ } | rate()", "start", "soon", "could not parse 'start' parameter"},
		{"q", "{ } | rate()", "since", "soon", "could not parse 'since' parameter"},
		{"q", "{ } | rate()", "step", "1ms", "use a longer step"},
	} {
		if code, out := f.get("metrics/query_range", "", c[:len(c)-1]...); code != 400 || !strings.Contains(out, c[len(c)-1]) {
			t.Errorf("%v: %d %s", c, code, out)
		}
	}
}

// TestDefaultStep: an hour has 240 points, and steps are round.
func TestDefaultStep(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{
		10 * time.Second: 50 * time.Millisecond, 48 * time.Second: 200 * time.Millisecond, 2 * time.Minute: time.Second, time.Hour: 15 * time.Second,
		2 * time.Hour: 30 * time.Second, 24 * time.Hour: 5 * time.Minute, 7 * 24 * time.Hour: 40 * time.Minute, 30 * 24 * time.Hour: 3 * time.Hour,
	} {
		if got := defaultStep(span); got != want {
			t.Errorf("%s: %s, want %s", span, got, want)
		}
	}
}

func TestProtobufByAccept(t *testing.T) {
	f := newFixture(t)
	fd := protoFile(t)
	for path, name := range map[string]string{"search": "SearchResponse", "metrics/query_range": "QueryRangeResponse", "metrics/query": "QueryInstantResponse"} {
		params := []string{"q", "{ } | rate()", "start", "1767322000", "end", "1767323000"}
		if path == "search" {
			params[1] = "{ }"
		}
		_, body := f.get(path, "", params...)
		_, wire := f.get(path, protobufType, params...)
		expect(t, path, decode(t, fd, name, []byte(wire)), canonical(t, body))
	}
}
