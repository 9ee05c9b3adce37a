package tracestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(columnar.Options{FS: fs, Dir: "/spans", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func id16(n int) (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

func id8(n int) (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)+1)
	return id
}

// rich fills a span with everything a span can have.
func rich(sp ptrace.Span, n int) {
	sp.SetTraceID(id16(n / 4))
	sp.SetSpanID(id8(n))
	if n%4 > 0 {
		sp.SetParentSpanID(id8(n - 1))
	}
	sp.SetName(fmt.Sprintf("op-%d", n%7))
	sp.SetKind(ptrace.SpanKind(n % 6))
	sp.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Minute + time.Duration(n)*time.Millisecond)))
	sp.SetEndTimestamp(sp.StartTimestamp() + pcommon.Timestamp(n*1000))
	sp.Status().SetCode(ptrace.StatusCode(n % 3))
	if n%3 == 2 {
		sp.Status().SetMessage("it broke")
	}
	sp.TraceState().FromRaw("vendor=1")
	sp.SetFlags(257)
	sp.Attributes().PutInt("http.response.status_code", int64(200+n%300))
	sp.Attributes().PutStr("user", fmt.Sprint("u", n))
	sp.Attributes().PutBool("cached", n%2 == 0)
	sp.Attributes().PutDouble("ratio", float64(n))
	if n%2 == 0 {
		sp.Attributes().PutInt("mixed", int64(n))
	} else {
		sp.Attributes().PutStr("mixed", "text")
	}
	sp.Attributes().PutEmptySlice("list").AppendEmpty().SetInt(int64(n))
	if n%500 == 0 {
		sp.Attributes().PutStr("rare", "yes")
		sp.Attributes().PutDouble("nan", math.Inf(1))
	}
	e := sp.Events().AppendEmpty()
	e.SetName("exception")
	e.SetTimestamp(sp.StartTimestamp() + 1)
	e.Attributes().PutStr("exception.message", "boom \"quoted\"")
	e.SetDroppedAttributesCount(2)
	l := sp.Links().AppendEmpty()
	l.SetTraceID(id16(n + 1))
	l.SetSpanID(id8(n + 1))
	l.TraceState().FromRaw("a=b")
	l.SetFlags(1)
	l.Attributes().PutInt("n", 1)
	sp.SetDroppedAttributesCount(1)
}

func request(from, to int) ptrace.Traces {
	td := ptrace.NewTraces()
	for r := range 2 {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", fmt.Sprint("svc", r))
		rs.Resource().Attributes().PutInt("process.pid", 7)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("lib")
		ss.Scope().SetVersion("1.2")
		ss.Scope().Attributes().PutStr("k", "v")
		for n := from; n < to; n++ {
			if n%2 == r {
				rich(ss.Spans().AppendEmpty(), n)
			}
		}
	}
	return td
}

// canonical renders traces independently of the order of anything.
func canonical(t testing.TB, td ptrace.Traces) []string {
	t.Helper()
	var out []string
	m := ptrace.JSONMarshaler{}
	for i := range td.ResourceSpans().Len() {
		rs := td.ResourceSpans().At(i)
		for j := range rs.ScopeSpans().Len() {
			for k := range rs.ScopeSpans().At(j).Spans().Len() {
				one := ptrace.NewTraces()
				nrs := one.ResourceSpans().AppendEmpty()
				sorted(rs.Resource().Attributes(), nrs.Resource().Attributes())
				nss := nrs.ScopeSpans().AppendEmpty()
				rs.ScopeSpans().At(j).Scope().CopyTo(nss.Scope())
				sp := nss.Spans().AppendEmpty()
				rs.ScopeSpans().At(j).Spans().At(k).CopyTo(sp)
				attrs := pcommon.NewMap()
				sorted(sp.Attributes(), attrs)
				attrs.CopyTo(sp.Attributes())
				b, err := m.MarshalTraces(one)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, string(b))
			}
		}
	}
	slices.Sort(out)
	return out
}

