package loki

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/query/logql"
	"hinomi/internal/store"
)

func (f *fixture) push(body string) {
	f.t.Helper()
	if code, out := f.do("POST", "/loki/api/v1/push", []byte(body), "Content-Type", "application/json"); code != 204 {
		f.t.Fatal(code, out)
	}
}

// TestDetected: what Logs Drilldown asks about labels and fields.
func TestDetected(t *testing.T) {
	f := newFixture(t)
	f.push(fmt.Sprintf(`{"streams":[
		{"stream":{"app":"a","env":"prod","pod":"1","shard":"7"},"values":[["%[1]s","{\"status\":200,\"http\":{\"path\":\"/x\"},\"took\":\"15ms\",\"app\":\"in\",\"ok\":true,\"load\":1.5,\"size\":\"2KB\",\"none\":null}"]]},
		{"stream":{"app":"b","env":"prod","pod":"2","shard":"8"},"values":[["%[1]s","msg=hi status=404",{"user":"u1"}],["%[1]s","msg=ho status=404",{"user":"u2"}]]}]}`, at(-time.Minute)))
	_, out := f.get("detected_labels")
	expect(t, "labels whose values are all numbers are left out, pod is not", out,
		`{"detectedLabels":[{"label":"app","cardinality":2},{"label":"env","cardinality":1},{"label":"pod","cardinality":2}]}`)
	_, out = f.get("detected_labels", "query", `{app="b"}`)
	expect(t, "labels of a selector", out, `{"detectedLabels":[{"label":"app","cardinality":1},{"label":"env","cardinality":1},{"label":"pod","cardinality":1}]}`)
	_, out = f.get("detected_fields", "query", `{app="a"}`)
	expect(t, "fields of JSON", out, `{"fields":[`+
		`{"label":"app_extracted","type":"string","cardinality":1,"parsers":["json"],"jsonPath":["app"]},`+
		`{"label":"detected_level","type":"string","cardinality":1,"parsers":null},`+
		`{"label":"http_path","type":"string","cardinality":1,"parsers":["json"],"jsonPath":["http","path"]},`+
		`{"label":"load","type":"float","cardinality":1,"parsers":["json"],"jsonPath":["load"]},`+
		`{"label":"ok","type":"boolean","cardinality":1,"parsers":["json"],"jsonPath":["ok"]},`+
		`{"label":"size","type":"bytes","cardinality":1,"parsers":["json"],"jsonPath":["size"]},`+
		`{"label":"status","type":"int","cardinality":1,"parsers":["json"],"jsonPath":["status"]},`+
		`{"label":"took","type":"duration","cardinality":1,"parsers":["json"],"jsonPath":["took"]}],"limit":1000}`)
	_, out = f.get("detected_fields", "query", `{app="b"}`, "limit", "2")
	expect(t, "fields of logfmt and metadata, limited", out, `{"fields":[`+
		`{"label":"detected_level","type":"string","cardinality":1,"parsers":null},`+
		`{"label":"msg","type":"string","cardinality":2,"parsers":["logfmt"]}],"limit":2}`)
	_, out = f.get("detected_fields", "query", `{app="b"} | pattern "msg=<m> <_>"`)
	expect(t, "fields of the query's own parser", out, `{"fields":[`+
		`{"label":"detected_level","type":"string","cardinality":1,"parsers":null},`+
		`{"label":"m","type":"string","cardinality":2,"parsers":["pattern"]},`+
		`{"label":"user","type":"string","cardinality":2,"parsers":null}],"limit":1000}`)
	_, out = f.get("detected_field/status/values", "query", `{app=~".+"}`)
	expect(t, "values", out, `{"limit":1000,"values":["200","404"]}`)
	_, out = f.get("detected_field/user/values", "query", `{app=~".+"}`, "limit", "1")
	expect(t, "values, limited", out, `{"limit":1,"values":["u1"]}`)
	_, out = f.get("detected_field/none/values", "query", `{app=~".+"}`)
	expect(t, "values of no field", out, `{"limit":1000,"values":[]}`)
	_, out = f.get("drilldown-limits")
	if !strings.Contains(out, `"pattern_ingester_enabled":false`) || !strings.Contains(out, `"max_query_series":500`) {
		t.Error(out)
	}
}

