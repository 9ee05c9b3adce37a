package logql

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
)

// TestPatternsAreCountedOverTime counts the same lines in memory, in a segment of
// the memtable, and in a merged one, where the skeletons are stored.
func TestPatternsAreCountedOverTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s, err := logstore.Open(columnar.Options{FS: vfs.NewMem(), Dir: "/logs", Now: func() time.Time { return now }, MergeAfter: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	start := now.Add(-time.Hour)
	add := func(service, body string, at time.Time, level plog.SeverityNumber) {
		t.Helper()
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", service)
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
		lr.SetSeverityNumber(level)
		lr.Body().SetStr(body)
		if _, err := s.AppendLogs(context.Background(), model.ScopeAll(), ld); err != nil {
			t.Fatal(err)
		}
	}
	e, err := New(Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	check := func(where string, rounds int) {
		t.Helper()
		sel, err := ParseMatchers(`{service_name="payment"}`)
		if err != nil {
			t.Fatal(err)
		}
		got, from, _, err := e.Patterns(context.Background(), model.ScopeAll(), PatternsRequest{
			From: start.UnixNano(), To: start.Add(2 * time.Minute).UnixNano(), Step: int64(time.Minute), Selector: sel,
		})
		if err != nil {
			t.Fatal(err)
		}
		if from != start.UnixNano() || len(got) != 2 {
			t.Fatalf("%s: %+v from %d", where, got, from)
		}
		paid, refused := got[0], got[1]
		n := float64(rounds)
		if paid.Pattern != "paid <*> EUR for ride <*>" || paid.Level != "info" || paid.Total != 30*n || paid.Counts[0] != 20*n || paid.Counts[1] != 10*n {
			t.Errorf("%s: %+v", where, paid)
		}
		if refused.Pattern != "card refused" || refused.Level != "error" || refused.Total != n || !plan.IsAbsent(refused.Counts[0]) || refused.Counts[1] != n {
			t.Errorf("%s: %+v", where, refused)
		}
	}
	for round := range 2 {
		for i := range 30 {
			add("payment", fmt.Sprintf("paid %d EUR for ride %08x", i, i*7919), start.Add(time.Duration(i)*3*time.Second), plog.SeverityNumberInfo)
		}
		add("payment", "card refused", start.Add(70*time.Second), plog.SeverityNumberError)
		add("rider", "not asked for", start, plog.SeverityNumberInfo)
		check("memory", round+1)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		check("segments of the memtable", round+1)
	}
	if err := s.CompactNow(); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Segments; n != 1 {
		t.Fatalf("%d segments after the merge", n)
	}
	check("a merged segment", 2)
}
