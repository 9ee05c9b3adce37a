package spanmetrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"hinomi/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder keeps what was committed.
type recorder struct {
	samples   map[string][]float64 // by series, in order
	exemplars map[string]string    // trace id by series
	fail      error
}

func (r *recorder) appender(context.Context) storage.Appender { return &recording{to: r} }

type recording struct {
	storage.Appender
	to      *recorder
	samples []func()
}

func (a *recording) Append(ref storage.SeriesRef, l labels.Labels, _ int64, v float64) (storage.SeriesRef, error) {
	a.samples = append(a.samples, func() { a.to.samples[l.String()] = append(a.to.samples[l.String()], v) })
	return 1, nil
}

func (a *recording) AppendExemplar(ref storage.SeriesRef, l labels.Labels, e exemplar.Exemplar) (storage.SeriesRef, error) {
	a.samples = append(a.samples, func() { a.to.exemplars[l.String()] = e.Labels.Get("trace_id") })
	return ref, nil
}

func (a *recording) Commit() error {
	if a.to.fail != nil {
		return a.to.fail
	}
	for _, f := range a.samples {
		f()
	}
	return nil
}

func (a *recording) Rollback() error { return nil }

func newGenerator() (*Generator, *recorder) {
	r := &recorder{samples: map[string][]float64{}, exemplars: map[string]string{}}
	return New(Options{Appender: r.appender, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Now: time.Now}), r
}

// spanOf describes one span of a test.
type spanOf struct {
	service, name  string
	kind           ptrace.SpanKind
	trace          byte
	id, parent     byte
	took           time.Duration
	failed         bool
	state, product string
	attrs          map[string]string
}

func traces(spans ...spanOf) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, s := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", s.service)
		if s.product != "" {
			rs.Resource().Attributes().PutStr(model.ResourceProduct, s.product)
		}
		sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		sp.SetName(s.name)
		sp.SetKind(s.kind)
		sp.SetTraceID(pcommon.TraceID{s.trace})
		sp.SetSpanID(pcommon.SpanID{s.id})
		sp.SetParentSpanID(pcommon.SpanID{s.parent})
		start := time.Now()
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(s.took)))
		sp.TraceState().FromRaw(s.state)
		if s.failed {
			sp.Status().SetCode(ptrace.StatusCodeError)
		}
		for k, v := range s.attrs {
			sp.Attributes().PutStr(k, v)
		}
	}
	return td
}

func (r *recorder) expect(t *testing.T, series string, want ...float64) {
	t.Helper()
	got := r.samples[series]
	same := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		same = same && (math.Abs(got[i]-want[i]) < 1e-9 || value.IsStaleNaN(got[i]) && value.IsStaleNaN(want[i]))
	}
	if !same {
		t.Errorf("%s = %v, want %v", series, got, want)
	}
}

func TestREDMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGenerator()
		time.Sleep(5 * time.Second)
		ok := spanOf{service: "pay", name: "POST /charge", kind: ptrace.SpanKindServer, trace: 1, id: 1, took: 30 * time.Millisecond}
		bad := ok
		bad.failed, bad.took, bad.trace = true, 3*time.Second, 2
		g.Observe(model.ScopeAll(), traces(ok, ok, bad))
		g.Write(context.Background())
		const good = `service="pay", span_kind="SPAN_KIND_SERVER", span_name="POST /charge", status_code="STATUS_CODE_UNSET"`
		const failed = `service="pay", span_kind="SPAN_KIND_SERVER", span_name="POST /charge", status_code="STATUS_CODE_ERROR"`
		// A new series starts at zero, so that rate() sees its first increase.
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", `+good+`}`, 0, 2)
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", `+failed+`}`, 0, 1)
		r.expect(t, `{__name__="traces_spanmetrics_latency_sum", `+good+`}`, 0, 0.06)
		r.expect(t, `{__name__="traces_spanmetrics_latency_count", `+good+`}`, 0, 2)
		r.expect(t, `{__name__="traces_spanmetrics_latency_bucket", le="0.025", `+good+`}`, 0, 0)
		r.expect(t, `{__name__="traces_spanmetrics_latency_bucket", le="0.05", `+good+`}`, 0, 2)
		r.expect(t, `{__name__="traces_spanmetrics_latency_bucket", le="3", `+failed+`}`, 0, 1)
		r.expect(t, `{__name__="traces_spanmetrics_latency_bucket", le="+Inf", `+failed+`}`, 0, 1)
		if got := r.exemplars[`{__name__="traces_spanmetrics_latency_bucket", le="3", `+failed+`}`]; got != "02000000000000000000000000000000" {
			t.Errorf("exemplar of the failed span is %q", got)
		}
		time.Sleep(5 * time.Second)
		g.Observe(model.ScopeAll(), traces(ok))
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", `+good+`}`, 0, 2, 3)
		// After a quarter of an hour without a span the series ends.
		time.Sleep(16 * time.Minute)
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", `+good+`}`, 0, 2, 3, math.Float64frombits(value.StaleNaN))
	})
}

func TestAFailedWriteLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGenerator()
		time.Sleep(5 * time.Second)
		s := spanOf{service: "a", name: "x", kind: ptrace.SpanKindServer, trace: 1, id: 1}
		r.fail = errors.New("disk is full")
		g.Observe(model.ScopeAll(), traces(s))
		g.Write(context.Background())
		r.fail = nil
		time.Sleep(5 * time.Second)
		g.Observe(model.ScopeAll(), traces(s))
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", service="a", span_kind="SPAN_KIND_SERVER", span_name="x", status_code="STATUS_CODE_UNSET"}`, 0, 2)
	})
}

func TestHeadSampledSpansCountForThoseLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGenerator()
		time.Sleep(5 * time.Second)
		g.Observe(model.ScopeAll(), traces(
			spanOf{service: "a", name: "x", kind: ptrace.SpanKindServer, trace: 1, id: 1, state: "ot=th:c"}, // 1 of 4
			spanOf{service: "a", name: "x", kind: ptrace.SpanKindServer, trace: 2, id: 2, state: "vendor=x"},
		))
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", service="a", span_kind="SPAN_KIND_SERVER", span_name="x", status_code="STATUS_CODE_UNSET"}`, 0, 5)
	})
}

func TestServiceGraph(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGenerator()
		time.Sleep(5 * time.Second)
		client := spanOf{service: "web", name: "GET", kind: ptrace.SpanKindClient, trace: 1, id: 1, took: 200 * time.Millisecond}
		server := spanOf{service: "api", name: "GET /", kind: ptrace.SpanKindServer, trace: 1, id: 2, parent: 1, took: 100 * time.Millisecond, failed: true}
		// The two sides come in different requests, in either order.
		g.Observe(model.ScopeAll(), traces(client))
		g.Observe(model.ScopeAll(), traces(server))
		server.trace, client.trace, server.failed = 2, 2, false
		g.Observe(model.ScopeAll(), traces(server))
		g.Observe(model.ScopeAll(), traces(client))
		db := spanOf{service: "api", name: "SELECT", kind: ptrace.SpanKindClient, trace: 3, id: 3, attrs: map[string]string{"db.system.name": "postgresql", "db.namespace": "api"}}
		queue := spanOf{service: "api", name: "send", kind: ptrace.SpanKindProducer, trace: 4, id: 4, attrs: map[string]string{"messaging.system": "kafka"}}
		mail := spanOf{service: "mail", name: "receive", kind: ptrace.SpanKindConsumer, trace: 4, id: 5, parent: 4}
		outside := spanOf{service: "api", name: "GET", kind: ptrace.SpanKindClient, trace: 5, id: 6, failed: true, attrs: map[string]string{"server.address": "maps.example"}}
		g.Observe(model.ScopeAll(), traces(db, queue, mail, outside))
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_service_graph_request_total", client="web", server="api"}`, 0, 2)
		r.expect(t, `{__name__="traces_service_graph_request_failed_total", client="web", server="api"}`, 0, 1)
		r.expect(t, `{__name__="traces_service_graph_request_client_seconds_sum", client="web", server="api"}`, 0, 0.4)
		r.expect(t, `{__name__="traces_service_graph_request_server_seconds_sum", client="web", server="api"}`, 0, 0.2)
		r.expect(t, `{__name__="traces_service_graph_request_total", client="api", connection_type="database", server="postgresql/api"}`, 0, 1)
		r.expect(t, `{__name__="traces_service_graph_request_total", client="api", connection_type="messaging_system", server="mail"}`, 0, 1)
		const virtual = `client="api", connection_type="virtual_node", server="maps.example"}`
		r.expect(t, `{__name__="traces_service_graph_request_total", `+virtual)
		// Who never answers with a span of its own is outside of our sight.
		time.Sleep(pairWait + time.Second)
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_service_graph_request_total", `+virtual, 0, 1)
		r.expect(t, `{__name__="traces_service_graph_request_failed_total", `+virtual, 0, 1)
	})
}

func TestProductAndScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGenerator()
		time.Sleep(5 * time.Second)
		s := spanOf{service: "a", name: "x", kind: ptrace.SpanKindServer, trace: 1, id: 1, product: "acme"}
		g.Observe(model.ScopeProducts(model.RoleEditor, "acme"), traces(s))
		// The store refuses this one, so it must not count.
		g.Observe(model.ScopeProducts(model.RoleEditor, "globex"), traces(s))
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", product="acme", service="a", span_kind="SPAN_KIND_SERVER", span_name="x", status_code="STATUS_CODE_UNSET"}`, 0, 1)
		for series := range r.samples {
			if series == `{__name__="traces_spanmetrics_calls_total", service="a", span_kind="SPAN_KIND_SERVER", span_name="x", status_code="STATUS_CODE_UNSET"}` {
				t.Error("a series without its product")
			}
		}
	})
}

func TestTooManyOperationsAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGenerator()
		time.Sleep(5 * time.Second)
		const extra = 40
		for i := range maxSpanNames + extra {
			g.Observe(model.ScopeAll(), traces(spanOf{service: "a", name: fmt.Sprint("GET /", i), kind: ptrace.SpanKindServer, trace: 1, id: 1}))
		}
		g.Observe(model.ScopeAll(), traces(spanOf{service: "b", name: "calm", kind: ptrace.SpanKindServer, trace: 1, id: 1}))
		g.Write(context.Background())
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", service="a", span_kind="SPAN_KIND_SERVER", span_name="__overflow__", status_code="STATUS_CODE_UNSET"}`, 0, extra)
		r.expect(t, `{__name__="traces_spanmetrics_calls_total", service="b", span_kind="SPAN_KIND_SERVER", span_name="calm", status_code="STATUS_CODE_UNSET"}`, 0, 1)
	})
}