func sorted(from, to pcommon.Map) {
	var keys []string
	for k := range from.All() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v, _ := from.Get(k)
		v.CopyTo(to.PutEmpty(k))
	}
}

func TestTraceReturnsEverythingThatWasSent(t *testing.T) {
	const n = 3000
	s := open(t, vfs.NewMem())
	for from := 0; from < n; from += 100 {
		res, err := s.AppendTraces(context.Background(), model.ScopeAll(), request(from, from+100))
		if err != nil || res.Stored != 100 || res.RejectedTotal() != 0 {
			t.Fatalf("append: %+v, %v", res, err)
		}
	}
	check := func(where string) {
		for _, trace := range []int{0, 1, 125, 250, n/4 - 1} {
			want := canonical(t, request(trace*4, trace*4+4))
			got, stats, err := s.Trace(context.Background(), model.ScopeAll(), id16(trace), 0, 0)
			if err != nil {
				t.Fatalf("%s: trace %d: %v (%+v)", where, trace, err, stats)
			}
			if !slices.Equal(canonical(t, got), want) {
				t.Fatalf("%s: trace %d differs\n got %s\nwant %s", where, trace, canonical(t, got), want)
			}
		}
	}
	check("memtable")
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.MemtableRows != 0 || st.Rows != n || st.Segments != 1 {
		t.Fatalf("after the flush: %+v", st)
	}
	check("segment")
}

func TestTraceNotFoundAndScope(t *testing.T) {
	s := open(t, vfs.NewMem())
	td := request(0, 4)
	for i := range 2 {
		td.ResourceSpans().At(i).Resource().Attributes().PutStr("product", "acme")
	}
	if _, err := s.AppendTraces(context.Background(), model.ScopeAll(), td); err != nil {
		t.Fatal(err)
	}
	other := model.ScopeProducts(model.RoleViewer, "other", "")
	for range 2 {
		if _, _, err := s.Trace(context.Background(), other, id16(0), 0, 0); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("another product's trace: %v", err)
		}
		if cols, err := s.Columns(context.Background(), other, 0, math.MaxInt64); err != nil || len(cols) != 0 {
			t.Fatalf("another product's columns: %v %v", cols, err)
		}
		if _, _, err := s.Trace(context.Background(), model.ScopeProducts(model.RoleViewer, "acme"), id16(0), 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	res, err := s.AppendTraces(context.Background(), other, td)
	if err != nil || res.Stored != 0 || res.Rejected[store.RejectOutOfScope] != 4 {
		t.Fatalf("write to another product: %+v %v", res, err)
	}
}

func TestBadSpansAreCountedByReason(t *testing.T) {
	s := open(t, vfs.NewMem())
	td := request(0, 8)
	spans := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	spans.At(0).SetTraceID(pcommon.TraceID{})
	spans.At(1).SetStartTimestamp(pcommon.NewTimestampFromTime(now.AddDate(10, 0, 0)))
	spans.At(2).SetStartTimestamp(pcommon.NewTimestampFromTime(now.AddDate(-10, 0, 0)))
	big := make([]byte, 5<<20)
	spans.At(3).Attributes().PutStr("big", string(big))
	res, err := s.AppendTraces(context.Background(), model.ScopeAll(), td)
	if err != nil {
		t.Fatal(err)
	}
	want := map[store.RejectReason]int{store.RejectMalformed: 1, store.RejectTooNew: 1, store.RejectTooOld: 1, store.RejectTooLarge: 1}
	for reason, n := range want {
		if res.Rejected[reason] != n || res.Example[reason] == "" {
			t.Errorf("%s: %d %q", reason, res.Rejected[reason], res.Example[reason])
		}
	}
	if res.Stored != 4 {
		t.Errorf("stored %d, want 4", res.Stored)
	}
}
