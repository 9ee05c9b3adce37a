package ledger

import (
	"errors"
	"fmt"
	"testing"
)

func TestSnapshotCountsByKey(t *testing.T) {
	l := New()
	for range 3 {
		l.Request(RequestKey{"payment", "POST", "/v1/charges", 200})
	}
	l.Request(RequestKey{"payment", "POST", "/v1/charges", 500})
	l.Span("t1", SpanKey{"payment", "POST /v1/charges", "server", "error"})
	l.Span("t1", SpanKey{"trip", "POST /v1/charges", "client", "unset"})
	l.Log("payment", "INFO")
	l.Add("payments_total", 1, "result", "captured")
	l.Add("payments_total", 2, "result", "declined")
	l.Observe("payment_amount", 1500, "city", "tokyo")
	l.Observe("payment_amount", 500, "city", "tokyo")
	l.Exported("spans", 2, nil)
	l.Exported("logs", 1, errors.New("refused"))

	s := l.Snapshot(10)
	if s.Totals != (Totals{Requests: 4, Spans: 2, Logs: 1}) {
		t.Errorf("totals %+v", s.Totals)
	}
	if s.Requests[0].Count != 3 || s.Requests[1].Count != 1 || s.Requests[1].Status != 500 {
		t.Errorf("requests %+v", s.Requests)
	}
	if s.Counter("payments_total") != 3 || s.Counter("payments_total", "result", "declined") != 2 {
		t.Errorf("counters %+v", s.Counters)
	}
	if h := s.Histograms[0]; h.Count != 2 || h.Sum != 2000 {
		t.Errorf("histogram %+v", h)
	}
	if len(s.Traces) != 1 || s.Traces[0].Spans != 2 || s.Traces[0].ErrorSpans != 1 || s.Traces[0].Services["trip"] != 1 {
		t.Errorf("traces %+v", s.Traces)
	}
	if e := s.Export["logs"]; e.Created != 1 || e.Handed != 1 || e.Failed != 1 || e.LastError != "refused" {
		t.Errorf("export of logs %+v", e)
	}
}

func TestTraceRingKeepsTheNewest(t *testing.T) {
	l := New()
	for i := range traceRingSize + 5 {
		l.Span(fmt.Sprint(i), SpanKey{"a", "b", "server", "unset"})
	}
	s := l.Snapshot(1 << 20)
	if len(s.Traces) != traceRingSize || s.Traces[0].TraceID != "5" || len(l.traces) != traceRingSize {
		t.Fatalf("%d traces, the oldest is %s, %d in the map", len(s.Traces), s.Traces[0].TraceID, len(l.traces))
	}
	if got := l.Snapshot(2).Traces; len(got) != 2 || got[1].TraceID != fmt.Sprint(traceRingSize+4) {
		t.Fatalf("the last two are %+v", got)
	}
}
