package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/test/harness"
)

// door is one way in: the good request proves after each bad one that nothing
// else was lost.
type door struct {
	h *harness.Hinomi
	t *testing.T
}

// count is what the ledger says of one source and signal.
type count struct{ received, stored, rejected float64 }

func (d door) count(source, signal string) count {
	d.t.Helper()
	code, body := d.h.Get("/metrics")
	if code != http.StatusOK {
		d.t.Fatalf("metrics: %d", code)
	}
	var c count
	for line := range strings.SplitSeq(string(body), "\n") {
		if !strings.Contains(line, `signal="`+signal+`"`) || !strings.Contains(line, `source="`+source+`"`) {
			continue
		}
		v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			d.t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(line, "hinomi_ingest_received_rows_total"):
			c.received += v
		case strings.HasPrefix(line, "hinomi_ingest_stored_rows_total"):
			c.stored += v
		case strings.HasPrefix(line, "hinomi_ingest_rejected_rows_total"):
			c.rejected += v
		}
	}
	return c
}

// peak resets the process's memory high-water mark and returns how to read it.
func (d door) peak() func() int64 {
	d.t.Helper()
	pid := d.h.PID()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		d.t.Fatal(err)
	}
	return func() int64 { return statusBytes(d.t, pid, "VmHWM:") }
}

// post sends a request and wants an answer with the given status.
func (d door) post(want int, target, contentType string, body []byte, header ...string) []byte {
	d.t.Helper()
	code, answer, err := d.h.Post(context.Background(), target, contentType, body, header...)
	if err != nil {
		d.t.Fatalf("%v\n%s", err, tail(d.h.Log()))
	}
	if code != want {
		d.t.Errorf("answered %d, want %d: %.300q", code, want, answer)
	}
	return answer
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// ledger wants the counts of fn.
func (d door) ledger(source, signal string, want count, fn func()) {
	d.t.Helper()
	before := d.count(source, signal)
	fn()
	after := d.count(source, signal)
	got := count{after.received - before.received, after.stored - before.stored, after.rejected - before.rejected}
	if got != want {
		d.t.Errorf("ledger of %s %s moved by %+v, want %+v", source, signal, got, want)
	}
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// bomb is some 100 KB that become 100 MB.
func bomb() []byte { return gzipped(make([]byte, 100<<20)) }

const decade = 10 * 365 * 24 * time.Hour

func otlpLogs(bodies []string, times ...time.Time) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "bad")
	for i, at := range times {
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
		lr.Body().SetStr(bodies[min(i, len(bodies)-1)])
	}
	return ld
}

func otlpSpans(name string, times ...time.Time) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "bad")
	for i, at := range times {
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetName(name)
		s.SetTraceID([16]byte{1, byte(i)})
		s.SetSpanID([8]byte{1, byte(i)})
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
	}
	return td
}

func otlpGauges(name string, times ...time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "bad")
	for i, at := range times {
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName(name)
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetDoubleValue(1)
		p.Attributes().PutInt("n", int64(i))
	}
	return md
}

func marshal(t *testing.T, m interface{ MarshalProto() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nested is a log record in protobuf whose body is depth lists in each other.
func nested(depth int) []byte {
	var v []byte
	wrap := func(num protowire.Number, in []byte) []byte {
		return append(protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.BytesType), uint64(len(in))), in...)
	}
	// Built from the inside, without copying at every level: the lengths of the
	// levels are known beforehand.
	var heads [][]byte
	size := 0
	for range depth {
		list := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.BytesType), uint64(size)) // ArrayValue.values
		size += len(list)
		value := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.BytesType), uint64(size)) // AnyValue.array_value
		size += len(value)
		heads = append(heads, list, value)
	}
	for i := len(heads) - 1; i >= 0; i-- {
		v = append(v, heads[i]...)
	}
	return wrap(1, wrap(2, wrap(2, wrap(5, v))))
}

