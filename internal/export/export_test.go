package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
	"hinomi/internal/store/storetest"
	"hinomi/internal/store/tracestore"
)

func openLogs(t *testing.T) *logstore.Store {
	t.Helper()
	s, err := logstore.Open(columnar.Options{Dir: t.TempDir(), Now: func() time.Time { return storetest.Now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// oneLog has a value of every kind in every column that can have one.
func oneLog(t *testing.T, s *logstore.Store) {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "pay, \"quoted\"")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("lib")
	lr := sl.LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, 11, 21, 11, 0, 0, 123456789, time.UTC)))
	lr.SetSeverityNumber(plog.SeverityNumberError)
	lr.SetSeverityText("ERR")
	lr.Body().SetStr("line one\nline \"two\", 日本")
	lr.SetTraceID(pcommon.TraceID{0xab, 1})
	lr.SetSpanID(pcommon.SpanID{0xcd, 2})
	lr.Attributes().PutInt("n", 9007199254740993)
	lr.Attributes().PutBool("ok", true)
	if res, err := s.AppendLogs(t.Context(), model.ScopeAll(), ld); err != nil || res.Stored != 1 {
		t.Fatalf("%+v %v", res, err)
	}
}

// wantLog is oneLog as text formats write it.
var wantLog = map[string]string{
	"ts": "2026-11-21T11:00:00.123456789Z", "observed_ts": "", "product": "", "service": `pay, "quoted"`,
	"level": "error", "severity_number": "17", "severity_text": "ERR", "body": "line one\nline \"two\", 日本", "event_name": "",
	"trace_id": "ab010000000000000000000000000000", "span_id": "cd02000000000000", "flags": "0",
	"attrs": `{"n":9007199254740993,"ok":true}`, "resource": `{"service.name":"pay, \"quoted\""}`, "scope": `{"name":"lib"}`,
}

func all(signal, format string) Request {
	return Request{Signal: signal, Format: format, To: 1 << 62}
}

