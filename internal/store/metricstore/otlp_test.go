package metricstore

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func stamp(d time.Duration) pcommon.Timestamp {
	return pcommon.NewTimestampFromTime(testNow.Add(d))
}

// resource adds a resource of service checkout with the given product.
func resource(md pmetric.Metrics, product string) pmetric.MetricSlice {
	rm := md.ResourceMetrics().AppendEmpty()
	a := rm.Resource().Attributes()
	a.PutStr("service.name", "checkout")
	a.PutStr("service.namespace", "rideshare")
	a.PutStr("service.instance.id", "i-1")
	a.PutStr("host.name", "h1")
	if product != "" {
		a.PutStr("product", product)
	}
	return rm.ScopeMetrics().AppendEmpty().Metrics()
}

func addSum(ms pmetric.MetricSlice, name string, at pcommon.Timestamp, v float64) pmetric.NumberDataPoint {
	m := ms.AppendEmpty()
	m.SetName(name)
	m.SetUnit("s")
	m.SetDescription("Help of " + name)
	s := m.SetEmptySum()
	s.SetIsMonotonic(true)
	s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := s.DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	p.SetStartTimestamp(stamp(-time.Hour))
	p.SetDoubleValue(v)
	p.Attributes().PutStr("http.route", "/pay")
	return p
}

func TestOTLPBecomesPrometheus(t *testing.T) {
	s := openTest(t, t.TempDir())
	md := pmetric.NewMetrics()
	ms := resource(md, "shop")
	p := addSum(ms, "http.requests", stamp(0), 7)
	e := p.Exemplars().AppendEmpty()
	e.SetTimestamp(stamp(0))
	e.SetDoubleValue(1)
	e.SetTraceID([16]byte{1})
	e.SetSpanID([8]byte{2})

	h := ms.AppendEmpty()
	h.SetName("http.latency")
	h.SetUnit("s")
	hist := h.SetEmptyHistogram()
	hist.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	hp := hist.DataPoints().AppendEmpty()
	hp.SetTimestamp(stamp(0))
	hp.SetCount(3)
	hp.SetSum(1.5)
	hp.ExplicitBounds().FromRaw([]float64{0.1, 1})
	hp.BucketCounts().FromRaw([]uint64{1, 1, 1})

	x := ms.AppendEmpty()
	x.SetName("http.native")
	exp := x.SetEmptyExponentialHistogram()
	exp.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	xp := exp.DataPoints().AppendEmpty()
	xp.SetTimestamp(stamp(0))
	xp.SetCount(4)
	xp.SetSum(10)
	xp.SetScale(3)
	xp.Positive().BucketCounts().FromRaw([]uint64{1, 3})

	res, err := s.AppendOTLP(context.Background(), model.ScopeAll(), md)
	if err != nil || res.Stored != 3 || res.RejectedTotal() != 0 {
		t.Fatalf("AppendOTLP = %+v, %v", res, err)
	}
	common := `instance="i-1", job="rideshare/checkout", product="shop", service_name="checkout", service_namespace="rideshare"`
	floats := read(t, s, model.ScopeAll(), labels.MustNewMatcher(labels.MatchNotEqual, labels.MetricName, "http_native"))
	for series, want := range map[string]float64{
		`{__name__="http_requests_seconds_total", http_route="/pay", ` + common + `}`: 7,
		`{__name__="http_latency_seconds_count", ` + common + `}`:                     3,
		`{__name__="http_latency_seconds_sum", ` + common + `}`:                       1.5,
		`{__name__="http_latency_seconds_bucket", instance="i-1", job="rideshare/checkout", le="1", product="shop", service_name="checkout", service_namespace="rideshare"}`: 2,
		`{__name__="target_info", host_name="h1", ` + common + `}`: 0,
	} {
		got := floats[series]
		if series[:15] == `{__name__="targ` {
			want = 1
			// target_info keeps its identifying attributes with their own names.
			if len(got) == 0 {
				got = floats[`{__name__="target_info", host_name="h1", instance="i-1", job="rideshare/checkout", product="shop", service_instance_id="i-1", service_name="checkout", service_namespace="rideshare"}`]
			}
		}
		if len(got) != 1 || got[0] != (point{ms0(), want}) {
			t.Errorf("%s = %v, want %v", series, got, want)
		}
	}

	q, err := s.Queryable(model.ScopeAll()).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "http_native"))
	if !set.Next() {
		t.Fatal("the exponential histogram is missing")
	}
	it := set.At().Iterator(nil)
	if it.Next() != chunkenc.ValHistogram {
		t.Fatal("it is not a native histogram")
	}
	if _, nh := it.AtHistogram(nil); nh.Count != 4 || nh.Schema != 3 {
		t.Errorf("native histogram = %v", nh)
	}
	eq, err := s.Queryable(model.ScopeAll()).ExemplarQuerier(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	found, err := eq.Select(0, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "http_requests_seconds_total")})
	if err != nil || len(found) != 1 || found[0].Exemplars[0].Labels.Get("trace_id") != "01000000000000000000000000000000" {
		t.Errorf("exemplars = %v, %v", found, err)
	}
	if m := s.Metadata(model.ScopeAll(), "http_requests_seconds_total"); len(m) != 1 {
		t.Errorf("metadata = %v", s.Metadata(model.ScopeAll(), ""))
	}
}