func TestBadInputOTLPHTTP(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	d := door{h, t}
	one := func(signal string) []byte {
		now := time.Now() // The same bytes again would be a duplicate.
		switch signal {
		case "logs":
			return marshal(t, plogotlp.NewExportRequestFromLogs(otlpLogs([]string{"good"}, now)))
		case "traces":
			return marshal(t, ptraceotlp.NewExportRequestFromTraces(otlpSpans("good", now)))
		}
		return marshal(t, pmetricotlp.NewExportRequestFromMetrics(otlpGauges("good", now)))
	}
	const protobuf, jsonType = "application/x-protobuf", "application/json"
	bad, good, nothing := count{1, 0, 1}, count{1, 1, 0}, count{}
	for _, signal := range []string{"logs", "traces", "metrics"} {
		target := h.OTLP + "/v1/" + signal
		for _, c := range []struct {
			name, contentType string
			body              []byte
			header            []string
			code              int
			want              count
		}{
			{"malformed protobuf", protobuf, []byte("\xff\xff\xff not protobuf"), nil, 400, bad},
			{"truncated protobuf", protobuf, one(signal)[:20], nil, 400, bad},
			{"malformed JSON", jsonType, []byte(`{"resourceLogs":[{"scopeLogs":`), nil, 400, bad},
			{"JSON of another shape", jsonType, []byte(`[1,2]`), nil, 400, bad},
			{"deep JSON", jsonType, []byte(strings.Repeat("[", 1_000_000)), nil, 400, bad},
			{"empty protobuf", protobuf, nil, nil, 200, nothing},
			{"empty JSON object", jsonType, []byte(`{}`), nil, 200, nothing},
			{"empty JSON", jsonType, nil, nil, 400, bad},
			{"not gzip", protobuf, one(signal), []string{"Content-Encoding", "gzip"}, 400, bad},
			{"truncated gzip", protobuf, gzipped(one(signal))[:30], []string{"Content-Encoding", "gzip"}, 400, bad},
			{"unknown encoding", protobuf, one(signal), []string{"Content-Encoding", "rot13"}, 400, bad},
			{"wrong content type", "text/plain", one(signal), nil, 415, bad},
			{"no content type", "", one(signal), nil, 415, bad},
			{"oversize", protobuf, make([]byte, 21<<20), nil, 413, bad},
			{"bomb", protobuf, bomb(), []string{"Content-Encoding", "gzip"}, 413, bad},
		} {
			t.Run(signal+"/"+c.name, func(t *testing.T) {
				d := door{h, t}
				peak := d.peak()
				d.ledger("otlp", signal, c.want, func() { d.post(c.code, target, c.contentType, c.body, c.header...) })
				if p := peak(); p > 300<<20 {
					t.Errorf("used %d MB", p>>20)
				}
				d.ledger("otlp", signal, good, func() { d.post(200, target, protobuf, one(signal)) })
			})
		}
		code, body := get(t, target)
		if code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d %s", signal, code, body)
		}
	}
	t.Run("deep protobuf", func(t *testing.T) {
		d := door{h, t}
		peak := d.peak()
		d.ledger("otlp", "logs", bad, func() { d.post(400, h.OTLP+"/v1/logs", protobuf, nested(1_500_000)) })
		if p := peak(); p > 300<<20 {
			t.Errorf("used %d MB", p>>20)
		}
	})
	d.ledger("otlp", "logs", good, func() { d.post(200, h.OTLP+"/v1/logs", protobuf, one("logs")) })
}

func get(t *testing.T, target string) (int, []byte) {
	t.Helper()
	resp, err := http.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.Bytes()
}

