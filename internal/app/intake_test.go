package app

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"hinomi/internal/ingest/ledger"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

func sendLogs(t *testing.T, r *running, ld plog.Logs) (int, plogotlp.ExportResponse, string) {
	t.Helper()
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	code, text := post(t, r.otlp+"/v1/logs", "application/x-protobuf", string(body))
	resp := plogotlp.NewExportResponse()
	if code == http.StatusOK {
		if err := resp.UnmarshalProto([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return code, resp, text
}

func oneLog(line string) (plog.Logs, plog.LogRecord) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "badly")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	lr.Body().SetStr(line)
	return ld, lr
}

// lines asks LogQL for every line of the service.
func lines(t *testing.T, r *running) []string {
	t.Helper()
	code, body := get(t, r.base+"/loki/api/v1/query_range?limit=1000&query="+url.QueryEscape(`{service_name="badly"}`))
	if code != http.StatusOK {
		t.Fatalf("query: %d %s", code, body)
	}
	var answer struct {
		Data struct {
			Result []struct{ Values [][]string }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var out []string
	for _, s := range answer.Data.Result {
		for _, v := range s.Values {
			out = append(out, v[1])
		}
	}
	return out
}

func (r *running) line(source string, signal model.Signal) ledger.Line {
	for _, l := range r.ledger.Snapshot() {
		if l.Source == source && l.Signal == signal {
			return l
		}
	}
	return ledger.Line{}
}

func TestOTLPBadInput(t *testing.T) {
	r := start(t)
	before := r.line("otlp", model.Logs)
	malformed := 0
	check := func(name string, code, want int, body, text string) {
		t.Helper()
		if code != want || !strings.Contains(body, text) {
			t.Errorf("%s: %d %q, want %d with %q", name, code, body, want, text)
		}
	}
	code, body := post(t, r.otlp+"/v1/logs", "application/x-protobuf", "\xff\xff\xff garbage")
	check("malformed protobuf", code, http.StatusBadRequest, body, "not an OTLP logs request")
	malformed++
	code, body = post(t, r.otlp+"/v1/logs", "application/json", `{"resourceLogs": [}`)
	check("malformed JSON", code, http.StatusBadRequest, body, "not an OTLP logs request")
	malformed++
	code, body = post(t, r.otlp+"/v1/logs", "text/plain", "hello")
	check("content type", code, http.StatusUnsupportedMediaType, body, "application/x-protobuf")
	malformed++
	resp, err := http.Get(r.otlp + "/v1/logs")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnsupportedMediaType && resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.StatusCode)
	}
	code, body = post(t, r.otlp+"/v1/logs", "application/x-protobuf", strings.Repeat("x", 9<<20))
	check("oversize", code, http.StatusRequestEntityTooLarge, body, "send smaller batches")
	malformed++
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, r.otlp+"/v1/logs", &bomb)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge && resp.StatusCode != http.StatusBadRequest {
		t.Errorf("gzip bomb: %d", resp.StatusCode)
	}
	malformed++
	line := r.line("otlp", model.Logs)
	if got := line.Rejected[store.RejectMalformed] - before.Rejected[store.RejectMalformed]; got != int64(malformed) {
		t.Errorf("ledger counts %d malformed requests, want %d: %+v", got, malformed, line)
	}
	// Nothing of it disturbs the next sender.
	ld, _ := oneLog("still fine")
	if code, _, body := sendLogs(t, r, ld); code != http.StatusOK {
		t.Fatalf("after bad input: %d %s", code, body)
	}
	if got := lines(t, r); len(got) != 1 || got[0] != "still fine" {
		t.Fatalf("stored %q", got)
	}
}

func TestOTLPOddButAcceptable(t *testing.T) {
	r := start(t)
	long := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	ld, _ := oneLog(long)
	if code, _, body := sendLogs(t, r, ld); code != http.StatusOK {
		t.Fatalf("1 MiB line: %d %s", code, body)
	}
	ld, lr := oneLog("many attributes")
	for i := range 10_000 {
		lr.Attributes().PutInt(fmt.Sprintf("key.%d", i), int64(i))
	}
	if code, _, body := sendLogs(t, r, ld); code != http.StatusOK {
		t.Fatalf("10,000 attributes: %d %s", code, body)
	}
	ld, lr = oneLog("invalid \xff\xfe utf8")
	lr.Attributes().PutStr("k\xff", "v\xff")
	if code, _, body := sendLogs(t, r, ld); code != http.StatusOK {
		t.Fatalf("invalid UTF-8: %d %s", code, body)
	}
	for range 2 {
		got := strings.Join(lines(t, r), "\n")
		for _, want := range []string{long, "many attributes", "invalid \uFFFD utf8"} {
			if !strings.Contains(got, want) {
				t.Errorf("%.40q is not among the answers", want)
			}
		}
		if err := r.stores.logs.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	code, body := get(t, r.base+"/loki/api/v1/query_range?query="+url.QueryEscape(`{service_name="badly"} | key_9999="9999"`))
	if code != http.StatusOK || !strings.Contains(body, "many attributes") {
		t.Errorf("the 10,000th attribute is not found: %d %.300s", code, body)
	}
}

func TestOTLPClockTenYearsOff(t *testing.T) {
	r := start(t)
	ld, lr := oneLog("now")
	for _, years := range []int{-10, 10} {
		odd := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
		lr.CopyTo(odd)
		odd.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().AddDate(years, 0, 0)))
	}
	code, resp, body := sendLogs(t, r, ld)
	if code != http.StatusOK || resp.PartialSuccess().RejectedLogRecords() != 2 {
		t.Fatalf("%d %q: %d rejected, want 2", code, body, resp.PartialSuccess().RejectedLogRecords())
	}
	for _, want := range []string{"too_old", "too_new", "clock"} {
		if !strings.Contains(resp.PartialSuccess().ErrorMessage(), want) {
			t.Errorf("message %q lacks %q", resp.PartialSuccess().ErrorMessage(), want)
		}
	}
	if got := lines(t, r); len(got) != 1 || got[0] != "now" {
		t.Fatalf("stored %q", got)
	}
	l := r.line("otlp", model.Logs)
	if l.Received != 3 || l.Stored != 1 || l.Rejected[store.RejectTooOld] != 1 || l.Rejected[store.RejectTooNew] != 1 {
		t.Fatalf("ledger: %+v", l)
	}
}