func ms0() int64 { return ms(0) }

// TestOTLPSentAgainIsStoredOnce sends requests again after newer ones: a sample is
// its series, time and value, so that no memory of requests is needed.
func TestOTLPSentAgainIsStoredOnce(t *testing.T) {
	s := openTest(t, t.TempDir())
	for range 2 {
		for i := range 3 {
			md := pmetric.NewMetrics()
			addSum(resource(md, "shop"), "http.requests", stamp(time.Duration(i)*time.Second), float64(i))
			if res, err := s.AppendOTLP(context.Background(), model.ScopeAll(), md); err != nil || res.RejectedTotal() != 0 {
				t.Fatalf("%+v, %v", res, err)
			}
		}
	}
	q, err := s.Queryable(model.ScopeAll()).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "http_requests_seconds_total"))
	n := 0
	for set.Next() {
		for it := set.At().Iterator(nil); it.Next() == chunkenc.ValFloat; n++ {
			if at, v := it.At(); at != ms0()+int64(v)*1000 {
				t.Errorf("sample %v at %d", v, at-ms0())
			}
		}
	}
	if n != 3 {
		t.Errorf("%d samples, want 3", n)
	}
}

func TestOTLPRefusesSinglePoints(t *testing.T) {
	s := openTest(t, t.TempDir())
	md := pmetric.NewMetrics()
	ms := resource(md, "")
	addSum(ms, "good", stamp(0), 1)
	addSum(ms, "future", stamp(10*365*24*time.Hour), 1)
	addSum(ms, "past", stamp(-10*365*24*time.Hour), 1)
	addSum(ms, "unset", 0, 1)
	addSum(ms, "utf8", stamp(0), 1).Attributes().PutStr("bad", "\xff\xfe")
	addSum(ms, "nokey", stamp(0), 1).Attributes().PutStr("", "x")
	addSum(ms, "", stamp(0), 1)
	ms.AppendEmpty().SetName("nothing in it")
	delta := ms.AppendEmpty()
	delta.SetName("delta")
	sum := delta.SetEmptySum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	sum.DataPoints().AppendEmpty().SetTimestamp(stamp(0))
	sum.DataPoints().AppendEmpty().SetTimestamp(stamp(0))

	res, err := s.AppendOTLP(context.Background(), model.ScopeAll(), md)
	if err != nil {
		t.Fatal(err)
	}
	want := map[store.RejectReason]int{store.RejectTooNew: 1, store.RejectTooOld: 2, store.RejectMalformed: 3, store.RejectUnsupported: 2}
	if res.Stored != 1 || fmt.Sprint(res.Rejected) != fmt.Sprint(want) {
		t.Errorf("stored %d, rejected %v (%v), want 1 and %v", res.Stored, res.Rejected, res.Example, want)
	}
	if len(read(t, s, model.ScopeAll(), labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "good_seconds_total"))) != 1 {
		t.Error("the good point is not stored")
	}
}