func TestBadInputOTLPGRPC(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	conn, err := grpc.NewClient(h.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	logs, traces, metrics := plogotlp.NewGRPCClient(conn), ptraceotlp.NewGRPCClient(conn), pmetricotlp.NewGRPCClient(conn)
	d := door{h, t}
	ctx := context.Background()
	now := time.Now()
	clocks := []time.Time{now.Add(-decade), now, now.Add(decade), now.Add(-time.Second), {}}

	d.ledger("otlp", "logs", count{5, 3, 2}, func() {
		resp, err := logs.Export(ctx, plogotlp.NewExportRequestFromLogs(otlpLogs([]string{"clock"}, clocks...)))
		if err != nil || resp.PartialSuccess().RejectedLogRecords() != 2 || !strings.Contains(resp.PartialSuccess().ErrorMessage(), "clock") {
			t.Errorf("logs: %v %d %s", err, resp.PartialSuccess().RejectedLogRecords(), resp.PartialSuccess().ErrorMessage())
		}
	})
	d.ledger("otlp", "traces", count{4, 2, 2}, func() {
		resp, err := traces.Export(ctx, ptraceotlp.NewExportRequestFromTraces(otlpSpans("clock", clocks[:4]...)))
		if err != nil || resp.PartialSuccess().RejectedSpans() != 2 || !strings.Contains(resp.PartialSuccess().ErrorMessage(), "clock") {
			t.Errorf("traces: %v %d %s", err, resp.PartialSuccess().RejectedSpans(), resp.PartialSuccess().ErrorMessage())
		}
	})
	d.ledger("otlp", "metrics", count{4, 2, 2}, func() {
		resp, err := metrics.Export(ctx, pmetricotlp.NewExportRequestFromMetrics(otlpGauges("clock", clocks[:4]...)))
		if err != nil || resp.PartialSuccess().RejectedDataPoints() != 2 || resp.PartialSuccess().ErrorMessage() == "" {
			t.Errorf("metrics: %v %d %s", err, resp.PartialSuccess().RejectedDataPoints(), resp.PartialSuccess().ErrorMessage())
		}
	})
	if got := h.PromQL(`count(clock)`, "", now)[""]; got != 2 {
		t.Errorf("%v of 2 good samples are stored", got)
	}
	if got := h.LogQL(`sum(count_over_time({service_name="bad"} |= "clock" [1h]))`, "", now.Add(time.Second))[""]; got != 3 {
		t.Errorf("%v of 3 good log records are stored", got)
	}

	t.Run("oversize", func(t *testing.T) {
		peak := door{h, t}.peak()
		_, err := logs.Export(ctx, plogotlp.NewExportRequestFromLogs(otlpLogs([]string{strings.Repeat("x", 5<<20)}, now)))
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("oversize: %v", err)
		}
		// The bomb: 100 MB of one letter compress to 100 KB.
		_, err = logs.Export(ctx, plogotlp.NewExportRequestFromLogs(otlpLogs([]string{strings.Repeat("x", 100<<20)}, now)), grpc.UseCompressor("gzip"))
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("bomb: %v", err)
		}
		if p := peak(); p > 300<<20 {
			t.Errorf("used %d MB", p>>20)
		}
	})
	t.Run("malformed", func(t *testing.T) {
		d := door{h, t}
		for _, m := range []struct {
			signal, method string
		}{
			{"logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"},
			{"traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"},
			{"metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"},
		} {
			for _, body := range [][]byte{[]byte("\xff\xff\xff not protobuf"), nested(300_000)} {
				if m.signal != "logs" && len(body) > 100 {
					continue
				}
				d.ledger("otlp", m.signal, count{1, 0, 1}, func() {
					var out raw
					err := conn.Invoke(ctx, m.method, raw(body), &out, grpc.ForceCodec(rawCodec{}))
					if c := status.Code(err); c != codes.InvalidArgument {
						t.Errorf("%s: %v", m.signal, err)
					}
				})
			}
		}
	})
	d.ledger("otlp", "logs", count{1, 1, 0}, func() {
		if _, err := logs.Export(ctx, plogotlp.NewExportRequestFromLogs(otlpLogs([]string{"good"}, now))); err != nil {
			t.Errorf("after all that: %v\n%s", err, tail(h.Log()))
		}
	})
}

// raw is a message of bytes.
type raw []byte

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) {
	return v.(raw), nil
}
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*raw) = bytes.Clone(b)
	return nil
}

