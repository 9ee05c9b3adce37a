package e2e

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"hinomi/test/harness"
)

// acked remembers what was acknowledged.
type acked struct {
	mu     sync.Mutex
	logs   map[string]bool // bodies
	traces map[[16]byte]int
	values map[int]map[float64]bool // samples by writer
	lost   map[int]request          // whose answer was lost, by writer
}

// request is one OTLP request and what to note when it is acknowledged.
type request struct {
	target string // path
	body   []byte
	note   func()
}

const proto = "application/x-protobuf"

// post sends r and notes that it was answered with success. One whose answer is
// lost is kept for the writer's next round.
func (a *acked) post(ctx context.Context, h *harness.Hinomi, writer int, r request) bool {
	code, _, err := h.Post(ctx, h.OTLP+r.target, proto, r.body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || code != http.StatusOK {
		a.lost[writer] = r
		return false
	}
	r.note()
	return true
}

// send sends requests of all three signals until ctx ends or the connection
// breaks, and notes what was answered with success. It begins with the request
// whose answer the writer lost.
func (a *acked) send(ctx context.Context, h *harness.Hinomi, writer, round int) {
	a.mu.Lock()
	lost, ok := a.lost[writer]
	delete(a.lost, writer)
	a.mu.Unlock()
	if ok && !a.post(ctx, h, writer, lost) {
		return
	}
	rng := rand.New(rand.NewPCG(uint64(writer), uint64(round)))
	for n := 0; ctx.Err() == nil; n++ {
		rows := 1 + rng.IntN(20)
		key := fmt.Sprintf("%d-%d-%d", round, writer, n)
		now := time.Now()

		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("durable-", round))
		var bodies []string
		for i := range rows {
			lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(now))
			bodies = append(bodies, fmt.Sprintf("%s-%d", key, i))
			lr.Body().SetStr(bodies[i])
		}
		body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
		if err != nil {
			panic(err)
		}
		if !a.post(ctx, h, writer, request{"/v1/logs", body, func() {
			for _, b := range bodies {
				a.logs[b] = true
			}
		}}) {
			return
		}

		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", "durable")
		var id [16]byte
		binary.BigEndian.PutUint64(id[:], rng.Uint64())
		binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
		for i := range rows {
			sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			sp.SetTraceID(id)
			sp.SetSpanID([8]byte{1, byte(i)})
			sp.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
			sp.SetEndTimestamp(pcommon.NewTimestampFromTime(now))
		}
		if body, err = ptraceotlp.NewExportRequestFromTraces(td).MarshalProto(); err != nil {
			panic(err)
		}
		if !a.post(ctx, h, writer, request{"/v1/traces", body, func() { a.traces[id] = rows }}) {
			return
		}

		value := float64(round)*1e6 + float64(n)
		wr := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
			Labels:  []prompb.Label{{Name: "__name__", Value: "durable"}, {Name: "writer", Value: fmt.Sprint(writer)}},
			Samples: []prompb.Sample{{Timestamp: now.UnixMilli(), Value: value}},
		}}}
		if body, err = wr.Marshal(); err != nil {
			panic(err)
		}
		code, _, err := h.Post(ctx, h.Base+"/api/v1/write", proto, snappy.Encode(nil, body), "Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0")
		if err != nil || code/100 != 2 {
			return
		}
		a.mu.Lock()
		if a.values[writer] == nil {
			a.values[writer] = map[float64]bool{}
		}
		a.values[writer][value] = true
		a.mu.Unlock()
	}
}

// verify asks for everything that was acknowledged.
func (a *acked) verify(t *testing.T, h *harness.Hinomi, rounds int) {
	t.Helper()
	found := map[string]int{}
	for round := range rounds {
		// In parts, because one answer holds a bounded number of lines.
		for digit := range 10 {
			for second := range 10 {
				tens := fmt.Sprintf(`\\d*%d`, second)
				if second == 0 {
					tens = `(\\d*0)?`
				}
				filter := fmt.Sprintf(`{service_name="durable-%d"} |~ "^\\d+-\\d+-%s%d-"`, round, tens, digit)
				for _, line := range logLines(t, h, filter) {
					found[line]++
				}
			}
		}
	}
	for body := range a.logs {
		if found[body] == 0 {
			t.Fatalf("acknowledged log row %s is lost", body)
		}
	}
	for body, n := range found {
		if n > 1 {
			t.Fatalf("log row %s is there %d times", body, n)
		}
	}
	for id, spans := range a.traces {
		code, body := h.Get("/tempo/api/traces/" + hex.EncodeToString(id[:]))
		if got := strings.Count(string(body), `"spanId"`); code != http.StatusOK || got != spans {
			t.Fatalf("trace %x: status %d, %d of %d acknowledged spans", id, code, got, spans)
		}
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	h.JSON("/api/v1/query?query="+url.QueryEscape("durable[1h]"), &answer)
	have := map[int]map[float64]bool{}
	for _, r := range answer.Data.Result {
		writer, err := strconv.Atoi(r.Metric["writer"])
		if err != nil {
			t.Fatal(err)
		}
		have[writer] = map[float64]bool{}
		for _, v := range r.Values {
			f, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				t.Fatal(err)
			}
			have[writer][f] = true
		}
	}
	for writer, values := range a.values {
		for v := range values {
			if !have[writer][v] {
				t.Fatalf("acknowledged sample %v of writer %d is lost", v, writer)
			}
		}
	}
}