func TestOTLPStaysInScope(t *testing.T) {
	s := openTest(t, t.TempDir())
	shop := model.ScopeProducts(model.RoleEditor, "shop")
	md := pmetric.NewMetrics()
	addSum(resource(md, "bank"), "m", stamp(0), 1)
	addSum(resource(md, "shop"), "m", stamp(0), 2)
	addSum(resource(md, ""), "n", stamp(0), 3)
	res, err := s.AppendOTLP(context.Background(), shop, md)
	if err != nil || res.Stored != 2 || res.Rejected[store.RejectOutOfScope] != 1 {
		t.Fatalf("AppendOTLP = %+v, %v", res, err)
	}
	for series := range read(t, s, model.ScopeAll()) {
		if ls := series; !strings.Contains(ls, `product="shop"`) {
			t.Errorf("shop's credential wrote %s", series)
		}
	}
	// A point's own attribute cannot leave the scope either.
	md = pmetric.NewMetrics()
	addSum(resource(md, "shop"), "m", stamp(time.Second), 1).Attributes().PutStr("product", "bank")
	if res, err = s.AppendOTLP(context.Background(), shop, md); err != nil || res.Rejected[store.RejectOutOfScope] != 1 {
		t.Errorf("point attribute: %+v, %v", res, err)
	}
}

func TestOTLPWithoutDiskSpaceIsRetryable(t *testing.T) {
	s := openTest(t, t.TempDir(), func(o *Options) { o.MinFreeBytes = 10 })
	s.freeBytes = func(string) (int64, error) { return 1, nil }
	md := pmetric.NewMetrics()
	addSum(resource(md, ""), "m", stamp(0), 1)
	if res, err := s.AppendOTLP(context.Background(), model.ScopeAll(), md); !store.Retryable(err) || res.Stored != 0 {
		t.Errorf("AppendOTLP = %+v, %v", res, err)
	}
}

func BenchmarkAppendOTLP(b *testing.B) {
	const services, perService = 20, 50 // 1000 points a request, as an SDK batch
	s := openTest(b, b.TempDir(), func(o *Options) { o.Now = time.Now })
	start := time.Now().Add(-time.Hour)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		md := pmetric.NewMetrics()
		at := pcommon.NewTimestampFromTime(start.Add(time.Duration(i) * time.Millisecond * 100))
		for svc := range services {
			rm := md.ResourceMetrics().AppendEmpty()
			rm.Resource().Attributes().PutStr("service.name", fmt.Sprintf("svc-%d", svc))
			rm.Resource().Attributes().PutStr("service.instance.id", fmt.Sprintf("i-%d", svc))
			ms := rm.ScopeMetrics().AppendEmpty().Metrics()
			m := ms.AppendEmpty()
			m.SetName("http.server.requests")
			sum := m.SetEmptySum()
			sum.SetIsMonotonic(true)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for j := range perService {
				p := sum.DataPoints().AppendEmpty()
				p.SetTimestamp(at)
				p.SetIntValue(int64(i))
				p.Attributes().PutStr("http.route", "/api/v1/things")
				p.Attributes().PutStr("http.request.method", "GET")
				p.Attributes().PutInt("http.response.status_code", int64(200+j))
			}
		}
		if res, err := s.AppendOTLP(context.Background(), model.ScopeAll(), md); err != nil || res.Stored != services*perService {
			b.Fatal(res, err)
		}
		i++
	}
	b.ReportMetric(float64(b.N*services*perService)/b.Elapsed().Seconds(), "points/s")
}
