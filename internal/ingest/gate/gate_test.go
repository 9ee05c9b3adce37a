package gate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"hinomi/internal/ingest/ledger"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func twoLogs() plog.Logs {
	ld := plog.NewLogs()
	sl := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	sl.LogRecords().AppendEmpty()
	sl.LogRecords().AppendEmpty()
	return ld
}

func TestOutcomesAreCountedAndReceipted(t *testing.T) {
	l := ledger.New(prometheus.NewRegistry(), time.Now)
	var answer store.WriteResult
	var fail error
	g := New(Options{Ledger: l, Logs: func(context.Context, model.Scope, plog.Logs) (store.WriteResult, error) { return answer, fail }})

	answer.Stored = 1
	answer.Reject(store.RejectTooNew, 1, "clock is wrong")
	ctx, receipt := WithReceipt(context.Background())
	if _, err := g.Logs(ctx, model.ScopeAll(), "otlp", twoLogs()); err != nil {
		t.Fatal(err)
	}
	if n, text := receipt.Rejected(); n != 1 || text != "too_new: clock is wrong" || receipt.Stored() != 1 {
		t.Errorf("receipt: %d %q, %d stored", n, text, receipt.Stored())
	}
	fail = fmt.Errorf("append: %w", store.ErrNoSpace)
	if _, err := g.Logs(context.Background(), model.ScopeAll(), "otlp", twoLogs()); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("error %v", err)
	}
	g.Malformed("otlp", model.Logs, errors.New("not protobuf"))
	if _, err := g.Logs(context.Background(), model.ScopeAll(), "otlp", plog.NewLogs()); err != nil {
		t.Errorf("an empty request: %v", err)
	}
	line := l.Snapshot()[0]
	if line.Received != 5 || line.Stored != 1 || line.Rejected[store.RejectTooNew] != 1 || line.Rejected[ledger.ReasonRetry] != 2 || line.Rejected[store.RejectMalformed] != 1 {
		t.Errorf("ledger: %+v", line)
	}
}

func TestSpansAreSeenOnlyAfterTheyAreStored(t *testing.T) {
	l := ledger.New(prometheus.NewRegistry(), time.Now)
	var fail error
	stored, seen := 0, 0
	g := New(Options{
		Ledger: l,
		Traces: func(_ context.Context, _ model.Scope, td ptrace.Traces) (store.WriteResult, error) {
			if fail != nil {
				return store.WriteResult{}, fail
			}
			stored += td.SpanCount()
			return store.WriteResult{Stored: td.SpanCount()}, nil
		},
		AfterTraces: func(_ model.Scope, td ptrace.Traces) {
			seen += td.SpanCount()
			if seen > stored {
				t.Error("spans were seen before they were stored")
			}
		},
		Metrics: func(context.Context, model.Scope, pmetric.Metrics) (store.WriteResult, error) {
			return store.WriteResult{}, nil
		},
	})
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	if _, err := g.Traces(context.Background(), model.ScopeAll(), "otlp", td); err != nil || seen != 1 {
		t.Errorf("%d seen: %v", seen, err)
	}
	fail = store.ErrOverloaded
	if _, err := g.Traces(context.Background(), model.ScopeAll(), "otlp", td); !errors.Is(err, store.ErrOverloaded) || seen != 1 {
		t.Errorf("refused spans were seen: %d, %v", seen, err)
	}
}
