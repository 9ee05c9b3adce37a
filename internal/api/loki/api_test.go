package loki

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/api/apierr"
	"hinomi/internal/model"
	"hinomi/internal/query/logql"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

var now = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

type fixture struct {
	t     *testing.T
	opts  Options
	api   *API
	mux   *http.ServeMux
	store *storetest.Memory
	scope model.Scope
	write func(store.WriteResult, error) (store.WriteResult, error)
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, store: storetest.New(), scope: model.ScopeAll()}
	eng, err := logql.New(logql.Options{Store: f.store})
	if err != nil {
		t.Fatal(err)
	}
	f.opts = Options{
		Engine: eng, Scope: func(*http.Request) model.Scope { return f.scope }, Now: func() time.Time { return now },
		MaxBodyBytes: 1 << 16, MaxDecodedBytes: 1 << 20,
		Write: func(ctx context.Context, s model.Scope, source string, _ []byte, ld plog.Logs) (store.WriteResult, error) {
			if source != sourcePush {
				t.Errorf("source %q", source)
			}
			if f.write != nil {
				return f.write(store.WriteResult{}, nil)
			}
			return f.store.AppendLogs(ctx, s, ld)
		},
	}
	f.options(func(*Options) {})
	return f
}

// options makes the API anew with other options.
func (f *fixture) options(change func(*Options)) {
	f.t.Helper()
	change(&f.opts)
	var err error
	if f.api, err = New(f.opts); err != nil {
		f.t.Fatal(err)
	}
	f.mux = http.NewServeMux()
	f.api.Register(f.mux)
	f.t.Cleanup(func() { f.api.Close() })
}

func (f *fixture) do(method, path string, body []byte, header ...string) (int, string) {
	f.t.Helper()
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	return w.Code, strings.TrimSpace(string(b))
}

func (f *fixture) get(path string, params ...string) (int, string) {
	f.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	return f.do("GET", "/loki/api/v1/"+path+"?"+v.Encode(), nil)
}

func at(d time.Duration) string { return fmt.Sprint(now.Add(d).UnixNano()) }

func (f *fixture) seed() {
	f.t.Helper()
	body := fmt.Sprintf(`{"streams":[
		{"stream":{"app":"a","env":"prod"},"values":[["%s","one"],["%s","two",{"trace_id":"0af7651916cd43dd8448eb211c80319c","user":"7"}]]},
		{"stream":{"app":"b"},"values":[["%s","three"]]}]}`, at(-3*time.Minute), at(-2*time.Minute), at(-time.Minute))
	if code, out := f.do("POST", "/loki/api/v1/push", []byte(body), "Content-Type", "application/json"); code != 204 {
		f.t.Fatal(code, out)
	}
}

