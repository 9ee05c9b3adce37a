package otlp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/model"
)

// nest puts values in each other, lists and maps by turns.
func nest(v pcommon.Value, levels int) {
	for i := range levels - 1 {
		if i%2 == 0 {
			v = v.SetEmptySlice().AppendEmpty()
		} else {
			v = v.SetEmptyMap().PutEmpty("k")
		}
	}
	v.SetStr("end")
}

// TestNestingIsFoundWhereverValuesAre puts a deep value at every place of the
// three requests that has values.
func TestNestingIsFoundWhereverValuesAre(t *testing.T) {
	logs := func(place func(plog.ResourceLogs) pcommon.Value) func(int) []byte {
		return func(levels int) []byte {
			ld := plog.NewLogs()
			rl := ld.ResourceLogs().AppendEmpty()
			rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			nest(place(rl), levels)
			b, _ := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
			return b
		}
	}
	traces := func(place func(ptrace.Span) pcommon.Value) func(int) []byte {
		return func(levels int) []byte {
			td := ptrace.NewTraces()
			nest(place(td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()), levels)
			b, _ := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
			return b
		}
	}
	metrics := func(place func(pmetric.Metric) pcommon.Value) func(int) []byte {
		return func(levels int) []byte {
			md := pmetric.NewMetrics()
			nest(place(md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()), levels)
			b, _ := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
			return b
		}
	}
	for name, c := range map[string]struct {
		signal model.Signal
		body   func(levels int) []byte
	}{
		"body": {model.Logs, logs(func(l plog.ResourceLogs) pcommon.Value { return l.ScopeLogs().At(0).LogRecords().At(0).Body() })},
		"record": {model.Logs, logs(func(l plog.ResourceLogs) pcommon.Value {
			return l.ScopeLogs().At(0).LogRecords().At(0).Attributes().PutEmpty("a")
		})},
		"scope":    {model.Logs, logs(func(l plog.ResourceLogs) pcommon.Value { return l.ScopeLogs().At(0).Scope().Attributes().PutEmpty("a") })},
		"resource": {model.Logs, logs(func(l plog.ResourceLogs) pcommon.Value { return l.Resource().Attributes().PutEmpty("a") })},
		"span":     {model.Traces, traces(func(s ptrace.Span) pcommon.Value { return s.Attributes().PutEmpty("a") })},
		"event":    {model.Traces, traces(func(s ptrace.Span) pcommon.Value { return s.Events().AppendEmpty().Attributes().PutEmpty("a") })},
		"link":     {model.Traces, traces(func(s ptrace.Span) pcommon.Value { return s.Links().AppendEmpty().Attributes().PutEmpty("a") })},
		"gauge": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptyGauge().DataPoints().AppendEmpty().Attributes().PutEmpty("a")
		})},
		"sum": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptySum().DataPoints().AppendEmpty().Attributes().PutEmpty("a")
		})},
		"exemplar": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptySum().DataPoints().AppendEmpty().Exemplars().AppendEmpty().FilteredAttributes().PutEmpty("a")
		})},
		"histogram": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptyHistogram().DataPoints().AppendEmpty().Attributes().PutEmpty("a")
		})},
		"histogram exemplar": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptyHistogram().DataPoints().AppendEmpty().Exemplars().AppendEmpty().FilteredAttributes().PutEmpty("a")
		})},
		"exponential": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty().Attributes().PutEmpty("a")
		})},
		"exponential exemplar": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty().Exemplars().AppendEmpty().FilteredAttributes().PutEmpty("a")
		})},
		"summary": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value {
			return m.SetEmptySummary().DataPoints().AppendEmpty().Attributes().PutEmpty("a")
		})},
		"metric metadata": {model.Metrics, metrics(func(m pmetric.Metric) pcommon.Value { return m.Metadata().PutEmpty("a") })},
	} {
		if err := check(c.signal, c.body(maxNesting)); err != nil {
			t.Errorf("%s: %d levels: %v", name, maxNesting, err)
		}
		if err := check(c.signal, c.body(maxNesting+1)); err == nil {
			t.Errorf("%s: %d levels are accepted", name, maxNesting+1)
		}
	}
}

func FuzzCheck(f *testing.F) {
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	nest(lr.Body(), 20)
	b, _ := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	f.Add(b)
	f.Fuzz(func(t *testing.T, body []byte) {
		for signal := range requests {
			_ = check(signal, body)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	ld := plog.NewLogs()
	rs := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range 1000 {
		lr := rs.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		lr.Body().SetStr("GET /api/v1/rides/12345 200 in 12 ms for user 77")
		for _, k := range []string{"http.method", "http.route", "http.status", "user.id", "ride.id"} {
			lr.Attributes().PutStr(k, "some value")
		}
	}
	body, _ := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	for b.Loop() {
		if err := check(model.Logs, body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
}

// TestEmptyRecordsCannotMultiply sends records of two bytes, which would take two
// hundred each.
func TestEmptyRecordsCannotMultiply(t *testing.T) {
	wrap := func(in []byte, fields ...protowire.Number) []byte {
		for _, f := range fields {
			in = protowire.AppendBytes(protowire.AppendTag(nil, f, protowire.BytesType), in)
		}
		return in
	}
	for _, c := range []struct {
		signal model.Signal
		body   []byte
	}{
		{model.Logs, wrap(bytes.Repeat([]byte{2<<3 | 2, 0}, 2_000_000), 2, 1)},
		{model.Traces, wrap(bytes.Repeat([]byte{2<<3 | 2, 0}, 2_000_000), 2, 1)},
		{model.Traces, wrap(bytes.Repeat([]byte{13<<3 | 2, 0}, 2_000_000), 2, 2, 1)},
		{model.Metrics, wrap(bytes.Repeat([]byte{1<<3 | 2, 0}, 2_000_000), 7, 2, 2, 1)},
		{model.Logs, wrap(bytes.Repeat([]byte{6<<3 | 2, 0}, 10_000_000), 2, 2, 1)},
	} {
		if err := check(c.signal, c.body); err == nil || !strings.Contains(err.Error(), "smaller batches") {
			t.Errorf("%s of %d bytes: %v", c.signal, len(c.body), err)
		}
	}
	if err := checkJSON(bytes.Repeat([]byte("{},"), 2_000_000)); err == nil {
		t.Error("two million empty objects are accepted")
	}
}
