package prometheus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/api"
	client "github.com/prometheus/client_golang/api/prometheus/v1"
	upstream "github.com/prometheus/client_golang/prometheus"
	common "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/query/promql"
	"hinomi/internal/store/metricstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var dataTime = time.Now().Add(-time.Minute).Truncate(time.Second)

type server struct {
	*httptest.Server
	store *metricstore.Store
	ready error
}

// newServer serves a store with one series for each of the products "" and
// "shop". The header X-Products narrows the scope.
func newServer(t *testing.T) *server {
	t.Helper()
	reg := upstream.NewRegistry()
	st, err := metricstore.Open(metricstore.Options{Dir: t.TempDir(), MinFreeBytes: -1, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	app := st.AppenderV2(context.Background(), model.ScopeAll())
	for _, product := range []string{"", "shop"} {
		for i := range 10 {
			at := dataTime.Add(time.Duration(i-10) * time.Second).UnixMilli()
			_, err := app.Append(0, labels.FromMap(map[string]string{"__name__": "rides_total", "city": "tokyo" + product, "product": product}),
				at-60_000, at, float64(i), nil, nil, storage.AOptions{
					MetricFamilyName: "rides_total",
					Metadata:         metadata.Metadata{Type: common.MetricTypeCounter, Help: "Rides of " + product},
					Exemplars:        []exemplar.Exemplar{{Ts: at, Value: float64(i), Labels: labels.FromStrings("trace_id", "t"+product)}},
				})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	engine, err := promql.New(promql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{store: st}
	q := st.ContextQueryable(ScopeFromContext)
	h, err := New(Options{
		Engine: engine, Parser: promql.NewParser(), Queryable: q, Exemplars: q, TSDB: st.Admin(), Metadata: st.Metadata,
		Scope: func(r *http.Request) model.Scope {
			if p := r.Header.Get("X-Products"); p != "" {
				return model.ScopeProducts(model.RoleViewer, strings.Split(p, ",")...)
			}
			return model.ScopeAll()
		},
		Ready:      func() error { return s.ready },
		Flags:      map[string]string{"config": "hinomi.yaml"},
		Version:    "1.2.3",
		Registerer: reg, Gatherer: reg,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(h)
	t.Cleanup(func() {
		s.Server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := errors.Join(engine.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get returns status, the "data" member and the whole body.
func (s *server) get(t *testing.T, path, products string) (int, json.RawMessage, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Products", products)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Data json.RawMessage }
	_ = json.Unmarshal(body, &answer)
	return resp.StatusCode, answer.Data, string(body)
}

// TestOfficialClient goes through every call of Prometheus' own Go client.
func TestOfficialClient(t *testing.T) {
	s := newServer(t)
	c, err := api.NewClient(api.Config{Address: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	v1, ctx := client.NewAPI(c), context.Background()

	v, _, err := v1.Query(ctx, `sum by (city) (rides_total)`, dataTime)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.(common.Vector); len(got) != 2 || got[0].Value != 9 {
		t.Errorf("query = %v", got)
	}
	v, _, err = v1.QueryRange(ctx, `rides_total{city="tokyo"}`, client.Range{Start: dataTime.Add(-10 * time.Second), End: dataTime, Step: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.(common.Matrix); len(got) != 1 || len(got[0].Values) != 3 || got[0].Values[1].Value != 5 {
		t.Errorf("query_range = %v", got)
	}
	from := dataTime.Add(-time.Hour)
	series, _, err := v1.Series(ctx, []string{"rides_total"}, from, dataTime)
	if err != nil || len(series) != 2 {
		t.Errorf("series = %v, %v", series, err)
	}
	names, _, err := v1.LabelNames(ctx, nil, from, dataTime)
	if err != nil || len(names) != 3 || names[1] != "city" {
		t.Errorf("labels = %v, %v", names, err)
	}
	values, _, err := v1.LabelValues(ctx, "city", nil, from, dataTime)
	if err != nil || len(values) != 2 || values[0] != "tokyo" {
		t.Errorf("label values = %v, %v", values, err)
	}
	exemplars, err := v1.QueryExemplars(ctx, "rides_total", from, dataTime)
	if err != nil || len(exemplars) != 2 || len(exemplars[0].Exemplars) != 10 {
		t.Errorf("exemplars = %v, %v", exemplars, err)
	}
	meta, err := v1.Metadata(ctx, "rides_total", "")
	if err != nil || len(meta["rides_total"]) != 2 || meta["rides_total"][0].Type != client.MetricTypeCounter {
		t.Errorf("metadata = %v, %v", meta, err)
	}
	if targets, err := v1.Targets(ctx); err != nil || len(targets.Active) != 0 {
		t.Errorf("targets = %v, %v", targets, err)
	}
	if rules, err := v1.Rules(ctx, nil); err != nil || len(rules.Groups) != 0 {
		t.Errorf("rules = %v, %v", rules, err)
	}
	if alerts, err := v1.Alerts(ctx); err != nil || len(alerts.Alerts) != 0 {
		t.Errorf("alerts = %v, %v", alerts, err)
	}
	if _, err := v1.AlertManagers(ctx); err != nil {
		t.Error(err)
	}
	if cfg, err := v1.Config(ctx); err != nil || !strings.Contains(cfg.YAML, "global") {
		t.Errorf("config = %v, %v", cfg, err)
	}
	if flags, err := v1.Flags(ctx); err != nil || flags["config"] != "hinomi.yaml" {
		t.Errorf("flags = %v, %v", flags, err)
	}
	if info, err := v1.Buildinfo(ctx); err != nil || info.Revision != "hinomi-1.2.3" || !strings.HasPrefix(info.Version, "3.") {
		t.Errorf("buildinfo = %v, %v", info, err)
	}
	if info, err := v1.Runtimeinfo(ctx); err != nil || info.StartTime.IsZero() || !info.ReloadConfigSuccess {
		t.Errorf("runtimeinfo = %v, %v", info, err)
	}
	if stats, err := v1.TSDB(ctx); err != nil || stats.HeadStats.NumSeries != 2 || stats.HeadStats.ChunkCount != 2 {
		t.Errorf("tsdb = %+v, %v", stats, err)
	}
	if _, err := v1.WalReplay(ctx); err != nil {
		t.Error(err)
	}
}

func TestScopeReachesEveryAnswer(t *testing.T) {
	s := newServer(t)
	window := "&start=" + url.QueryEscape(dataTime.Add(-time.Hour).Format(time.RFC3339)) + "&end=" + url.QueryEscape(dataTime.Format(time.RFC3339))
	at := "&time=" + url.QueryEscape(dataTime.Format(time.RFC3339))
	for _, path := range []string{
		"/api/v1/query?query=rides_total" + at,
		"/api/v1/query_range?query=rides_total&step=60" + window,
		"/api/v1/series?match[]=rides_total" + window,
		"/api/v1/label/city/values?x=" + window,
		"/api/v1/query_exemplars?query=rides_total" + window,
		"/api/v1/metadata",
	} {
		_, _, all := s.get(t, path, "")
		_, _, shop := s.get(t, path, "shop")
		_, _, none := s.get(t, path, "nobody")
		if !strings.Contains(all, "shop") {
			t.Errorf("%s: the whole scope does not see shop: %s", path, all)
		}
		for _, foreign := range []string{`"tokyo"`, `"Rides of "`, `"trace_id":"t"`} {
			if strings.Contains(shop, foreign) {
				t.Errorf("%s: shop sees another product: %s", path, shop)
			}
		}
		if !strings.Contains(shop, "shop") {
			t.Errorf("%s: shop does not see its own: %s", path, shop)
		}
		if strings.Contains(none, "tokyo") || strings.Contains(none, "Rides") {
			t.Errorf("%s: an unknown product sees %s", path, none)
		}
	}
	for path := range wholeInstallation {
		if code, _, body := s.get(t, path, "shop"); code != http.StatusForbidden {
			t.Errorf("%s with a narrow scope = %d %s", path, code, body)
		}
	}
}

func TestRemoteReadStaysInScopeAndKnownEncodings(t *testing.T) {
	s := newServer(t)
	query := &prompb.Query{StartTimestampMs: 0, EndTimestampMs: math.MaxInt64, Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_EQ, Name: "__name__", Value: "rides_total"}}}
	body, err := proto.Marshal(&prompb.ReadRequest{Queries: []*prompb.Query{query},
		AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/read", bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Products", "shop")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	reader := remote.NewChunkedReader(resp.Body, 1<<20, nil)
	series := 0
	for {
		var part prompb.ChunkedReadResponse
		if err := reader.NextProto(&part); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, cs := range part.ChunkedSeries {
			series++
			for _, l := range cs.Labels {
				if l.Name == "product" && l.Value != "shop" {
					t.Errorf("foreign series %v", cs.Labels)
				}
			}
			for _, c := range cs.Chunks {
				if c.Type != prompb.Chunk_XOR {
					t.Errorf("chunk encoding %v", c.Type)
				}
			}
		}
	}
	if series != 1 {
		t.Errorf("%d series, want 1", series)
	}
}

func TestAnswersCarryStatistics(t *testing.T) {
	s := newServer(t)
	_, data, body := s.get(t, "/api/v1/query?query=rides_total&stats=all&time="+url.QueryEscape(dataTime.Format(time.RFC3339)), "")
	var answer struct {
		Stats struct {
			Samples struct{ TotalQueryableSamples int }
		}
	}
	if err := json.Unmarshal(data, &answer); err != nil || answer.Stats.Samples.TotalQueryableSamples != 2 {
		t.Errorf("statistics: %v %s", err, body)
	}
}

func TestBadRequests(t *testing.T) {
	s := newServer(t)
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/api/v1/query?query=sum(":                           {400, "1:5"},
		"/api/v1/query?query=m&time=yesterday":               {400, "time"},
		"/api/v1/query_range?query=m&start=2&end=1&step=1":   {400, "end"},
		"/api/v1/query_range?query=m&start=0&end=1e9&step=1": {400, "11,000"},
		"/api/v1/series":                             {400, "match[]"},
		"/api/v1/metadata?limit=x":                   {400, "limit"},
		"/api/v1/admin/tsdb/delete_series":           {405, ""},
		"/api/v1/no_such_path":                       {404, ""},
		"/api/v1/parse_query?query=sum(rate(m[5m]))": {200, "rate"},
		"/api/v1/format_query?query=sum%20%20(m)":    {200, "sum(m)"},
	} {
		code, _, body := s.get(t, path, "")
		if code != want.code || !strings.Contains(body, want.text) {
			t.Errorf("%s = %d %s, want %d with %q", path, code, body, want.code, want.text)
		}
	}
	s.ready = errors.New("store is still opening")
	if code, _, body := s.get(t, "/api/v1/query?query=1", ""); code != 503 || !strings.Contains(body, "still opening") {
		t.Errorf("not ready = %d %s", code, body)
	}
}

func TestReleaseOf(t *testing.T) {
	for module, want := range map[string]string{"v0.313.5": "3.13.5", "v0.300.0": "3.0.0", "": "3.0.0", "(devel)": "3.0.0", "v0.55.1": "3.0.0"} {
		if got := releaseOf(module); got != want {
			t.Errorf("releaseOf(%q) = %q, want %q", module, got, want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("New without parts succeeded")
	}
}
