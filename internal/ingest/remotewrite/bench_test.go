package remotewrite

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"google.golang.org/protobuf/encoding/protowire"

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

// run posts rounds of all series. The bodies are encoded once; for each round
// their timestamps are overwritten in place, so that what is measured is not
// the garbage of a sender.
func run(b *testing.B, send func([]byte, string) *httptest.ResponseRecorder, contentType string, request func(from int, at int64) []byte) {
	at := time.Now().Add(-time.Hour).UnixMilli()
	var messages, bodies [][]byte
	for from := 0; from < benchSeries; from += benchBatch {
		messages = append(messages, request(from, at))
		bodies = append(bodies, nil)
	}
	encodeRound := func() {
		old := protowire.AppendVarint(nil, uint64(at))
		at += 1000
		now := protowire.AppendVarint(nil, uint64(at))
		for i, m := range messages {
			for rest := m; ; {
				n := bytes.Index(rest, old)
				if n < 0 {
					break
				}
				copy(rest[n:], now)
				rest = rest[n+len(old):]
			}
			bodies[i] = snappy.Encode(bodies[i][:cap(bodies[i])], m)
		}
	}
	post := func() {
		for _, body := range bodies {
			if w := send(body, contentType); w.Code != http.StatusNoContent {
				b.Fatal(w.Code, w.Body)
			}
		}
	}
	for range 3 { // creates the series, fills the caches
		encodeRound()
		post()
	}
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	cpu := 0.0
	for range b.N {
		b.StopTimer()
		encodeRound()
		before := cpuSeconds()
		b.StartTimer()
		post()
		b.StopTimer()
		cpu += cpuSeconds() - before
		b.StartTimer()
	}
	samples := float64(b.N) * benchSeries
	b.ReportMetric(cpu/samples*1e6, "cpu-s/Msample")
	b.ReportMetric(samples/b.Elapsed().Seconds(), "samples/s")
}

func marshal(b *testing.B, m proto.Message) []byte {
	out, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func BenchmarkVersion1(b *testing.B) {
	run(b, newIntake(b, model.ScopeAll()).post, "", version1(b))
}

func BenchmarkVersion2(b *testing.B) {
	run(b, newIntake(b, model.ScopeAll()).post, contentV2, version2(b))
}

// BenchmarkPrometheus is the same load on Prometheus' handler and a plain TSDB,
// which does not sync.
func BenchmarkPrometheus(b *testing.B) {
	b.Run("1", func(b *testing.B) { run(b, newOracle(b).post, "application/x-protobuf", version1(b)) })
	b.Run("2", func(b *testing.B) { run(b, newOracle(b).post, contentV2, version2(b)) })
}

func version1(b *testing.B) func(from int, at int64) []byte {
	return func(from int, at int64) []byte {
		req := &prompb.WriteRequest{}
		for i := from; i < from+benchBatch; i++ {
			req.Timeseries = append(req.Timeseries, prompb.TimeSeries{Labels: pairs(benchLabels(i)...), Samples: []prompb.Sample{{Value: float64(at%1000 + int64(i)), Timestamp: at}}})
		}
		return marshal(b, req)
	}
}

func version2(b *testing.B) func(from int, at int64) []byte {
	return func(from int, at int64) []byte {
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
		return marshal(b, req)
	}
}
