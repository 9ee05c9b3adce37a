package company_test

import (
	"net/http"
	"reflect"
	"testing"

	"hinomi/examples/rideshare/ledger"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func TestLedgerEqualsWhatTheSDKExported(t *testing.T) {
	h := start(t, 1)
	s := h.rides(40)
	counts := map[ledger.SpanKey]int64{}
	for _, sp := range h.spans.GetSpans() {
		status := "unset"
		if sp.Status.Code != 0 {
			status = "error"
		}
		counts[ledger.SpanKey{Service: service(sp), Name: sp.Name, Kind: sp.SpanKind.String(), Status: status}]++
	}
	if len(counts) != len(s.Spans) {
		t.Errorf("%d kinds of spans exported, %d in the ledger", len(counts), len(s.Spans))
	}
	for _, row := range s.Spans {
		if counts[row.SpanKey] != row.Count {
			t.Errorf("%+v: exported %d", row, counts[row.SpanKey])
		}
	}
	if n := int64(len(h.logs.all())); n != s.Totals.Logs {
		t.Errorf("%d log records exported, %d in the ledger", n, s.Totals.Logs)
	}
	if s.Counter("rides_requested_total") == 0 || s.Counter("matching_success_total") == 0 {
		t.Errorf("no business: %+v", s.Counters)
	}
	for prometheus, name := range map[string]string{"rides_requested_total": "rides.requested", "matching_attempts_total": "matching.attempts",
		"matching_success_total": "matching.success", "payments_total": "payments", "rides_completed_total": "rides.completed"} {
		if got := h.metrics.sum(name); got != s.Counter(prometheus) {
			t.Errorf("%s: exported %v, ledger %v", prometheus, got, s.Counter(prometheus))
		}
	}
	if got := h.metrics.sum("http.server.request.duration"); got != float64(s.Totals.Requests) {
		t.Errorf("durations of %v requests exported, %d in the ledger", got, s.Totals.Requests)
	}
	for _, e := range s.Export {
		if e.Failed != 0 {
			t.Errorf("failed exports: %+v", e)
		}
	}
}

func TestSameSeedSameOutcomes(t *testing.T) {
	a, b, other := start(t, 11).rides(30), start(t, 11).rides(30), start(t, 12).rides(30)
	if !reflect.DeepEqual(a.Requests, b.Requests) || !reflect.DeepEqual(a.Spans, b.Spans) || !reflect.DeepEqual(a.Logs, b.Logs) || !reflect.DeepEqual(a.Counters, b.Counters) {
		t.Errorf("two runs with one seed differ:\n%+v\n%+v", a.Totals, b.Totals)
	}
	if reflect.DeepEqual(a.Counters, other.Counters) {
		t.Error("two seeds give the same business")
	}
}

func TestARideIsOneConnectedTrace(t *testing.T) {
	h := start(t, 3)
	s := h.rides(5)
	byTrace := map[string]map[trace.SpanID]tracetest.SpanStub{}
	for _, sp := range h.spans.GetSpans() {
		id := sp.SpanContext.TraceID().String()
		if byTrace[id] == nil {
			byTrace[id] = map[trace.SpanID]tracetest.SpanStub{}
		}
		byTrace[id][sp.SpanContext.SpanID()] = sp
	}
	if len(byTrace) != len(s.Traces) {
		t.Fatalf("%d traces exported, %d in the ledger", len(byTrace), len(s.Traces))
	}
	whole := 0
	for _, want := range s.Traces {
		spans := byTrace[want.TraceID]
		if len(spans) != want.Spans {
			t.Errorf("trace %s of %s has %d spans, ledger %d", want.TraceID, want.RequestID, len(spans), want.Spans)
		}
		roots := 0
		for _, sp := range spans {
			if !sp.Parent.IsValid() {
				roots++
				if d := sp.EndTime.Sub(sp.StartTime).Nanoseconds(); d != want.RootDurationNanos || service(sp) != "gateway" {
					t.Errorf("root of %s: %s %d ns, ledger %d", want.RequestID, service(sp), d, want.RootDurationNanos)
				}
			} else if _, ok := spans[sp.Parent.SpanID()]; !ok {
				t.Errorf("span %s of %s has no parent in its trace", sp.Name, service(sp))
			}
			if attribute(sp, "city") == "" || attribute(sp, "rider.tier") == "" {
				t.Errorf("span %s of %s has no baggage attributes", sp.Name, service(sp))
			}
			if sp.SpanKind == trace.SpanKindConsumer && (len(sp.Links) != 1 || sp.Links[0].SpanContext.SpanID() != sp.Parent.SpanID()) {
				t.Errorf("consumer span of %s does not link to its producer", service(sp))
			}
		}
		if roots != 1 {
			t.Errorf("trace of %s has %d roots", want.RequestID, roots)
		}
		if len(want.Services) == 14 {
			whole++
		}
	}
	if whole == 0 {
		t.Error("no ride went through all fourteen services of the journey")
	}
	for _, r := range h.logs.all() {
		if r.Body().AsString() != "service started" && !r.TraceID().IsValid() {
			t.Errorf("log record %q has no trace id", r.Body().AsString())
		}
	}
}

func TestResourcesTellTheServicesApart(t *testing.T) {
	h := start(t, 4)
	h.rides(1)
	if err := h.Deploy("gateway", "v342", true); err != nil {
		t.Fatal(err)
	}
	if len(h.Faults().List()) != 2 {
		t.Errorf("a bad version has the faults %+v", h.Faults().List())
	}
	if err := h.Deploy("gateway", "v343", false); err != nil {
		t.Fatal(err)
	}
	if len(h.Faults().List()) != 0 {
		t.Errorf("a good version has the faults %+v", h.Faults().List())
	}
	if code, err := h.ask(http.MethodGet, "/svc/gateway/v1/drivers/nearby", ""); code != 200 || err != nil {
		t.Fatal(code, err)
	}
	h.flush()
	versions := map[string]bool{}
	for _, sp := range h.spans.GetSpans() {
		attrs := map[string]string{}
		for _, kv := range sp.Resource.Attributes() {
			attrs[string(kv.Key)] = kv.Value.AsString()
		}
		if attrs["service.namespace"] != "rideshare" || attrs["team"] == "" || attrs["service.instance.id"] == "" || attrs["deployment.environment.name"] != "demo" || attrs["product"] != "" {
			t.Fatalf("resource %v", attrs)
		}
		if attrs["service.name"] == "gateway" {
			versions[attrs["service.version"]] = true
		}
	}
	if !reflect.DeepEqual(versions, map[string]bool{"v341": true, "v343": true}) {
		t.Errorf("versions of the gateway's spans: %v", versions)
	}
	if err := h.Deploy("nobody", "v1", false); err == nil {
		t.Error("an unknown service was deployed")
	}
}

func service(sp tracetest.SpanStub) string {
	v, _ := sp.Resource.Set().Value("service.name")
	return v.AsString()
}

func attribute(sp tracetest.SpanStub, key string) string {
	for _, kv := range sp.Attributes {
		if string(kv.Key) == key {
			return kv.Value.Emit()
		}
	}
	return ""
}
