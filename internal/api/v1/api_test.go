package v1_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	v1 "hinomi/internal/api/v1"
)

// An hour of four services: shop is fine, pay fails since minute 100 because its
// bank does, slow has become slow, and quiet stopped. worker consumes messages,
// named sends no spans at all.
const company = `
load 30s
  traces_spanmetrics_calls_total{service="shop",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 0+60x240
  traces_spanmetrics_calls_total{service="shop",span_name="bank",span_kind="SPAN_KIND_CLIENT",status_code="STATUS_CODE_ERROR"} 0+60x240
  traces_spanmetrics_calls_total{service="pay",span_name="POST /pay",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 0+30x240
  traces_spanmetrics_calls_total{service="pay",span_name="POST /pay",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"} 0+0x200 10+10x40
  traces_spanmetrics_calls_total{service="slow",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 0+30x240
  traces_spanmetrics_latency_bucket{service="slow",span_kind="SPAN_KIND_SERVER",le="0.1"} 0+30x200 6000+0x40
  traces_spanmetrics_latency_bucket{service="slow",span_kind="SPAN_KIND_SERVER",le="1"} 0+30x240
  traces_spanmetrics_latency_bucket{service="slow",span_kind="SPAN_KIND_SERVER",le="+Inf"} 0+30x240
  traces_spanmetrics_calls_total{service="quiet",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 0+30x200 6000+0x40
  traces_spanmetrics_calls_total{service="worker",span_name="orders process",span_kind="SPAN_KIND_CONSUMER",status_code="STATUS_CODE_UNSET"} 0+30x240
  target_info{job="team/named"} 1+0x240
  traces_service_graph_request_total{client="pay",server="bank",connection_type="virtual_node"} 0+30x240
  traces_service_graph_request_failed_total{client="pay",server="bank",connection_type="virtual_node"} 0+0x200 10+10x40
  traces_service_graph_request_total{client="shop",server="pay",connection_type=""} 0+90x240
  traces_service_graph_request_total{client="pay",server="postgres",connection_type="database"} 0+90x240
`

var now = time.Unix(0, 0).Add(2 * time.Hour)

func options(t *testing.T) v1.Options {
	t.Helper()
	storage := promqltest.LoadedStorage(t, company)
	t.Cleanup(func() { _ = storage.Close() })
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	instant, ranged := v1.PromQL(engine, storage)
	return v1.Options{
		Instant: instant, Range: ranged, Version: "v1", Started: now.Add(-time.Minute), Now: func() time.Time { return now },
		Ledger: func() []v1.LedgerEntry {
			return []v1.LedgerEntry{{Source: "otlp", Signal: "traces", Received: 700, Stored: 600, LastSeen: now.UnixMilli()}}
		},
	}
}

func ask[T any](t *testing.T, o v1.Options, path string, status int) T {
	t.Helper()
	h, err := v1.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, v1.Prefix+path, nil))
	if w.Code != status {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	var out T
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v in %s", path, err, w.Body)
	}
	return out
}

// near allows for the extrapolation of rate().
func near(got, want float64) bool { return math.Abs(got-want) < 0.001 }

type servicesAnswer struct{ Services []v1.Service }

func find(t *testing.T, list []v1.Service, name string) v1.Service {
	t.Helper()
	i := slices.IndexFunc(list, func(s v1.Service) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no %s in %+v", name, list)
	}
	return list[i]
}

func TestServicesAreJudgedWorstFirst(t *testing.T) {
	got := ask[servicesAnswer](t, options(t), "/services", 200).Services
	var names []string
	for _, s := range got {
		names = append(names, s.Name+" "+string(s.State)+" "+s.Verdict.Code)
	}
	want := []string{
		"pay broken errors", "slow risk slow", "named unknown noSpans", "quiet unknown noTraffic", "shop ok ok", "worker ok ok",
	}
	if !slices.Equal(names, want) {
		t.Fatalf("got %q, want %q", names, want)
	}
}

func TestOneServiceIsJudgedAtTheEndOfTheRange(t *testing.T) {
	for to, want := range map[time.Time]v1.State{now: v1.Broken, now.Add(-time.Hour): v1.OK} {
		path := fmt.Sprintf("/services/pay?from=%d&to=%d", to.Add(-30*time.Minute).UnixMilli(), to.UnixMilli())
		if got := ask[v1.ServiceDetail](t, options(t), path, 200); got.State != want {
			t.Errorf("at %s it is %s, want %s", to.UTC(), got.State, want)
		}
	}
}