// TestBadInputWideRows sends what is allowed but hostile: huge lines, thousands
// of attributes, names and values that are not UTF-8.
func TestBadInputWideRows(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	d := door{h, t}
	now := time.Now()
	const protobuf = "application/x-protobuf"
	send := func(want count, ld plog.Logs) {
		t.Helper()
		d.ledger("otlp", "logs", want, func() {
			d.post(200, h.OTLP+"/v1/logs", protobuf, marshal(t, plogotlp.NewExportRequestFromLogs(ld)))
		})
	}
	send(count{3, 2, 1}, otlpLogs([]string{"small", strings.Repeat("y", 5<<20), strings.Repeat("x", 1<<20-20) + "needle"}, now, now, now))
	if got := h.LogQL(`sum(count_over_time({service_name="bad"} |= "needle" [1h]))`, "", now.Add(time.Second))[""]; got != 1 {
		t.Errorf("%v lines of 1 MB", got)
	}
	wide := otlpLogs([]string{"wide"}, now)
	lr := wide.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	for i := range 10_000 {
		lr.Attributes().PutInt(fmt.Sprintf("attribute_%d", i), int64(i))
	}
	send(count{1, 1, 0}, wide)
	if got := h.LogQL(`sum(count_over_time({service_name="bad"} | attribute_9999="9999" [1h]))`, "", now.Add(time.Second))[""]; got != 1 {
		t.Errorf("%v rows by the last of 10,000 attributes", got)
	}
	broken := otlpLogs([]string{"body \xff\xfe end"}, now)
	lr = broken.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	lr.Attributes().PutStr("key\xff", "value\xff")
	lr.Attributes().PutStr("", "empty name")
	lr.SetSeverityText("\xff")
	lr.SetEventName("\xc0")
	broken.ResourceLogs().At(0).Resource().Attributes().PutStr("resource\xff", "\xff")
	broken.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetName("\xff")
	send(count{1, 1, 0}, broken)
	td := otlpSpans("span\xff", now)
	s := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
	s.Attributes().PutStr("key\xff", "value\xff")
	s.Status().SetMessage("\xff")
	s.TraceState().FromRaw("\xff")
	ev := s.Events().AppendEmpty()
	ev.SetName("\xff")
	ev.Attributes().PutStr("k\xff", "\xff")
	d.ledger("otlp", "traces", count{1, 1, 0}, func() {
		d.post(200, h.OTLP+"/v1/traces", protobuf, marshal(t, ptraceotlp.NewExportRequestFromTraces(td)))
	})
	md := otlpGauges("gauge\xff", now)
	md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().At(0).Attributes().PutStr("key\xff", "value\xff")
	before := d.count("otlp", "metrics")
	d.post(200, h.OTLP+"/v1/metrics", protobuf, marshal(t, pmetricotlp.NewExportRequestFromMetrics(md)))
	if after := d.count("otlp", "metrics"); after.received != before.received+1 || after.stored+after.rejected != before.stored+before.rejected+1 {
		t.Errorf("a gauge of broken names: %+v, then %+v", before, after)
	}
	// Answers are valid JSON, and all that was stored survives a restart.
	check := func() {
		t.Helper()
		var out struct{ Data struct{ Result []any } }
		h.JSON("/loki/api/v1/query_range?query=%7Bservice_name%3D%22bad%22%7D&limit=100", &out)
		var trace map[string]any
		h.JSON("/tempo/api/traces/01000000000000000000000000000000", &trace)
		if got := h.LogQL(`sum(count_over_time({service_name="bad"} [1h]))`, "", now.Add(time.Second))[""]; got != 4 {
			t.Errorf("%v of 4 log records", got)
		}
	}
	check()
	h.Kill()
	h.Start()
	check()
}

