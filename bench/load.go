package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// load is one kind of rows to send.
type load struct {
	name, folder string // folder of the data directory
	profile      string // name of its CPU profile
	rows, batch  int
	path         string
	header       map[string]string
	otlp         bool
	encode       func(request int) ([]byte, error) // rows of one request
}

type result struct {
	encoded, rate  float64
	cpu, disk, rss string
}

// settle is how long after the load the server's CPU time still counts: flushes
// and compactions belong to the ingest.
const settle = 15 * time.Second

func measure(ctx context.Context, srv *server, l load, o options) (result, error) {
	if err := srv.start(ctx); err != nil {
		return result{}, err
	}
	requests := (l.rows + l.batch - 1) / l.batch
	if o.profile != "" && srv.cmd != nil {
		stop := profile(srv, filepath.Join(o.profile, l.profile+".pprof"))
		defer stop()
	}
	cpu0, err := srv.cpu()
	if err != nil {
		return result{}, err
	}
	disk0, _ := srv.diskBytes(l.folder)
	start := time.Now()
	var bytes, next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, o.senders)
	base := srv.base
	if l.otlp {
		base = srv.otlp
	}
	for range o.senders {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= requests {
					return
				}
				body, err := l.encode(i)
				if err == nil {
					bytes.Add(int64(len(body)))
					err = srv.post(ctx, base+l.path, "application/x-protobuf", l.header, body, l.otlp)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-errs:
		return result{}, err
	default:
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	cpu1, err := srv.cpu()
	if err != nil {
		return result{}, err
	}
	sent := float64(requests * l.batch)
	r := result{encoded: float64(bytes.Load()) / sent, rate: sent / took.Seconds(), cpu: "-", disk: "-", rss: "-"}
	if srv.pid != 0 {
		r.cpu = fmt.Sprintf("%.2f", (cpu1-cpu0).Seconds()/sent*1e6)
		r.rss = srv.peakRSS()
	}
	if total, wal := srv.diskBytes(l.folder); srv.dir != "" {
		r.disk = fmt.Sprintf("%.1f (of it WAL %.1f)", float64(total-disk0)/sent, float64(wal)/sent)
	}
	return r, nil
}

// profile records the server's CPU until the returned function is called.
func profile(srv *server, file string) func() {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.base+"/debug/pprof/profile?seconds=20", nil)
		if err != nil {
			return
		}
		resp, err := srv.client.Do(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		if f, err := os.Create(file); err == nil {
			_, _ = io.Copy(f, resp.Body)
			_ = f.Close()
		}
	}()
	return func() {
		select {
		case <-done:
		case <-time.After(20 * time.Second):
		}
		cancel()
		<-done
	}
}

// freshID makes the ids of every repetition of the data set different, and
// equal for logs and spans of the same repetition.
func freshID(id string, repetition int) string {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) < 8 {
		b = make([]byte, 16)
		copy(b, id)
	}
	x := binary.LittleEndian.Uint64(b) ^ uint64(repetition)*0x9E3779B97F4A7C15
	binary.LittleEndian.PutUint64(b, x)
	return string(b)
}

// began is when the rows of a run seem to have happened: a whole minute, because
// what a rate extrapolates depends on the fraction of a second.
var began int64

// beginning is early enough that no row of a run is of the future, which a server
// may refuse.
func beginning(o options, now time.Time) int64 {
	lasts := time.Duration(max(o.logs, o.spans))*rowNanos + 15*time.Minute
	return now.Add(-max(30*time.Minute, lasts)).Truncate(time.Minute).UnixNano()
}

// rowNanos is the time from a log row or span to the next.
const rowNanos = 100_000

func logLoad(set *dataSet, o options, d dialect) load {
	return load{name: "logs", folder: d.folders[0], profile: "logs", rows: o.logs, batch: o.batch, path: d.logs, otlp: true, encode: func(request int) ([]byte, error) {
		rng := rand.New(rand.NewPCG(1, uint64(request)))
		ld := plog.NewLogs()
		byPod := map[string]plog.ScopeLogs{}
		for i := range o.batch {
			n := request*o.batch + i
			row := set.logs[n%len(set.logs)]
			sl, ok := byPod[row.pod]
			if !ok {
				rl := ld.ResourceLogs().AppendEmpty()
				resource(rl.Resource().Attributes(), row.service, row.pod, row.node)
				sl = rl.ScopeLogs().AppendEmpty()
				byPod[row.pod] = sl
			}
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.Timestamp(began + int64(n)*rowNanos))
			lr.SetObservedTimestamp(lr.Timestamp() + 1_000_000)
			lr.SetSeverityText(row.level)
			lr.SetSeverityNumber(map[string]plog.SeverityNumber{"INFO": plog.SeverityNumberInfo, "WARN": plog.SeverityNumberWarn, "ERROR": plog.SeverityNumberError}[row.level])
			lr.Body().SetStr(row.body)
			lr.SetTraceID(pcommon.TraceID([]byte(freshID(row.trace, n/len(set.logs))[:16])))
			lr.SetSpanID(pcommon.SpanID([]byte(freshID(row.span, n/len(set.logs))[:8])))
			a := lr.Attributes()
			a.PutStr("request.id", fmt.Sprintf("%016x", rng.Uint64()))
			a.PutInt("http.response.status_code", int64(200+100*(rng.IntN(100)/97)))
			a.PutStr("http.route", routes[rng.IntN(len(routes))])
			a.PutStr("client.address", fmt.Sprintf("10.%d.%d.%d", rng.IntN(4), rng.IntN(250), rng.IntN(250)))
			a.PutDouble("duration_ms", float64(rng.IntN(100000))/100)
		}
		return plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	}}
}