func TestVerdictNamesWhatIsWrong(t *testing.T) {
	services := ask[servicesAnswer](t, options(t), "/services", 200).Services
	pay := find(t, services, "pay")
	v := pay.Verdict
	if !near(v.ErrorShare, 0.25) || v.Operation != "POST /pay" || v.Dependency != "bank" || !near(v.Rate, 40.0/30) {
		t.Errorf("pay: %+v", v)
	}
	// Errors begin in minute 100; the grid and the averaging may shift it by a step or two.
	if since := time.UnixMilli(v.Since); since.Before(time.Unix(99*60, 0)) || since.After(time.Unix(103*60, 0)) {
		t.Errorf("pay fails since %s", since.UTC())
	}
	slow := find(t, services, "slow")
	if v := slow.Verdict; v.P99 < 900 || v.P99Before > 100 || v.Compared != "hourAgo" || !near(*slow.Before.Rate, 1) {
		t.Errorf("slow: %+v", v)
	}
	if shop := find(t, services, "shop"); *shop.Now.ErrorShare != 0 {
		t.Errorf("failing calls of a client are not failing requests: %v", *shop.Now.ErrorShare)
	}
	if n := len(pay.Spark.Rate); n != len(pay.Spark.ErrorShare) || n != len(pay.Spark.P99) || n < 60 || pay.Spark.Step != 60_000 {
		t.Errorf("sparkline of %d steps of %d ms", n, pay.Spark.Step)
	}
}

func TestANewServiceIsComparedWithItself(t *testing.T) {
	o := options(t)
	// Nothing an hour before minute 50 of this company; slow is slow since minute 40.
	storage := promqltest.LoadedStorage(t, `
load 30s
  traces_spanmetrics_calls_total{service="new",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 0+30x100
  traces_spanmetrics_latency_bucket{service="new",span_kind="SPAN_KIND_SERVER",le="0.1"} 0+30x80 2400+0x20
  traces_spanmetrics_latency_bucket{service="new",span_kind="SPAN_KIND_SERVER",le="1"} 0+30x100
  traces_spanmetrics_latency_bucket{service="new",span_kind="SPAN_KIND_SERVER",le="+Inf"} 0+30x100
`)
	t.Cleanup(func() { _ = storage.Close() })
	o.Instant, o.Range = v1.PromQL(promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery), storage)
	v := ask[servicesAnswer](t, o, "/services?to=3000000", 200).Services[0].Verdict
	if v.Code != "slow" || v.Compared != "range" || v.P99Before > 100 || v.P99 < 900 {
		t.Errorf("%+v", v)
	}
}

func TestServiceHasOperationsAndNeighbours(t *testing.T) {
	pay := ask[v1.ServiceDetail](t, options(t), "/services/pay", 200)
	if len(pay.Operations) != 1 || pay.Operations[0].Name != "POST /pay" || pay.Operations[0].Kind != "server" || !near(*pay.Operations[0].ErrorShare, 0.25) {
		t.Errorf("operations: %+v", pay.Operations)
	}
	if len(pay.Calls) != 2 || pay.Calls[0].Name != "bank" || pay.Calls[1].Type != "database" || !near(pay.Calls[1].Share, 0.75) {
		t.Errorf("calls: %+v", pay.Calls)
	}
	if len(pay.CalledBy) != 1 || pay.CalledBy[0].Name != "shop" || !near(*pay.CalledBy[0].Rate, 3) {
		t.Errorf("called by: %+v", pay.CalledBy)
	}
	worker := ask[v1.ServiceDetail](t, options(t), "/services/worker", 200)
	if worker.Operations[0].Kind != "consumer" || worker.Calls == nil {
		t.Errorf("worker: %+v", worker)
	}
}

func TestTheRangeDecidesWhenIsNow(t *testing.T) {
	before := ask[servicesAnswer](t, options(t), "/services?to=5400000", 200).Services // minute 90
	for _, name := range []string{"pay", "slow", "quiet"} {
		if s := find(t, before, name); s.State != v1.OK {
			t.Errorf("%s was %s: %+v", name, s.State, s.Verdict)
		}
	}
}