// TestVolume: bytes of the lines of each stream, "one" and "two" for a, "three" for b.
func TestVolume(t *testing.T) {
	f := newFixture(t)
	f.seed()
	end := now.Unix()
	for _, c := range []struct {
		path   string
		params []string
		want   string
	}{
		{"index/volume", []string{"query", `{app=~".+"}`, "targetLabels", "env"}, `vector[{"metric":{"env":"prod"},"value":[%[1]d,"6"]}]`},
		{"index/volume", []string{"query", `{app=~".+"}`, "limit", "1"}, `vector[{"metric":{"app":"a"},"value":[%[1]d,"6"]}]`},
		{"index/volume", []string{"query", `{}`}, `vector[{"metric":{"app":"a","env":"prod"},"value":[%[1]d,"6"]},{"metric":{"app":"b"},"value":[%[1]d,"5"]}]`},
		{"index/volume", []string{"query", `{app=~".+"}`, "aggregateBy", "labels", "targetLabels", "app,env"}, `vector[{"metric":{"app":""},"value":[%[1]d,"11"]},{"metric":{"env":""},"value":[%[1]d,"6"]}]`},
		// The end of an interval, less a millisecond, is its time.
		{"index/volume_range", []string{"query", `{app=~".+"}`, "step", "60", "start", at(-4 * time.Minute)}, `matrix[` +
			`{"metric":{"app":"a"},"values":[[%[2]d.999,"3"],[%[3]d.999,"3"]]},{"metric":{"app":"b"},"values":[[%[4]d.999,"5"]]}]`},
		{"index/volume_range", []string{"query", `{app="a"}`, "step", "5m", "start", at(-5 * time.Minute)}, `matrix[{"metric":{"app":"a"},"values":[[%[4]d.999,"6"]]}]`},
	} {
		_, out := f.get(c.path, c.params...)
		expect(t, fmt.Sprint(c.path, c.params), result(t, out), strings.NewReplacer("%[1]d", fmt.Sprint(end), "%[2]d", fmt.Sprint(end-121), "%[3]d", fmt.Sprint(end-61), "%[4]d", fmt.Sprint(end-1)).Replace(c.want))
	}
}

func TestPatterns(t *testing.T) {
	f := newFixture(t)
	if code, out := f.get("patterns", "query", `{app="a"}`); code != 404 || !strings.Contains(out, "not collected") {
		t.Error(code, out)
	}
	var got PatternsRequest
	f.options(func(o *Options) {
		o.Patterns = func(_ context.Context, _ model.Scope, r PatternsRequest) ([]Pattern, error) {
			got = r
			return []Pattern{{Text: "took <_> ms", Level: "info", Samples: []PatternSample{{Ts: 60e9, Lines: 3}, {Ts: 120e9, Lines: 1}}}, {Text: "x"}}, nil
		}
	})
	_, out := f.get("patterns", "query", `{app="a", env!="dev"}`, "start", "60", "end", "180", "step", "1s")
	expect(t, "patterns", out, `{"status":"success","data":[{"pattern":"took \u003c_\u003e ms","level":"info","samples":[[60,3],[120,1]]},{"pattern":"x","level":"","samples":[]}]}`)
	if got.From != 60e9 || got.To != 180e9+1 || got.Step != 10*time.Second || len(got.Selector) != 2 {
		t.Error(got)
	}
	for _, q := range []string{"", `{app="a"} |= "x"`, `{`} {
		if code, out := f.get("patterns", "query", q); code != 400 {
			t.Error(q, code, out)
		}
	}
}

// deletes is a Deleter that only remembers.
type deletes struct {
	got      DeleteRequest
	canceled string
	force    bool
}

func (d *deletes) RequestDelete(_ context.Context, _ model.Scope, r DeleteRequest) (string, error) {
	d.got = r
	return "id1", nil
}

func (d *deletes) Deletes(context.Context, model.Scope) ([]DeleteState, error) {
	return []DeleteState{
		{ID: "id1", Query: `{a="b"}`, From: 100e9, To: 200e9, Created: time.Unix(300, 5e8), Status: "received"},
		{ID: "id2", Query: `{a="c"}`, From: 400e9, To: 500e9, Created: time.Unix(600, 0), Status: "processed"},
	}, nil
}

func (d *deletes) CancelDelete(_ context.Context, _ model.Scope, id string, force bool) error {
	if id != "id1" {
		return store.ErrNotFound
	}
	d.canceled, d.force = id, force
	return nil
}