var routes = []string{"/api/v1/orders", "/api/v1/orders/{id}", "/api/v1/routes", "/api/v1/stations", "/api/v1/pay", "/api/v1/login", "/api/v1/tickets", "/api/v1/food"}

func resource(m pcommon.Map, service, pod, node string) {
	m.PutStr("service.name", service)
	m.PutStr("k8s.pod.name", pod)
	m.PutStr("k8s.node.name", node)
	m.PutStr("k8s.namespace.name", "ts")
}

// spanDraws are the values of a span that chance decides.
type spanDraws struct {
	failed           bool
	status           int64
	route, requestID string
}

func drawSpan(rng *rand.Rand) spanDraws {
	return spanDraws{
		failed: rng.IntN(100) == 0, status: int64(200 + 300*(rng.IntN(100)/99)), route: routes[rng.IntN(len(routes))],
		requestID: fmt.Sprintf("%016x", rng.Uint64()),
	}
}

// spanRand is the chance of a request.
func spanRand(request int) *rand.Rand { return rand.New(rand.NewPCG(2, uint64(request))) }

// spanDrawsOf are the values of the nth span of all.
func spanDrawsOf(n, batch int) (d spanDraws) {
	rng := spanRand(n / batch)
	for range n%batch + 1 {
		d = drawSpan(rng)
	}
	return d
}

func spanLoad(set *dataSet, o options, d dialect) load {
	return load{name: "spans", folder: d.folders[1], profile: "traces", rows: o.spans, batch: o.batch, path: d.spans, otlp: true, encode: func(request int) ([]byte, error) {
		rng := spanRand(request)
		td := ptrace.NewTraces()
		byPod := map[string]ptrace.ScopeSpans{}
		for i := range o.batch {
			n := request*o.batch + i
			row, rep := set.spans[n%len(set.spans)], n/len(set.spans)
			ss, ok := byPod[row.pod]
			if !ok {
				rs := td.ResourceSpans().AppendEmpty()
				resource(rs.Resource().Attributes(), row.service, row.pod, "")
				ss = rs.ScopeSpans().AppendEmpty()
				byPod[row.pod] = ss
			}
			sp := ss.Spans().AppendEmpty()
			sp.SetTraceID(pcommon.TraceID([]byte(freshID(row.trace, rep)[:16])))
			sp.SetSpanID(pcommon.SpanID([]byte(freshID(row.span, rep)[:8])))
			if row.parent != "root" {
				sp.SetParentSpanID(pcommon.SpanID([]byte(freshID(row.parent, rep)[:8])))
			}
			sp.SetName(row.name)
			sp.SetKind(ptrace.SpanKindServer)
			sp.SetStartTimestamp(pcommon.Timestamp(began + int64(n)*rowNanos))
			sp.SetEndTimestamp(sp.StartTimestamp() + pcommon.Timestamp(row.duration))
			drawn := drawSpan(rng)
			if drawn.failed {
				sp.Status().SetCode(ptrace.StatusCodeError)
			}
			sp.Attributes().PutInt("http.response.status_code", drawn.status)
			sp.Attributes().PutStr("http.route", drawn.route)
			sp.Attributes().PutStr("request.id", drawn.requestID)
		}
		return ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	}}
}

// Series of one instance, perInstance in all: requests by route and code, a
// histogram of six routes, and gauges.
var (
	codes  = []string{"200", "404", "500"}
	bounds = []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"}
)

const (
	perInstance     = 100
	requestSeries   = 24 // 8 routes, 3 codes
	histogramSeries = 72 // 6 routes, 12 buckets
	scrapeMs        = 15_000
)

// series is the labels of a series, sorted by name, and its value at a scrape.
func series(s, scrape int) ([]prompb.Label, float64) {
	k, instance := s%perInstance, s/perInstance
	labels := []prompb.Label{
		{Name: "__name__"}, {Name: "instance", Value: fmt.Sprintf("host-%d:9100", instance)},
		{Name: "job", Value: "bench"}, {Name: "service", Value: fmt.Sprintf("svc-%d", instance%50)},
	}
	add := func(at int, name, value string) {
		labels = slices.Insert(labels, at, prompb.Label{Name: name, Value: value})
	}
	switch {
	case k < requestSeries:
		labels[0].Value = "http_requests_total"
		add(1, "code", codes[k%3])
		add(4, "route", routes[k/3])
		return labels, float64(scrape*(1+s%7) + s%1000)
	case k < requestSeries+histogramSeries:
		h := k - requestSeries
		labels[0].Value = "http_request_duration_seconds_bucket"
		add(3, "le", bounds[h%12])
		add(4, "route", routes[h/12])
		return labels, float64(scrape * (1 + h%12) * (1 + instance%3))
	}
	labels[0].Value = fmt.Sprintf("bench_gauge_%d", k)
	return labels, float64((scrape*31 + s) % 1009)
}

func sampleLoad(o options, d dialect) load {
	const perRequest = 2000
	return load{name: "samples (remote write 1)", folder: d.folders[2], profile: "metrics", rows: o.samples, batch: perRequest, path: d.samples,
		header: map[string]string{"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"},
		encode: func(request int) ([]byte, error) {
			var req prompb.WriteRequest
			for i := range perRequest {
				n := request*perRequest + i
				labels, value := series(n%o.series, n/o.series)
				req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
					Labels: labels, Samples: []prompb.Sample{{Timestamp: began/1e6 + int64(n/o.series)*scrapeMs, Value: value}},
				})
			}
			body, err := req.Marshal()
			return snappy.Encode(nil, body), err
		}}
}