func TestBadInputLokiPush(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	now := time.Now()
	target := h.Base + "/loki/api/v1/push"
	line := func(at time.Time, text string) string { return fmt.Sprintf(`["%d",%q]`, at.UnixNano(), text) }
	push := func(stream string, values ...string) []byte {
		return fmt.Appendf(nil, `{"streams":[{"stream":%s,"values":[%s]}]}`, stream, strings.Join(values, ","))
	}
	// The same bytes again would be a duplicate.
	goodBody := func() []byte { return push(`{"job":"loki"}`, line(time.Now(), "good")) }
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `%s"l%d":"v"`, map[bool]string{true: "", false: ","}[i == 0], i)
		}
		return "{" + b.String() + "}"
	}
	pb := func(labels string, at time.Time, text string) []byte {
		message := func(parts ...[]byte) []byte {
			var b []byte
			for i, p := range parts {
				if p != nil {
					b = protowire.AppendBytes(protowire.AppendTag(b, protowire.Number(i+1), protowire.BytesType), p)
				}
			}
			return b
		}
		ts := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(at.Unix()))
		return message(message([]byte(labels), message(ts, []byte(text))))
	}
	const jsonType, protobuf = "application/json", "application/x-protobuf"
	bad, good := count{1, 0, 1}, count{1, 1, 0}
	for _, c := range []struct {
		name, contentType string
		body              []byte
		header            []string
		code              int
		want              count
	}{
		{"good JSON", jsonType, goodBody(), nil, 204, good},
		{"good protobuf", protobuf, snappy.Encode(nil, pb(`{job="loki"}`, now, "good")), nil, 204, good},
		{"good gzip", jsonType, gzipped(goodBody()), []string{"Content-Encoding", "gzip"}, 204, good},
		{"malformed JSON", jsonType, []byte(`{"streams":[{`), nil, 400, bad},
		{"JSON of another shape", jsonType, []byte(`{"streams":7}`), nil, 400, bad},
		{"deep JSON", jsonType, []byte(`{"streams":` + strings.Repeat("[", 1_000_000)), nil, 400, bad},
		{"empty JSON", jsonType, nil, nil, 400, bad},
		{"no streams", jsonType, []byte(`{}`), nil, 204, count{}},
		{"empty protobuf", protobuf, nil, nil, 400, bad},
		{"malformed snappy", protobuf, []byte("\xff\xff not snappy"), nil, 400, bad},
		{"malformed protobuf", protobuf, snappy.Encode(nil, []byte("\xff\xff\xff")), nil, 400, bad},
		{"labels that do not parse", protobuf, snappy.Encode(nil, pb(`{job=`, now, "x")), nil, 400, bad},
		{"snappy bomb", protobuf, append(protowire.AppendVarint(nil, 4_000_000_000), 0xfe, 0, 0), nil, 413, bad},
		{"gzip bomb", jsonType, bomb(), []string{"Content-Encoding", "gzip"}, 413, bad},
		{"oversize", jsonType, bytes.Repeat([]byte{' '}, 40<<20), nil, 413, bad},
		{"not gzip", jsonType, goodBody(), []string{"Content-Encoding", "gzip"}, 400, bad},
		{"unknown encoding", jsonType, goodBody(), []string{"Content-Encoding", "rot13"}, 415, bad},
		{"wrong content type", "text/html", goodBody(), nil, 400, bad},
		{"clocks", jsonType, push(`{"job":"loki"}`, line(now.Add(-decade), "old"), line(now, "good"), line(now.Add(decade), "new")), nil, 400, count{3, 1, 2}},
		{"1 MB line", jsonType, push(`{"job":"loki"}`, line(now, strings.Repeat("x", 1<<20-100))), nil, 204, good},
		{"10,000 labels", jsonType, push(many(10_000), line(now, "x")), nil, 400, bad},
		{"10,000 of metadata", jsonType, fmt.Appendf(nil, `{"streams":[{"stream":{"job":"loki"},"values":[["%d","x",%s]]}]}`, now.UnixNano(), many(10_000)), nil, 204, good},
		{"invalid UTF-8 line", jsonType, push(`{"job":"loki"}`, fmt.Sprintf(`["%d","`+"\xff\xfe"+`"]`, now.UnixNano())), nil, 204, good},
		{"invalid UTF-8 value", protobuf, snappy.Encode(nil, pb("{job=\"\xff\"}", now, "\xff")), nil, 400, bad},
		{"invalid label name", jsonType, push(`{"jöb":"loki"}`, line(now, "x")), nil, 400, bad},
		{"timestamp of garbage", jsonType, push(`{"job":"loki"}`, `["yesterday","x"]`), nil, 400, bad},
		{"timestamp out of range", jsonType, push(`{"job":"loki"}`, `["99999999999999999999999","x"]`), nil, 400, bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := door{h, t}
			peak := d.peak()
			d.ledger("loki_push", "logs", c.want, func() { d.post(c.code, target, c.contentType, c.body, c.header...) })
			if p := peak(); p > 300<<20 {
				t.Errorf("used %d MB", p>>20)
			}
			d.ledger("loki_push", "logs", good, func() { d.post(204, target, jsonType, goodBody()) })
		})
	}
	if code, _ := get(t, target); code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", code)
	}
}

