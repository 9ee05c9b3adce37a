package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/config"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// withGRPC adds the gRPC listener to a configuration and returns its address.
func withGRPC(t *testing.T, cfg *config.Config) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	protocols := cfg.Ingest["receivers"].(map[string]any)["otlp"].(map[string]any)["protocols"].(map[string]any)
	protocols["grpc"] = map[string]any{"endpoint": addr}
	return addr
}

func gzipped(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sent posts a body and returns the answer.
func sent(t *testing.T, target, contentType, encoding string, body []byte) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", encoding)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %q", resp.StatusCode, text)
}

// oneOfTwo has a record that is stored and one that is refused. One that is not
// plain names its resource twice, so that it cannot go straight into columns.
func oneOfTwo(t *testing.T, line string, plain bool) []byte {
	t.Helper()
	ld, lr := oneLog(line)
	lr.CopyTo(ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty())
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(time.Hour)))
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	if plain {
		return body
	}
	tag, n := protowire.ConsumeVarint(body)
	resourceLogs, _ := protowire.ConsumeBytes(body[n:])
	return protowire.AppendBytes(protowire.AppendVarint(nil, tag), append(bytes.Clone(resourceLogs), 0x0a, 0x00))
}

func TestARequestThatIsSentAgainIsStoredOnce(t *testing.T) {
	cfg := testConfig(t, t.TempDir(), freePort(t))
	target := withGRPC(t, cfg)
	r := startWith(t, cfg)
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	overGRPC := func(body []byte) string {
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			t.Fatal(err)
		}
		resp, err := plogotlp.NewGRPCClient(conn).Export(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resp.PartialSuccess().RejectedLogRecords(), resp.PartialSuccess().ErrorMessage())
	}
	proto, odd := oneOfTwo(t, "http", true), oneOfTwo(t, "odd", false)
	ld, _ := oneLog("json")
	asJSON, err := plogotlp.NewExportRequestFromLogs(ld).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	call := oneOfTwo(t, "grpc", true)
	push, err := json.Marshal(map[string]any{"streams": []any{map[string]any{
		"stream": map[string]string{"service_name": "badly"}, "values": [][]string{{fmt.Sprint(time.Now().UnixNano()), "push"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]func() string{
		"http": func() string { return sent(t, r.otlp+"/v1/logs", "application/x-protobuf", "", proto) },
		"odd":  func() string { return sent(t, r.otlp+"/v1/logs", "application/x-protobuf", "", odd) },
		"json": func() string { return sent(t, r.otlp+"/v1/logs", "application/json", "", asJSON) },
		"grpc": func() string { return overGRPC(call) },
		"push": func() string { return sent(t, r.base+"/loki/api/v1/push", "application/json", "", push) },
	}
	first := map[string]string{}
	for name, send := range ways {
		first[name] = send()
	}
	check := func(when string) {
		t.Helper()
		got := map[string]int{}
		for _, line := range lines(t, r) {
			got[line]++
		}
		for name := range ways {
			if got[name] != 1 {
				t.Errorf("%s: %q is there %d times: first answer %s", when, name, got[name], first[name])
			}
		}
	}
	for name, send := range ways {
		if again := send(); again != first[name] {
			t.Errorf("%q: the second answer is %s, the first was %s", name, again, first[name])
		}
	}
	// A retry may be compressed in another way.
	if again := sent(t, r.otlp+"/v1/logs", "application/x-protobuf", "gzip", gzipped(t, proto)); again != first["http"] {
		t.Errorf("gzipped: %s, the first was %s", again, first["http"])
	}
	check("sent again")
	if l := r.line("otlp", model.Logs); l.Received != 16 || l.Stored != 4 || l.Rejected[store.RejectTooNew] != 3 || l.Duplicates != 9 {
		t.Errorf("ledger: %+v", l)
	}
	if l := r.line("loki_push", model.Logs); l.Received != 2 || l.Stored != 1 || l.Duplicates != 1 {
		t.Errorf("ledger: %+v", l)
	}

	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	r = startWith(t, cfg)
	for name, send := range ways {
		if again := send(); again != first[name] {
			t.Errorf("%q: after a restart the answer is %s, the first was %s", name, again, first[name])
		}
	}
	check("after a restart")
}

// TestALostAnswer cuts the connection before the answer comes, and sends again.
func TestALostAnswer(t *testing.T) {
	r := start(t)
	for n := range 20 {
		body := oneOfTwo(t, fmt.Sprint("lost ", n), true)
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.otlp, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if answer := sent(t, r.otlp+"/v1/logs", "application/x-protobuf", "", body); !strings.HasPrefix(answer, "200 ") {
			t.Fatal(answer)
		}
	}
	if got := lines(t, r); len(got) != 20 {
		t.Errorf("%d lines of 20 requests", len(got))
	}
	if l := r.line("otlp", model.Logs); l.Stored != 20 || l.Received != l.Stored+l.Rejected[store.RejectTooNew]+l.Duplicates {
		t.Errorf("ledger: %+v", l)
	}
}

func TestRecordsWithoutTimeAreStoredEachTime(t *testing.T) {
	r := start(t)
	ld, lr := oneLog("timeless")
	lr.SetTimestamp(0)
	for range 3 {
		if code, _, body := sendLogs(t, r, ld); code != http.StatusOK {
			t.Fatal(code, body)
		}
	}
	lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	for range 2 {
		if code, _, body := sendLogs(t, r, ld); code != http.StatusOK {
			t.Fatal(code, body)
		}
	}
	if got := lines(t, r); len(got) != 4 {
		t.Errorf("%d records, want three without time and one with", len(got))
	}
}

func TestDuplicatesCanBeKept(t *testing.T) {
	cfg := testConfig(t, t.TempDir(), freePort(t))
	cfg.Logs.DuplicateWindow = 0
	r := startWith(t, cfg)
	ld, _ := oneLog("kept")
	for range 2 {
		if code, _, body := sendLogs(t, r, ld); code != http.StatusOK {
			t.Fatal(code, body)
		}
	}
	if got := lines(t, r); len(got) != 2 {
		t.Errorf("%d records, want both", len(got))
	}
}

func TestSpansThatAreSentAgainCountOnce(t *testing.T) {
	r := start(t)
	first := twoServices(1)
	sendTraces(t, r, first)
	sendTraces(t, r, first)
	// When these are counted, those are too.
	last := twoServices(2)
	for _, rs := range last.ResourceSpans().All() {
		rs.Resource().Attributes().PutStr("service.name", "last")
	}
	sendTraces(t, r, last)
	calls := func(service string) string {
		_, body := get(t, r.base+"/api/v1/query?query="+url.QueryEscape(`sum(traces_spanmetrics_calls_total{service="`+service+`"})`))
		var answer struct {
			Data struct{ Result []struct{ Value []any } }
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Data.Result) == 0 {
			return ""
		}
		return answer.Data.Result[0].Value[1].(string)
	}
	eventually(t, "span metrics of the last request", func() bool { return calls("last") == "3" })
	if all := calls("gateway") + " " + calls("matching"); all != "2 1" {
		t.Errorf("calls of gateway and matching: %s, want 2 1", all)
	}
	if l := r.line("otlp", model.Traces); l.Received != 9 || l.Stored != 6 || l.Duplicates != 3 {
		t.Errorf("ledger: %+v", l)
	}
	if s := r.stores.traces.Stats(); s.Rows != 6 {
		t.Errorf("%d spans are stored", s.Rows)
	}
}
