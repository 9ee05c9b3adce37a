package company_test

import (
	"context"
	"testing"
	"time"

	"hinomi/examples/rideshare/fault"

	"go.opentelemetry.io/otel/trace"
)

func (h *harness) add(f fault.Fault) {
	h.t.Helper()
	if _, err := h.Faults().Add(f); err != nil {
		h.t.Fatal(err)
	}
}

func TestErrorsFaultHitsItsShare(t *testing.T) {
	h := start(t, 5)
	h.add(fault.Fault{Service: "payment", Kind: fault.Errors, Share: 0.5, Status: 503})
	s := h.rides(60)
	bad, good := requestsOf(s, "payment", 503), requestsOf(s, "payment", 200)
	if share := float64(bad) / float64(bad+good); share < 0.25 || share > 0.75 {
		t.Errorf("%d bad and %d good answers of payment, want about half", bad, good)
	}
	if logsOf(s, "payment", "ERROR") < bad {
		t.Error("bad answers without an error in the log")
	}
	if s.Counter("rides_completed_total") < 50 {
		t.Errorf("only %v rides completed: a failing payment must not stop them", s.Counter("rides_completed_total"))
	}
}

func TestLatencyFaultDelays(t *testing.T) {
	h := start(t, 5)
	h.add(fault.Fault{Service: "fraud", Kind: fault.Latency, LatencyMS: 40})
	h.rides(3)
	seen := 0
	for _, sp := range h.spans.GetSpans() {
		if service(sp) == "fraud" && sp.SpanKind == trace.SpanKindServer {
			seen++
			if d := sp.EndTime.Sub(sp.StartTime); d < 40*time.Millisecond {
				t.Errorf("a request of fraud took %v", d)
			}
		}
	}
	if seen == 0 {
		t.Error("no request of fraud")
	}
}

func TestCrashRefusesConnections(t *testing.T) {
	h := start(t, 6)
	before := h.rides(3)
	h.add(fault.Fault{ID: "c", Service: "payment", Kind: fault.Crash})
	after := h.rides(3)
	if a, b := requestsOf(before, "payment", 200), requestsOf(after, "payment", 200); a == 0 || a != b {
		t.Errorf("payment answered %d requests before the crash and %d in all", a, b)
	}
	refused := 0
	for _, sp := range h.spans.GetSpans() {
		if service(sp) == "trip" && attribute(sp, "server.address") == "payment" && attribute(sp, "error.type") == "connection_refused" {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d refused calls of trip, want 3", refused)
	}
	if code, err := h.ask("POST", "/svc/payment/v1/charges", "{}"); err == nil {
		t.Errorf("a crashed service answered %d", code)
	}
	h.Faults().Remove(func(fault.Fault) bool { return true })
	if code, err := h.ask("POST", "/svc/payment/v1/charges", `{"city":"tokyo"}`); err != nil || code != 200 {
		t.Errorf("after the crash: %d %v", code, err)
	}
}

func TestDependencyDown(t *testing.T) {
	h := start(t, 7)
	h.add(fault.Fault{Service: "fraud", Kind: fault.DependencyDown, Dependency: "postgres"})
	h.add(fault.Fault{Service: "auth", Kind: fault.DependencyDown, Dependency: "redis"})
	s := h.rides(5)
	if requestsOf(s, "fraud", 200) != 0 || requestsOf(s, "fraud", 500) == 0 {
		t.Errorf("fraud without its database: %+v", s.Requests)
	}
	if requestsOf(s, "auth", 200) != 5 || logsOf(s, "auth", "WARN") != 5 {
		t.Errorf("auth without its cache: %d answers, %d warnings", requestsOf(s, "auth", 200), logsOf(s, "auth", "WARN"))
	}
}

// Messages wait while a consumer's broker is down, the drain says so, and none is lost after.
func TestQueueKeepsMessagesWhileTheConsumerIsDown(t *testing.T) {
	h := start(t, 8)
	h.add(fault.Fault{Service: "billing", Kind: fault.DependencyDown, Dependency: "kafka"})
	req := `{"ride_id":"x","rider_id":"r-1","city":"tokyo","tier":"gold","distance_km":3}`
	if code, err := h.ask("POST", "/svc/trip/v1/trips", req); err != nil || code != 200 {
		t.Fatal(code, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Flush(ctx, 1, false); err == nil {
		t.Fatal("the drain does not see the waiting message")
	}
	h.Faults().Remove(func(fault.Fault) bool { return true })
	var invoices int64
	for _, row := range h.flush().Spans {
		if row.Service == "billing" && row.Kind == "consumer" {
			invoices += row.Count
		}
	}
	if invoices != 1 {
		t.Errorf("%d messages processed by billing, want 1", invoices)
	}
}

func TestBadRequestsGetAReason(t *testing.T) {
	h := start(t, 9)
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/svc/gateway/v1/rides", "{", 400},
		{"GET", "/svc/gateway/nothing", "", 404},
		{"GET", "/svc/nobody/v1/x", "", 404},
		{"GET", "/ledger?traces=-1", "", 400},
		{"GET", "/ledger", "", 200},
		{"POST", "/flush?hold=true", "", 200},
		{"POST", "/resume", "", 200},
		{"POST", "/deploy", `{"service":"x"}`, 400},
		{"GET", "/healthz", "", 200},
	} {
		if code, err := h.ask(c.method, c.path, c.body); err != nil || code != c.want {
			t.Errorf("%s %s: %d %v, want %d", c.method, c.path, code, err, c.want)
		}
	}
}
