package metricstore

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"hinomi/internal/model"
)

func otlpCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// otlpLoad is 50 services with 20 metrics of 20 points each: 20,000 points, of
// which a quarter are histograms of 10 buckets.
func otlpLoad(at time.Time) []pmetric.Metrics {
	var out []pmetric.Metrics
	for svc := range 50 {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		a := rm.Resource().Attributes()
		a.PutStr("service.name", fmt.Sprintf("service-%d", svc))
		a.PutStr("service.instance.id", fmt.Sprintf("i-%d", svc))
		a.PutStr("service.version", "1.2.3")
		a.PutStr("host.name", fmt.Sprintf("host-%d", svc%10))
		sm := rm.ScopeMetrics().AppendEmpty()
		sm.Scope().SetName("lib")
		for m := range 20 {
			x := sm.Metrics().AppendEmpty()
			x.SetName(fmt.Sprintf("http.server.metric_%d", m))
			x.SetUnit("s")
			x.SetDescription("What it says.")
			attrs := func(p interface{ Attributes() pcommon.Map }, i int) {
				p.Attributes().PutStr("http.request.method", "GET")
				p.Attributes().PutStr("http.route", fmt.Sprintf("/api/v1/things/%d", i))
				p.Attributes().PutInt("http.response.status_code", int64(200+i%5))
			}
			ts := pcommon.NewTimestampFromTime(at)
			if m%4 == 0 {
				h := x.SetEmptyHistogram()
				h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				for i := range 20 {
					p := h.DataPoints().AppendEmpty()
					p.SetTimestamp(ts)
					p.SetCount(uint64(100 + i))
					p.SetSum(float64(i))
					p.ExplicitBounds().FromRaw([]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5})
					p.BucketCounts().FromRaw([]uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
					attrs(p, i)
				}
				continue
			}
			s := x.SetEmptySum()
			s.SetIsMonotonic(true)
			s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for i := range 20 {
				p := s.DataPoints().AppendEmpty()
				p.SetTimestamp(ts)
				p.SetDoubleValue(float64(i))
				attrs(p, i)
			}
		}
		out = append(out, md)
	}
	return out
}

func BenchmarkOTLP(b *testing.B) {
	at := time.Now().Add(-time.Hour)
	s := openTest(b, b.TempDir(), func(o *Options) { o.Now = time.Now })
	post := func(load []pmetric.Metrics) {
		for _, md := range load {
			if res, err := s.AppendOTLP(context.Background(), model.ScopeAll(), md); err != nil || res.RejectedTotal() > 0 {
				b.Fatal(res, err)
			}
		}
	}
	post(otlpLoad(at))
	samples := 50 * (15*20 + 5*20*12)
	b.ReportAllocs()
	cpu := 0.0
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		at = at.Add(time.Second)
		load := otlpLoad(at)
		runtime.GC()
		before := otlpCPU()
		b.StartTimer()
		post(load)
		b.StopTimer()
		cpu += otlpCPU() - before
		b.StartTimer()
	}
	b.ReportMetric(cpu/float64(b.N*samples)*1e6, "cpu-s/Msample")
}