// result returns data.result of a response, as compact JSON.
func result(t *testing.T, body string) string {
	t.Helper()
	var r struct {
		Status string
		Data   struct {
			ResultType    string
			EncodingFlags []string
			Result        json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Status != "success" {
		t.Fatalf("%v: %s", err, body)
	}
	return r.Data.ResultType + strings.Join(r.Data.EncodingFlags, ",") + string(r.Data.Result)
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

func TestQueries(t *testing.T) {
	f := newFixture(t)
	f.seed()
	_, out := f.get("query", "query", "vector(1)+vector(1)", "time", "4000000000")
	expect(t, "health check", result(t, out), `vector[{"metric":{},"value":[4000000000,"2"]}]`)
	_, out = f.get("query", "query", "1.5", "time", "1.5")
	expect(t, "scalar", result(t, out), `scalar[1.5,"1.5"]`)
	_, out = f.get("query", "query", `sum by (app) (count_over_time({app=~".+"}[5m]))`)
	ts := now.Unix()
	expect(t, "vector", result(t, out), fmt.Sprintf(`vector[{"metric":{"app":"a"},"value":[%d,"2"]},{"metric":{"app":"b"},"value":[%d,"1"]}]`, ts, ts))
	_, out = f.get("query_range", "query", `sum(count_over_time({app="a"}[1m]))`, "start", at(-190*time.Second), "end", at(-61*time.Second), "step", "60")
	expect(t, "matrix, aligned outwards", result(t, out), fmt.Sprintf(`matrix[{"metric":{},"values":[[%d,"1"],[%d,"1"]]}]`, ts-180, ts-120))
	_, out = f.get("query_range", "query", `{app="a"}`)
	expect(t, "streams", result(t, out), fmt.Sprintf(`streams[{"stream":{"app":"a","detected_level":"unknown","env":"prod","trace_id":"0af7651916cd43dd8448eb211c80319c","user":"7"},"values":[["%s","two"]]},{"stream":{"app":"a","detected_level":"unknown","env":"prod"},"values":[["%s","one"]]}]`, at(-2*time.Minute), at(-3*time.Minute)))
	_, out = f.do("GET", "/loki/api/v1/query_range?limit=1&query="+url.QueryEscape(`{app="a"} | logfmt`), nil, flagsHeader, "categorize-labels")
	expect(t, "categorized", result(t, out), fmt.Sprintf(`streamscategorize-labels[{"stream":{"app":"a","env":"prod"},"values":[["%s","two",{"structuredMetadata":{"detected_level":"unknown","trace_id":"0af7651916cd43dd8448eb211c80319c","user":"7"}}]]}]`, at(-2*time.Minute)))
	if !strings.Contains(out, `"totalEntriesReturned":1`) || !strings.Contains(out, `"totalLinesProcessed":`) {
		t.Error("no statistics:", out)
	}
	_, out = f.get("query_range", "query", `{app=~".+"}`, "direction", "forward", "limit", "1", "start", now.Add(-time.Hour).Format(time.RFC3339))
	if !strings.Contains(result(t, out), `"one"`) {
		t.Error("forward:", out)
	}
}

func TestLabels(t *testing.T) {
	f := newFixture(t)
	f.seed()
	for _, c := range [][3]string{
		{"labels", "", `{"status":"success","data":["app","env"]}`},
		{"labels", `{app="b"}`, `{"status":"success","data":["app"]}`},
		{"label/app/values", "", `{"status":"success","data":["a","b"]}`},
		{"label/app/values", `{env="prod"}`, `{"status":"success","data":["a"]}`},
		{"label/none/values", "", `{"status":"success","data":[]}`},
		{"index/stats", `{app="a"}`, `{"bytes":6,"chunks":1,"entries":2,"streams":1}`},
		{"format_query", `{a="b"}|="x"`, `{"data":"{a=\"b\"} |= \"x\"","status":"success"}`},
	} {
		_, out := f.get(c[0], "query", c[1])
		expect(t, c[0]+c[1], out, c[2])
	}
	_, out := f.get("series", "match[]", `{app="b"}`, "match[]", `{env="prod"}`)
	expect(t, "series", out, `{"status":"success","data":[{"app":"a","env":"prod"},{"app":"b"}]}`)
	_, out = f.get("index/volume", "query", `{app=~".+"}`)
	expect(t, "volume", result(t, out), fmt.Sprintf(`vector[{"metric":{"app":"a"},"value":[%d,"6"]},{"metric":{"app":"b"},"value":[%d,"5"]}]`, now.Unix(), now.Unix()))
	if code, out := f.get("status/buildinfo"); code != 200 || !strings.Contains(out, `"version"`) {
		t.Error(code, out)
	}
}

func TestScope(t *testing.T) {
	f := newFixture(t)
	f.seed()
	f.scope = model.ScopeProducts(model.RoleViewer, "other")
	for _, p := range []string{"labels", "label/app/values", "series"} {
		_, out := f.get(p)
		expect(t, p, out, `{"status":"success","data":[]}`)
	}
	_, out := f.get("query_range", "query", `{app="a"}`)
	expect(t, "streams", result(t, out), "streams[]")
	_, out = f.get("query", "query", `sum(count_over_time({app="a"}[1h]))`)
	expect(t, "vector", result(t, out), "vector[]")
	_, out = f.get("index/stats", "query", `{app="a"}`)
	expect(t, "stats", out, `{"bytes":0,"chunks":0,"entries":0,"streams":0}`)
}

func TestBadQueries(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		path   string
		params []string
		want   string
	}{
		{"query", []string{"query", `{app="a"`}, "parse error at line 1, col 9"},
		{"query", []string{"query", `{app="a"}`}, "log queries are not supported as an instant query type"},
		{"query_range", []string{"query", `{app="a"}`, "limit", "99999"}, "max entries limit per query exceeded"},
		{"query_range", []string{"query", `{app="a"}`, "limit", "x"}, "is not a number"},
		{"query_range", []string{"query", `{app="a"}`, "direction", "up"}, "invalid direction"},
		{"query_range", []string{"query", `{app="a"}`, "start", "2", "end", "1"}, "end timestamp must not be before"},
		{"query_range", []string{"query", `{app="a"}`, "start", "soon"}, "neither Unix nanoseconds"},
		{"query_range", []string{"query", `rate({app="a"}[1m])`, "step", "0"}, "zero or negative query resolution step"},
		{"query_range", []string{"query", `rate({app="a"}[1m])`, "step", "1ms"}, "exceeded maximum resolution"},
		{"series", []string{"match[]", `{app=`}, "parse error"},
	} {
		code, out := f.get(c.path, c.params...)
		if code != 400 || !strings.Contains(out, c.want) {
			t.Errorf("%s %v: %d %s", c.path, c.params, code, out)
		}
	}
}

func field(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

func TestPushProtobuf(t *testing.T) {
	f := newFixture(t)
	ts := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(now.Unix()-60))
	ts = protowire.AppendVarint(protowire.AppendTag(ts, 2, protowire.VarintType), 5)
	meta := field(field(nil, 1, []byte("user")), 2, []byte("7"))
	entry := field(field(field(nil, 1, ts), 2, []byte("hello")), 3, meta)
	req := field(nil, 1, field(field(nil, 1, []byte(`{app="p"}`)), 2, entry))
	if code, out := f.do("POST", "/loki/api/v1/push", snappy.Encode(nil, req), "Content-Type", "application/x-protobuf"); code != 204 {
		t.Fatal(code, out)
	}
	_, out := f.get("query_range", "query", `{app="p"} | user="7"`)
	expect(t, "pushed", result(t, out), fmt.Sprintf(`streams[{"stream":{"app":"p","detected_level":"unknown","user":"7"},"values":[["%d","hello"]]}]`, (now.Unix()-60)*1e9+5))
}

func TestPushGzip(t *testing.T) {
	f := newFixture(t)
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	fmt.Fprintf(zw, `{"streams":[{"stream":{"app":"g"},"values":[["%s","zipped"]]}]}`, at(-time.Minute))
	zw.Close()
	if code, out := f.do("POST", "/loki/api/v1/push", buf.Bytes(), "Content-Type", "application/json", "Content-Encoding", "gzip"); code != 204 {
		t.Fatal(code, out)
	}
	if f.store.Len() != 1 {
		t.Error("not stored")
	}
}

func TestBadPushes(t *testing.T) {
	f := newFixture(t)
	var bomb bytes.Buffer
	zw := gzip.NewWriter(&bomb)
	zw.Write(bytes.Repeat([]byte(" "), 4<<20))
	zw.Close()
	lie := append(protowire.AppendVarint(nil, 1<<31), 0, 0)
	for _, c := range []struct {
		name, ct, enc string
		body          []byte
		code          int
		want          string
	}{
		{"not snappy", "application/x-protobuf", "", []byte("\xff\xff\xff"), 400, "not snappy"},
		{"snappy that lies about its size", "application/x-protobuf", "", lie, 413, "larger than"},
		{"not protobuf", "application/x-protobuf", "", snappy.Encode(nil, []byte("\xff\xff")), 400, "protobuf"},
		{"bad labels", "application/x-protobuf", "", snappy.Encode(nil, field(nil, 1, field(nil, 1, []byte("{a=")))), 400, "labels"},
		{"not JSON", "application/json", "", []byte("{"), 400, "JSON"},
		{"bad time", "application/json", "", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["x","l"]]}]}`), 400, "Unix nanoseconds"},
		{"no labels", "application/json", "", []byte(`{"streams":[{"stream":{},"values":[]}]}`), 400, "at least one label"},
		{"bad label name", "application/json", "", []byte(`{"streams":[{"stream":{"a.b":"b"},"values":[]}]}`), 400, "not valid"},
		{"too large", "application/json", "", bytes.Repeat([]byte(" "), 1<<17), 413, "larger than"},
		{"gzip bomb", "application/json", "gzip", bomb.Bytes(), 413, "larger than"},
		{"not gzip", "application/json", "gzip", []byte("x"), 400, "not gzip"},
		{"unknown encoding", "application/json", "br", []byte("x"), 415, "not supported"},
		{"metadata of another type", "application/json", "", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","l",{"n":1}]]}]}`), 400, "object of strings"},
	} {
		code, out := f.do("POST", "/loki/api/v1/push", c.body, "Content-Type", c.ct, "Content-Encoding", c.enc)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d %s", c.name, code, out)
		}
	}
	if f.store.Len() != 0 {
		t.Error("something of a bad push was stored")
	}
	good := fmt.Appendf(nil, `{"streams":[{"stream":{"a":"b"},"values":[["%s","l"]]}]}`, at(0))
	f.write = func(r store.WriteResult, _ error) (store.WriteResult, error) {
		r.Reject(store.RejectTooOld, 1, "older than 7d")
		return r, nil
	}
	if code, out := f.do("POST", "/loki/api/v1/push", good, "Content-Type", "application/json"); code != 400 || !strings.Contains(out, "1 too_old (older than 7d)") {
		t.Error(code, out)
	}
	for err, want := range map[error]int{store.ErrOverloaded: 429, store.ErrNotReady: 503, store.ErrNoSpace: 503, io.ErrUnexpectedEOF: 500} {
		f.write = func(r store.WriteResult, _ error) (store.WriteResult, error) { return r, err }
		if code, out := f.do("POST", "/loki/api/v1/push", good, "Content-Type", "application/json"); code != want {
			t.Error(err, code, out)
		}
	}
}

