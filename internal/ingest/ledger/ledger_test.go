package ledger

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLedgerAddsUp(t *testing.T) {
	at := time.Unix(1000, 0)
	l := New(prometheus.NewRegistry(), func() time.Time { return at })
	l.Record("otlp", model.Logs, 10, 7, map[store.RejectReason]int{store.RejectTooNew: 3}, "clock is wrong")
	l.Record("otlp", model.Logs, 5, 5, nil, "")
	l.Record("loki", model.Logs, 1, 0, map[store.RejectReason]int{ReasonRetry: 1}, "disk is full")
	lines := l.Snapshot()
	if len(lines) != 2 || lines[0].Source != "loki" || lines[1].Source != "otlp" {
		t.Fatalf("lines: %+v", lines)
	}
	o := lines[1]
	if o.Received != 15 || o.Stored != 12 || o.Rejected[store.RejectTooNew] != 3 || o.LastError != "too_new: clock is wrong" || !o.LastSeen.Equal(at) {
		t.Fatalf("line: %+v", o)
	}
	o.Rejected[store.RejectTooNew] = 99
	if l.Snapshot()[1].Rejected[store.RejectTooNew] != 3 {
		t.Fatal("the snapshot shares memory with the ledger")
	}
}