func TestDeletes(t *testing.T) {
	f := newFixture(t)
	for _, m := range []string{"GET", "POST", "PUT", "DELETE"} {
		if code, out := f.do(m, "/loki/api/v1/delete", nil); code != 404 || !strings.Contains(out, "retention") {
			t.Error(m, code, out)
		}
	}
	d := &deletes{}
	f.options(func(o *Options) { o.Deleter = d })
	send := func(method string, params ...string) (int, string) {
		v := url.Values{}
		for i := 0; i+1 < len(params); i += 2 {
			v.Add(params[i], params[i+1])
		}
		return f.do(method, "/loki/api/v1/delete?"+v.Encode(), nil)
	}
	if code, out := send("POST", "query", `{app="a"} |= "user 7" | env="prod"`, "start", "100", "end", "200", "max_interval", "1h"); code != 204 {
		t.Fatal(code, out)
	}
	if d.got.From != 100e9 || d.got.To != 200e9+1 || d.got.Log.String() != `{app="a"} |= "user 7" | env="prod"` {
		t.Error(d.got)
	}
	for _, c := range []struct {
		want   string
		params []string
	}{
		{"query not set", []string{"start", "1"}},
		{"start time not set", []string{"query", `{a="b"}`}},
		{"deletes in the future", []string{"query", `{a="b"}`, "start", "1", "end", fmt.Sprint(now.Unix() + 60)}},
		{"start time can't be greater", []string{"query", `{a="b"}`, "start", "9", "end", "1"}},
		{"parse error", []string{"query", `{a=`, "start", "1"}},
		{"expected a log query", []string{"query", `rate({a="b"}[1m])`, "start", "1"}},
		{"needs lines to be parsed", []string{"query", `{a="b"} | json | x="y"`, "start", "1"}},
		{"max_interval", []string{"query", `{a="b"}`, "start", "1", "max_interval", "x"}},
	} {
		if code, out := send("POST", c.params...); code != 400 || !strings.Contains(out, c.want) {
			t.Error(c.params, code, out)
		}
	}
	_, out := send("GET")
	expect(t, "list", out, `[{"request_id":"id1","start_time":100,"end_time":200,"query":"{a=\"b\"}","status":"received","created_at":300.5},`+
		`{"request_id":"id2","start_time":400,"end_time":500,"query":"{a=\"c\"}","status":"processed","created_at":600}]`)
	_, out = send("GET", "start", "450", "end", "460")
	if strings.Contains(out, "id1") || !strings.Contains(out, "id2") {
		t.Error(out)
	}
	if code, out := send("GET", "start", "450"); code != 400 {
		t.Error(code, out)
	}
	if code, out := send("DELETE", "request_id", "id1", "force", "true"); code != 204 || d.canceled != "id1" || !d.force {
		t.Error(code, out, d)
	}
	if code, out := send("DELETE", "request_id", "id9"); code != 404 {
		t.Error(code, out)
	}
	if code, out := send("DELETE"); code != 400 {
		t.Error(code, out)
	}
}

// TestGzip: large answers are compressed for clients that take it, small ones and
// errors are not.
func TestGzip(t *testing.T) {
	f := newFixture(t)
	f.push(fmt.Sprintf(`{"streams":[{"stream":{"app":"g"},"values":[["%s","%s"]]}]}`, at(-time.Minute), strings.Repeat("text ", 1000)))
	for _, c := range []struct {
		query, accept string
		gzipped       bool
		code          int
	}{
		{`{app="g"}`, "gzip, deflate", true, 200}, {`{app="g"}`, "br;q=1, gzip;q=0.5", true, 200}, {`{app="g"}`, "gzip;q=0", false, 200}, {`{app="g"}`, "", false, 200},
		{`{app="g"`, "gzip", false, 400},
	} {
		r := httptest.NewRequest("GET", "/loki/api/v1/query_range?query="+url.QueryEscape(c.query), nil)
		r.Header.Set("Accept-Encoding", c.accept)
		w := httptest.NewRecorder()
		f.mux.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.gzipped || w.Code != c.code {
			t.Errorf("%+v: %d, gzip %v", c, w.Code, got)
			continue
		}
		var body io.Reader = w.Body
		if c.gzipped {
			zr, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = zr
		}
		text, err := io.ReadAll(body)
		if err != nil || c.code == 200 && !json.Valid(text) || c.code != 200 && !strings.Contains(string(text), "parse error") {
			t.Errorf("%+v: %v %q", c, err, text)
		}
	}
}

// TestTruncate: Logs Drilldown gets the first series of too many, others an error.
func TestTruncate(t *testing.T) {
	f := newFixture(t)
	f.options(func(o *Options) {
		var err error
		if o.Engine, err = logql.New(logql.Options{Store: f.store, MaxSeries: 1}); err != nil {
			t.Fatal(err)
		}
	})
	f.seed()
	path := "/loki/api/v1/query_range?query=" + url.QueryEscape(`sum by (app) (count_over_time({app=~".+"}[5m]))`)
	if code, out := f.do("GET", path, nil); code != 400 || !strings.Contains(out, "maximum number of series (1) reached for a single query; consider") {
		t.Error(code, out)
	}
	code, out := f.do("GET", path, nil, "X-Query-Tags", "Source=grafana-lokiexplore-app")
	if code != 200 || !strings.Contains(out, `"warnings":["maximum number of series (1) reached for a single query; returning partial results"]`) || strings.Contains(out, `"app":"b"`) {
		t.Error(code, out)
	}
}

func TestFormatQuery(t *testing.T) {
	f := newFixture(t)
	code, out := f.get("format_query", "query", `{a=`)
	if code != 400 || !strings.Contains(out, `"status":"invalid-query"`) || !strings.Contains(out, "parse error at line 1, col 4") {
		t.Error(code, out)
	}
}