func TestBadInputRemoteWrite(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	now := time.Now()
	target := h.Base + "/api/v1/write"
	const v1, v2 = "application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	marshal := func(m interface{ Marshal() ([]byte, error) }) []byte {
		b, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return snappy.Encode(nil, b)
	}
	n := 0
	one := func(labels map[string]string, times ...time.Time) []byte {
		n++
		ts := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "written"}, {Name: "n", Value: fmt.Sprint(n)}}}
		for k, v := range labels {
			ts.Labels = append(ts.Labels, prompb.Label{Name: k, Value: v})
		}
		for _, at := range times {
			ts.Samples = append(ts.Samples, prompb.Sample{Value: 1, Timestamp: at.UnixMilli()})
		}
		return marshal(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}})
	}
	two := func(symbols []string, refs []uint32, times ...time.Time) []byte {
		req := &writev2.Request{Symbols: symbols, Timeseries: []writev2.TimeSeries{{LabelsRefs: refs}}}
		for _, at := range times {
			req.Timeseries[0].Samples = append(req.Timeseries[0].Samples, writev2.Sample{Value: 1, Timestamp: at.UnixMilli()})
		}
		return marshal(req)
	}
	wide := map[string]string{}
	for i := range 10_000 {
		wide[fmt.Sprintf("l%05d", i)] = "v"
	}
	// Every label of every series is the same long symbol.
	long := make([]uint32, 0, 4000)
	for len(long) < 4000 {
		long = append(long, 1, 3)
	}
	clocks := []time.Time{now.Add(-decade), now, now.Add(decade)}
	bad, good := count{1, 0, 1}, count{1, 1, 0}
	for _, c := range []struct {
		name, contentType string
		body              []byte
		header            []string
		code              int
		want              count
	}{
		{"good 1", v1, one(nil, now), nil, 204, good},
		{"good 2", v2, two([]string{"", "__name__", "written", "v", "2"}, []uint32{1, 2, 3, 4}, now), nil, 204, good},
		{"empty body", v1, nil, nil, 400, bad},
		{"empty message", v1, snappy.Encode(nil, nil), nil, 204, count{}},
		{"malformed snappy", v1, []byte("\xff\xff not snappy"), nil, 400, bad},
		{"malformed protobuf 1", v1, snappy.Encode(nil, []byte("\xff\xff\xff")), nil, 400, bad},
		{"malformed protobuf 2", v2, snappy.Encode(nil, []byte("\xff\xff\xff")), nil, 400, bad},
		{"bomb", v1, append(protowire.AppendVarint(nil, 4_000_000_000), 0xfe, 0, 0), nil, 413, bad},
		{"bomb of zeros", v2, snappy.Encode(nil, make([]byte, 100<<20)), nil, 413, bad},
		{"oversize", v1, make([]byte, 17<<20), nil, 413, bad},
		{"gzip", v1, one(nil, now), []string{"Content-Encoding", "gzip"}, 415, bad},
		{"wrong content type", "application/json", one(nil, now), nil, 415, bad},
		{"clocks 1", v1, one(nil, clocks...), nil, 400, count{3, 1, 2}},
		{"clocks 2", v2, two([]string{"", "__name__", "written", "c", "2"}, []uint32{1, 2, 3, 4}, clocks...), nil, 400, count{3, 1, 2}},
		{"10,000 labels", v1, one(wide, now), nil, 204, good},
		{"invalid UTF-8 name", v1, one(map[string]string{"z\xff": "v"}, now), nil, 400, bad},
		{"invalid UTF-8 value", v1, one(map[string]string{"z": "\xff"}, now), nil, 400, bad},
		{"invalid UTF-8 symbol", v2, two([]string{"", "__name__", "\xff"}, []uint32{1, 2}, now), nil, 400, bad},
		{"reference out of range", v2, two([]string{"", "__name__"}, []uint32{1, 99}, now), nil, 400, bad},
		{"odd references", v2, two([]string{"", "__name__", "x"}, []uint32{1}, now), nil, 400, bad},
		{"symbols that multiply", v2, two([]string{"", "__name__", "written", strings.Repeat("x", 1<<20)}, long, now), nil, 400, bad},
		{"no metric name", v2, two([]string{"", "a", "b"}, []uint32{1, 2}, now), nil, 400, bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := door{h, t}
			peak := d.peak()
			header := c.header
			if header == nil {
				header = []string{"Content-Encoding", "snappy"}
			}
			d.ledger("remote_write", "metrics", c.want, func() { d.post(c.code, target, c.contentType, c.body, header...) })
			if p := peak(); p > 300<<20 {
				t.Errorf("used %d MB", p>>20)
			}
			d.ledger("remote_write", "metrics", good, func() { d.post(204, target, v1, one(nil, time.Now()), "Content-Encoding", "snappy") })
		})
	}
	if code, _ := get(t, target); code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", code)
	}
}
