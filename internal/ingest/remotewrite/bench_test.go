package remotewrite

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"hinomi/internal/model"
)

// The load: 100 k series of ten labels, one sample each per round, in requests
// of 2000 samples as Prometheus sends them.
const (
	benchSeries = 100_000
	benchBatch  = 2000
)

func benchLabels(i int) []string {
	return []string{
		"__name__", "http_server_request_duration_seconds_count", "cluster", "tokyo-1", "env", "production",
		"http_request_method", "GET", "http_response_status_code", fmt.Sprint(200 + i%5), "http_route", fmt.Sprintf("/api/v1/things/%d", i%200),
		"instance", fmt.Sprintf("10.0.%d.%d:9090", i/1000%256, i%256), "job", fmt.Sprintf("rideshare/service-%d", i%15),
		"service_version", "1.24.3", "series", fmt.Sprint(i),
	}
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// run posts rounds of all series; encoding is outside of the clock.
func run(b *testing.B, contentType string, request func(from int, at int64) []byte) {
	in := newIntake(b, model.ScopeAll())
	start := time.Now().Add(-time.Hour)
	round := 0
	post := func(bodies [][]byte) {
		for _, body := range bodies {
			if w := in.post(body, contentType); w.Code != http.StatusNoContent {
				b.Fatal(w.Code, w.Body)
			}
		}
	}
	encodeRound := func() [][]byte {
		var bodies [][]byte
		at := start.Add(time.Duration(round) * time.Second).UnixMilli()
		for from := 0; from < benchSeries; from += benchBatch {
			bodies = append(bodies, request(from, at))
		}
		round++
		return bodies
	}
	post(encodeRound()) // creates the series
	b.ReportAllocs()
	b.ResetTimer()
	cpu := 0.0
	for range b.N {
		b.StopTimer()
		bodies := encodeRound()
		before := cpuSeconds()
		b.StartTimer()
		post(bodies)
		b.StopTimer()
		cpu += cpuSeconds() - before
		b.StartTimer()
	}
	samples := float64(b.N) * benchSeries
	b.ReportMetric(cpu/samples*1e6, "cpu-s/Msample")
	b.ReportMetric(samples/b.Elapsed().Seconds(), "samples/s")
}

func BenchmarkVersion1(b *testing.B) {
	run(b, "", func(from int, at int64) []byte {
		req := &prompb.WriteRequest{}
		for i := from; i < from+benchBatch; i++ {
			req.Timeseries = append(req.Timeseries, prompb.TimeSeries{Labels: pairs(benchLabels(i)...), Samples: []prompb.Sample{{Value: float64(at%1000 + int64(i)), Timestamp: at}}})
		}
		return encode(b, req)
	})
}

func BenchmarkVersion2(b *testing.B) {
	run(b, contentV2, func(from int, at int64) []byte {
		symbols := writev2.NewSymbolTable()
		req := &writev2.Request{}
		for i := from; i < from+benchBatch; i++ {
			var refs []uint32
			for _, s := range benchLabels(i) {
				refs = append(refs, symbols.Symbolize(s))
			}
			req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: refs, Samples: []writev2.Sample{{Value: float64(at%1000 + int64(i)), Timestamp: at}}})
		}
		req.Symbols = symbols.Symbols()
		return encode(b, req)
	})
}