func TestClientGone(t *testing.T) {
	f := newFixture(t)
	f.seed()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, q := range []string{`{app="a"}`, `sum(rate({app="a"}[5m]))`} {
		r := httptest.NewRequest("GET", "/loki/api/v1/query_range?query="+url.QueryEscape(q), nil).WithContext(ctx)
		w := httptest.NewRecorder()
		f.mux.ServeHTTP(w, r)
		if w.Code != apierr.ClientClosed {
			t.Error(q, w.Code, w.Body)
		}
	}
}

// TestPushLevels: the level comes from metadata, else the stream, else the line.
func TestPushLevels(t *testing.T) {
	f := newFixture(t)
	body := fmt.Sprintf(`{"streams":[
		{"stream":{"app":"a","level":"warn"},"values":[["%[1]s","of the stream"],["%[1]s","of metadata",{"detected_level":"error"}]]},
		{"stream":{"app":"b"},"values":[["%[1]s","ts=1 level=debug msg=x"],["%[1]s","{\"severity\": \"FATAL\"}"],["%[1]s","sealevel=high none"]]}]}`, at(-time.Minute))
	if code, out := f.do("POST", "/loki/api/v1/push", []byte(body), "Content-Type", "application/json"); code != 204 {
		t.Fatal(code, out)
	}
	_, out := f.get("query", "query", `sum by (detected_level) (count_over_time({app=~".+"}[5m]))`)
	for _, level := range []string{"debug", "error", "fatal", "unknown", "warn"} {
		if !strings.Contains(out, fmt.Sprintf(`{"metric":{"detected_level":%q},"value":[%d,"1"]}`, level, now.Unix())) {
			t.Error(level, out)
		}
	}
	if _, out := f.get("query_range", "query", `{app="a"}`); strings.Contains(out, "severity_number") {
		t.Error(out)
	}
}