func TestAlertsChangeTheState(t *testing.T) {
	o := options(t)
	alerts := []v1.Alert{
		{Name: "Old", State: "firing", Severity: "warning", Service: "shop", Since: 5},
		{Name: "Page", State: "firing", Severity: "critical", Service: "worker", Since: 9},
		{Name: "Soon", State: "pending", Severity: "critical", Service: "shop"},
		{Name: "Known", State: "firing", Severity: "critical", Service: "shop", Silenced: true},
	}
	o.Alerts = func(context.Context) ([]v1.Alert, error) { return alerts, nil }
	services := ask[servicesAnswer](t, o, "/services", 200).Services
	if s := find(t, services, "shop"); s.State != v1.Risk || s.Verdict.Code != "alert" || s.Verdict.Alert != "Old" || s.Verdict.Since != 5 {
		t.Errorf("shop: %s %+v", s.State, s.Verdict)
	}
	if s := find(t, services, "worker"); s.State != v1.Broken {
		t.Errorf("worker: %s %+v", s.State, s.Verdict)
	}
	all := ask[struct{ Alerts []v1.Alert }](t, o, "/overview", 200).Alerts
	if len(all) != 4 || all[0].Severity != "critical" || all[3].State != "pending" {
		t.Errorf("alerts: %+v", all)
	}
}

type overviewAnswer struct {
	Counts struct{ OK, Risk, Broken, Unknown int }
	Health v1.Health
	Intake []v1.Intake
}

func TestOverviewCountsAndJudgesHinomi(t *testing.T) {
	o := options(t)
	got := ask[overviewAnswer](t, o, "/overview", 200)
	if got.Counts.OK != 2 || got.Counts.Risk != 1 || got.Counts.Broken != 1 || got.Counts.Unknown != 2 || got.Health.Code != "ok" {
		t.Errorf("%+v", got)
	}
	if i := got.Intake[2]; i.Signal != "traces" || !near(i.PerSecond, 10) {
		t.Errorf("intake of the first minute: %+v", i)
	}

	entry := v1.LedgerEntry{Source: "loki", Signal: "logs", Received: 9, LastSeen: now.UnixMilli()}
	refused := entry
	refused.LastRejected, refused.LastRejection, refused.Rejected = now.UnixMilli()-1000, "too_old: x", map[string]int64{"too_old": 4}
	longAgo := refused
	longAgo.LastRejected -= time.Hour.Milliseconds()
	silent := entry
	silent.LastSeen -= time.Hour.Milliseconds()
	for want, c := range map[string]struct {
		ledger []v1.LedgerEntry
		stores []v1.StoreStatus
		ready  error
	}{
		"ok":         {ledger: []v1.LedgerEntry{longAgo}},
		"empty":      {},
		"quiet":      {ledger: []v1.LedgerEntry{silent}},
		"rejecting":  {ledger: []v1.LedgerEntry{entry, refused}},
		"damaged":    {ledger: []v1.LedgerEntry{refused}, stores: []v1.StoreStatus{{Name: "logs", Damaged: 1}}},
		"storeError": {stores: []v1.StoreStatus{{Name: "logs", Damaged: 1}, {Name: "traces", Error: "disk"}}},
		"notReady":   {ready: errors.New("opening")},
	} {
		o.Ledger = func() []v1.LedgerEntry { return c.ledger }
		o.Stores = func(context.Context) []v1.StoreStatus { return c.stores }
		o.Ready = func() error { return c.ready }
		if h := ask[overviewAnswer](t, o, "/overview", 200).Health; h.Code != want {
			t.Errorf("health is %+v, want %s", h, want)
		}
	}
}

func TestStatusListsLedgerAndStores(t *testing.T) {
	o := options(t)
	o.Stores = func(context.Context) []v1.StoreStatus { return []v1.StoreStatus{{Name: "logs", Rows: 3, Bytes: 5}} }
	got := ask[struct {
		Version       string
		UptimeSeconds float64
		Ready         bool
		Ledger        []v1.LedgerEntry
		Stores        []v1.StoreStatus
	}](t, o, "/status", 200)
	if got.Version != "v1" || got.UptimeSeconds != 60 || !got.Ready || got.Stores[0].Rows != 3 || got.Ledger[0].Rejected == nil {
		t.Errorf("%+v", got)
	}
}

type problem struct {
	Title, Detail string
	Status        int
}

func TestErrorsAreProblemDocuments(t *testing.T) {
	o := options(t)
	for path, status := range map[string]int{
		"/services/nobody": 404, "/nothing": 404, "/services?from=5&to=4": 422, "/services?from=yesterday": 422,
	} {
		if p := ask[problem](t, o, path, status); p.Status != status || p.Detail == "" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	o.Instant = func(context.Context, string, time.Time) ([]v1.Sample, error) { return nil, errors.New("boom") }
	if p := ask[problem](t, o, "/overview", 500); p.Detail == "" {
		t.Errorf("%+v", p)
	}
	o.Ready = func() error { return errors.New("opening") }
	ask[problem](t, o, "/overview", 503)
}

func TestQueriesAreNeeded(t *testing.T) {
	if _, err := v1.New(v1.Options{}); err == nil {
		t.Fatal("an API without queries was made")
	}
}
