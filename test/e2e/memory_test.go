package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // The compressor that a sender uses.
	"google.golang.org/grpc/status"

	"hinomi/test/harness"
)

const (
	littleMemory = 256 << 20
	// mappedPages are pages of the binary, which the kernel may take back.
	mappedPages = 64 << 20
)

// stall begins a request that takes all memory for logs, and never goes on.
func stall(t *testing.T, h *harness.Hinomi) (end func()) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.OTLP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n\x0a", 10_000_000); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 10*time.Second, "the stalled request to be admitted", func() bool {
		return strings.Contains(metricsOf(t, h), `hinomi_memory_share_bytes{share="log_requests"} 3e+07`)
	})
	return func() { _ = conn.Close() }
}

func metricsOf(t *testing.T, h *harness.Hinomi) string {
	t.Helper()
	resp, err := http.Get(h.Base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHeavyLoadWithLittleMemory sends much more than there is memory for, by every
// way in: who is refused sends again, what was acknowledged is there once after a
// kill, alerts are written all the time, and the process keeps to its limit.
func TestHeavyLoadWithLittleMemory(t *testing.T) {
	h := harness.New(t, "limits: {memory: 256MiB}\nhost_metrics: {enabled: false}\nscrape_interval: 1s\nrules: {shipped: false, interval: 1s, files: [always.yaml]}\n")
	rule := "groups: [{name: always, rules: [{alert: Always, expr: vector(1)}]}]\n"
	if err := os.WriteFile(filepath.Join(h.Dir, "always.yaml"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start()
	conn, err := grpc.NewClient(h.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := plogotlp.NewGRPCClient(conn)

	const senders, requests, rows = 16, 12, 1000
	var refused, tooMany atomic.Int64
	send := func(sender, n int) (stored bool) {
		req := heavyRequest(sender, n, rows)
		ctx := context.Background()
		if sender%4 == 3 {
			_, err := client.Export(ctx, req, grpc.UseCompressor("gzip"))
			if err != nil && status.Code(err) != codes.Unavailable {
				t.Errorf("gRPC: %v", err)
				return true
			}
			return err == nil
		}
		body, typ, header := marshal(t, req), proto, []string{}
		switch sender % 4 {
		case 1:
			body, header = gzipped(body), []string{"Content-Encoding", "gzip"}
		case 2:
			var err error
			if body, err = req.MarshalJSON(); err != nil {
				t.Error(err)
				return true
			}
			typ = "application/json"
		}
		code, answer, err := h.Post(ctx, h.OTLP+"/v1/logs", typ, body, header...)
		if err == nil && code != http.StatusOK && code != http.StatusServiceUnavailable {
			t.Errorf("HTTP %d: %.300s", code, answer)
			return true
		}
		// A connection that was cut while the body was sent was refused as well.
		return err == nil && code == http.StatusOK
	}
	end := stall(t, h)
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for n := range requests {
				for !send(sender, n) {
					refused.Add(1)
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	harness.Eventually(t, 30*time.Second, "a refusal", func() bool { return refused.Load() >= senders })
	for n := range 10 {
		if !writeSample(t, h, n) {
			tooMany.Add(1)
		}
	}
	end()
	wg.Wait()
	if tooMany.Load() > 0 {
		t.Errorf("%d of 10 samples were refused while logs used up their memory", tooMany.Load())
	}
	if text := metricsOf(t, h); !strings.Contains(text, `hinomi_memory_refusals_total{reason="share",share="log_requests"}`) || strings.Contains(text, `hinomi_memory_refusals_total{reason="share",share="log_requests"} 0`) {
		t.Error("the refusals are not counted")
	}
	harness.Eventually(t, 10*time.Second, "a written alert", func() bool { return len(h.PromQL(`ALERTS{alertname="Always"}`, "alertname", time.Now())) == 1 })
	if p := statusBytes(t, h.PID(), "VmHWM:"); p > littleMemory+mappedPages {
		t.Errorf("%d MB were in use, the limit is %d MB", p>>20, littleMemory>>20)
	} else {
		t.Logf("peak of memory %d MB with a limit of %d MB, %d refusals", p>>20, littleMemory>>20, refused.Load())
	}
	h.Kill()
	h.Start()
	for sender := range senders {
		got := h.LogQL(fmt.Sprintf(`sum(count_over_time({service_name="heavy-%d"}[1h]))`, sender), "", time.Now())[""]
		if got != requests*rows {
			t.Errorf("sender %d: %v of %d acknowledged rows are stored", sender, got, requests*rows)
		}
	}
}

func heavyRequest(sender, n, rows int) plogotlp.ExportRequest {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", fmt.Sprintf("heavy-%d", sender))
	sl := rl.ScopeLogs().AppendEmpty()
	for i := range rows {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		lr.Body().SetStr(fmt.Sprintf("request %d line %d of %d %s", n, i, sender, strings.Repeat(fmt.Sprintf("%x ", sender*1e6+n*1e3+i), 120)))
	}
	return plogotlp.NewExportRequestFromLogs(ld)
}

func writeSample(t *testing.T, h *harness.Hinomi, n int) bool {
	t.Helper()
	req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "beside"}, {Name: "n", Value: fmt.Sprint(n)}},
		Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}},
	}}}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	code, _, err := h.Post(context.Background(), h.Base+"/api/v1/write", proto, snappy.Encode(nil, body), "Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0")
	return err == nil && code/100 == 2
}