func logLines(t *testing.T, h *harness.Hinomi, selector string) []string {
	t.Helper()
	const limit = 5000
	var answer struct {
		Data struct{ Result []struct{ Values [][]any } }
	}
	h.JSON("/loki/api/v1/query_range?"+url.Values{"query": {selector}, "limit": {fmt.Sprint(limit)}, "start": {fmt.Sprint(time.Now().Add(-time.Hour).UnixNano())}}.Encode(), &answer)
	var out []string
	for _, s := range answer.Data.Result {
		for _, v := range s.Values {
			out = append(out, v[1].(string))
		}
	}
	if len(out) == limit {
		t.Fatalf("%s has more lines than one answer holds", selector)
	}
	return out
}

// TestAcknowledgedDataSurvivesKill9 kills the process under load, again and again.
// Senders send again what was not answered: each row is there once.
func TestAcknowledgedDataSurvivesKill9(t *testing.T) {
	// Small memtables, so that kills come during flushes and compactions too.
	h := harness.New(t, "logs: {memtable_bytes: 1MiB}\ntraces: {memtable_bytes: 1MiB}\nhost_metrics: {enabled: false}\n")
	a := &acked{logs: map[string]bool{}, traces: map[[16]byte]int{}, values: map[int]map[float64]bool{}, lost: map[int]request{}}
	rng := rand.New(rand.NewPCG(1, 1))
	const rounds = 6
	for round := range rounds {
		h.Start()
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() { a.send(ctx, h, w, round) })
		}
		before := a.count()
		harness.Eventually(t, 30*time.Second, "acknowledged requests", func() bool { return a.count() > before+20+rng.IntN(60) })
		h.Kill()
		cancel()
		wg.Wait()
	}
	h.Start()
	if a.count() < 100 {
		t.Fatalf("only %d requests were acknowledged", a.count())
	}
	a.verify(t, h, rounds)
	h.Stop()
	h.Start()
	a.verify(t, h, rounds)
}

func (a *acked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.traces)
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a small tmpfs and needs root")
	}
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	var h *harness.Hinomi
	t.Cleanup(func() {
		h.Kill()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h = harness.NewIn(t, dir, "logs: {memtable_bytes: 2MiB}\nhost_metrics: {enabled: false}\n").Start()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 30<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	stored := 0
	send := func() int {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "filler")
		sl := rl.ScopeLogs().AppendEmpty()
		rng := rand.New(rand.NewPCG(uint64(stored), 9))
		for range 500 {
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
			// Random text, so that segments do not shrink it.
			var raw [400]byte
			for i := 0; i < len(raw); i += 8 {
				binary.LittleEndian.PutUint64(raw[i:], rng.Uint64())
			}
			lr.Body().SetStr(hex.EncodeToString(raw[:]))
		}
		body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		code, text, err := h.Post(context.Background(), h.OTLP+"/v1/logs", proto, body)
		if err != nil {
			t.Fatalf("%v\n%s", err, h.Log())
		}
		if code == http.StatusOK {
			stored += 500
		} else if code != http.StatusServiceUnavailable {
			t.Fatalf("a full disk answers %d %s", code, text)
		}
		return code
	}
	count := func() int {
		return int(h.LogQL(`sum(count_over_time({service_name="filler"}[1h]))`, "", time.Now())[""])
	}
	refused := 0
	for i := 0; refused < 5; i++ {
		if i > 2000 {
			t.Fatal("the disk never filled")
		}
		if send() != http.StatusOK {
			refused++
		}
	}
	if got := count(); got != stored {
		t.Fatalf("reads on a full disk: %d rows, %d were acknowledged", got, stored)
	}
	if code, _ := h.Get("/-/healthy"); code != http.StatusOK {
		t.Fatalf("health on a full disk: %d", code)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 30*time.Second, "recovery after space came back", func() bool { return send() == http.StatusOK })
	if got := count(); got != stored {
		t.Fatalf("after recovery: %d rows, %d were acknowledged", got, stored)
	}
	h.Kill()
	h.Start()
	if got := count(); got != stored {
		t.Fatalf("after kill -9: %d rows, %d were acknowledged", got, stored)
	}
}