func write(t *testing.T, s store.Scanner, r Request) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Write(t.Context(), s, model.ScopeAll(), r, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryFormatHasEveryValue(t *testing.T) {
	s := openLogs(t)
	oneLog(t, s)
	rows, err := csv.NewReader(bytes.NewReader(write(t, s, all(Logs, CSV)))).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(logColumns) {
		t.Fatalf("%q %v", rows, err)
	}
	for i, name := range rows[0] {
		if want, ok := wantLog[name]; ok && rows[1][i] != want {
			t.Errorf("CSV: %s is %q, want %q", name, rows[1][i], want)
		}
	}
	var object map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(write(t, s, all(Logs, JSONL))))
	if err := dec.Decode(&object); err != nil || dec.More() || len(object) != len(logColumns) {
		t.Fatalf("%s %v", object, err)
	}
	for name, want := range wantLog {
		got := string(object[name])
		if !strings.HasPrefix(got, "{") && strings.HasPrefix(got, `"`) {
			if err := json.Unmarshal(object[name], &got); err != nil {
				t.Error(err)
			}
		}
		if got != want {
			t.Errorf("JSON: %s is %q, want %q", name, got, want)
		}
	}
	data := write(t, s, all(Logs, Parquet))
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil || f.NumRows() != 1 {
		t.Fatalf("%v", err)
	}
	r := parquet.NewReader(f)
	defer r.Close()
	buf := make([]parquet.Row, 2)
	if n, err := r.ReadRows(buf); n != 1 || err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%d rows, %v", n, err)
	}
	for i, col := range f.Schema().Columns() {
		v := buf[0][i]
		got := v.String()
		want, ok := wantLog[col[0]]
		switch col[0] {
		case "ts":
			want = "1795258800123456789"
		case "observed_ts":
			want = "0"
		}
		if ok && got != want {
			t.Errorf("Parquet: %s is %q, want %q", col[0], got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	s, err := tracestore.Open(columnar.Options{Dir: t.TempDir(), Now: func() time.Time { return storetest.Now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "a")
	sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	sp.SetName("GET /")
	sp.SetTraceID(pcommon.TraceID{1})
	sp.SetSpanID(pcommon.SpanID{2})
	sp.SetStartTimestamp(pcommon.NewTimestampFromTime(storetest.Now.Add(-time.Second)))
	sp.SetEndTimestamp(pcommon.NewTimestampFromTime(storetest.Now))
	sp.Status().SetCode(ptrace.StatusCodeError)
	sp.Events().AppendEmpty().SetName("retry")
	if _, err := s.AppendTraces(t.Context(), model.ScopeAll(), td); err != nil {
		t.Fatal(err)
	}
	var got struct {
		TS, Name string
		Trace    string `json:"trace_id"`
		Duration int64
		Status   int `json:"status_code"`
		Events   []struct{ Name string }
		Links    *[]any
	}
	if err := json.Unmarshal(write(t, s, all(Traces, JSONL)), &got); err != nil {
		t.Fatal(err)
	}
	if got.TS != "2026-11-21T11:59:59Z" || got.Name != "GET /" || got.Trace != "01000000000000000000000000000000" || got.Duration != 1e9 ||
		got.Status != 2 || len(got.Events) != 1 || got.Events[0].Name != "retry" || got.Links != nil {
		t.Errorf("%+v", got)
	}
	for _, format := range []string{CSV, Parquet} {
		if data := write(t, s, all(Traces, format)); len(data) == 0 {
			t.Errorf("%s: nothing", format)
		}
	}
}

// TestFormatsAgree counts random rows in all formats, for a query and a range.
func TestFormatsAgree(t *testing.T) {
	s := openLogs(t)
	rng := rand.New(rand.NewPCG(1, 9))
	for range 30 {
		if _, err := s.AppendLogs(t.Context(), model.ScopeAll(), storetest.RandomLogs(rng, 100)); err != nil {
			t.Fatal(err)
		}
	}
	const query = `{service_name="payment"} |= "beta" | status="200"`
	r := Request{Signal: Logs, From: storetest.Now.Add(-4 * time.Second).UnixNano(), To: storetest.Now.Add(-time.Second).UnixNano()}
	where, err := Where(t.Context(), s, model.ScopeAll(), r, query)
	if err != nil {
		t.Fatal(err)
	}
	r.Where = where
	r.Format = JSONL
	lines := 0
	for line := range strings.SplitSeq(strings.TrimSpace(string(write(t, s, r))), "\n") {
		var row struct {
			TS            time.Time
			Service, Body string
			Attrs         map[string]any
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		status, _ := json.Marshal(row.Attrs["status"])
		if row.Service != "payment" || !strings.Contains(row.Body, "beta") || strings.Trim(string(status), `"`) != "200" ||
			row.TS.UnixNano() < r.From || row.TS.UnixNano() >= r.To {
			t.Fatalf("%s", line)
		}
		lines++
	}
	if lines < 5 {
		t.Fatalf("only %d lines", lines)
	}
	r.Format = CSV
	rows, err := csv.NewReader(bytes.NewReader(write(t, s, r))).ReadAll()
	if err != nil || len(rows)-1 != lines {
		t.Errorf("CSV has %d rows, JSON lines %d: %v", len(rows)-1, lines, err)
	}
	r.Format = Parquet
	data := write(t, s, r)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil || f.NumRows() != int64(lines) {
		t.Errorf("Parquet: %v", err)
	}
}

func TestNothingIsAValidFile(t *testing.T) {
	s := openLogs(t)
	if data := write(t, s, all(Logs, CSV)); strings.Count(string(data), "\n") != 1 {
		t.Errorf("CSV: %q", data)
	}
	if data := write(t, s, all(Logs, JSONL)); len(data) != 0 {
		t.Errorf("JSON lines: %q", data)
	}
	data := write(t, s, all(Logs, Parquet))
	if f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data))); err != nil || f.NumRows() != 0 {
		t.Errorf("Parquet: %v", err)
	}
}

func TestBadRequestsSayWhatToDo(t *testing.T) {
	s := openLogs(t)
	for want, r := range map[string]Request{
		`signal "spans": use logs or traces`: {Signal: "spans", Format: CSV, To: 1},
		`format "xls"`:                       {Signal: Logs, Format: "xls", To: 1},
		"is empty":                           {Signal: Logs, Format: CSV},
	} {
		if _, err := Write(t.Context(), s, model.ScopeAll(), r, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for query, want := range map[string]string{
		`{a="b"} | json`:                    "only a selector",
		`rate({a="b"}[1m])`:                 "",
		`{`:                                 "",
		`{a="b"} | line_format "{{.x}}"`:    "only a selector",
		`{a=~"b.*"} |~ "x" | json | y="2" `: "only a selector",
	} {
		if _, err := Where(t.Context(), s, model.ScopeAll(), all(Logs, CSV), query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if _, err := Where(t.Context(), s, model.ScopeAll(), all(Traces, CSV), `{a="b"}`); err == nil {
		t.Error("a LogQL query for traces")
	}
	for text, want := range map[string]int64{
		"2026-11-21": 1795219200e9, "2026-11-21T08:00:00.5Z": 1795248000500000000, "2026-11-21T09:00:00+01:00": 1795248000e9, "1795248000": 1795248000e9,
		"yesterday": -1, "": -1, "-5": -1, "9999999999999": -1, "3000-01-01": -1,
	} {
		got, err := ParseTime(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
}

// FuzzParseTime must not panic, and what it takes is a time of the store.
func FuzzParseTime(f *testing.F) {
	f.Add("2026-11-21T08:00:00.5Z")
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := ParseTime(text); err == nil && at < 0 {
			t.Fatalf("%q is %d", text, at)
		}
	})
}
