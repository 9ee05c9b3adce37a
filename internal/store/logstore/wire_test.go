package logstore

import (
	"bytes"
	"context"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"hinomi/internal/model"
	"hinomi/internal/model/otlpwire"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/storetest"
)

// everyColumn is all that a record becomes.
var everyColumn = []store.ColumnRef{
	store.Col(store.ColTime), store.Col(store.ColProduct), store.Col(store.ColService), store.Col(store.ColStream), store.Col(store.ColResource),
	store.Col(store.ColScopeInf), store.Col(store.ColObserved), store.Col(store.ColSeverity), store.Col(store.ColSevText), store.Col(store.ColEvent),
	store.Col(store.ColFlags), store.Col(store.ColTraceID), store.Col(store.ColSpanID), store.Col(store.ColBody), store.Col(store.ColAttrs),
}

// sameAsDecoded stores a request on both ways and compares what is stored.
func sameAsDecoded(t *testing.T, scope model.Scope, body []byte) (direct bool) {
	t.Helper()
	a, b := open(t, vfs.NewMem()), open(t, vfs.NewMem())
	sent := slices.Clone(body)
	n, res, ok, err := a.AppendWire(context.Background(), scope, body)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing of the request may be kept.
	for i := range body {
		body[i] = 0xff
	}
	if !ok {
		if got := storetest.Rows(t, a, model.ScopeAll(), store.ScanRequest{To: 1 << 62, Columns: everyColumn}); len(got) != 0 || !reflect.DeepEqual(res, store.WriteResult{}) {
			t.Fatalf("a request that was not taken left %d rows, %+v", len(got), res)
		}
		return false
	}
	req := plogotlp.NewExportRequest()
	if err := req.UnmarshalProto(sent); err != nil {
		t.Fatalf("taken, but pdata refuses it: %v", err)
	}
	if want := req.Logs().LogRecordCount(); n != want {
		t.Fatalf("%d records, pdata finds %d", n, want)
	}
	want, err := b.AppendLogs(context.Background(), scope, req.Logs())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(res, want) {
		t.Fatalf("result %+v, pdata's way gives %+v", res, want)
	}
	all := store.ScanRequest{From: -1 << 62, To: 1 << 62, Columns: everyColumn}
	if got, want := storetest.Rows(t, a, model.ScopeAll(), all), storetest.Rows(t, b, model.ScopeAll(), all); !slices.Equal(got, want) {
		t.Fatalf("rows differ:\n%v\n%v", got, want)
	}
	return true
}

func encoded(t testing.TB, ld plog.Logs) []byte {
	t.Helper()
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func oddLogs() plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "payment")
	rl.Resource().Attributes().PutStr("product", "taxi")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(LokiScope)
	add := func() plog.LogRecord {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(storetest.Now))
		return lr
	}
	lr := add()
	lr.Body().SetEmptyMap().PutInt("b", 1)
	lr.Body().Map().PutDouble("a", 2.5)
	lr = add()
	lr.Body().SetInt(-7)
	lr.Attributes().PutEmptySlice("list").AppendEmpty().SetStr("x")
	lr.Attributes().PutEmptyBytes("raw").FromRaw([]byte{0, 255})
	lr.Attributes().PutEmpty("nothing")
	lr.Attributes().PutBool("yes", true)
	lr.Attributes().PutStr("bad", "\xff\xfe")
	lr = add()
	lr.SetTimestamp(1) // too old
	lr.Attributes().PutStr("k", "v")
	lr = add()
	lr.SetTimestamp(0)
	lr.SetSeverityText("ERROR")
	lr.SetEventName("e")
	lr.SetFlags(1)
	lr.SetTraceID([16]byte{1})
	lr.SetSpanID([8]byte{2})
	ld.ResourceLogs().AppendEmpty() // without anything
	return ld
}

func TestWireEqualsDecoded(t *testing.T) {
	if !sameAsDecoded(t, model.ScopeAll(), encoded(t, oddLogs())) {
		t.Error("a valid request was not taken")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		if !sameAsDecoded(t, model.ScopeAll(), encoded(t, storetest.RandomLogs(rng, 1+rng.IntN(60)))) {
			t.Error("a valid request was not taken")
		}
	}
	if !sameAsDecoded(t, model.ScopeProducts(model.RoleAdmin, "bus"), encoded(t, oddLogs())) {
		t.Error("a request out of scope was not taken")
	}
	for _, bad := range []string{"\x0a", "\x08\x01", "\x0a\x04\x12\x02\x12\x05"} {
		if sameAsDecoded(t, model.ScopeAll(), []byte(bad)) {
			t.Errorf("%x was taken", bad)
		}
	}
}

// blocksAgree compares the blocks that both ways make of a request, without storing
// them.
func blocksAgree(t *testing.T, s *Store, scope model.Scope, body []byte) {
	t.Helper()
	sent := slices.Clone(body)
	var res, want store.WriteResult
	w := wireMapper{mapper: s.mapper(columnar.NewBuilder(&schema), &res), scope: scope}
	if !otlpwire.Walk(body, &w) {
		return
	}
	req := plogotlp.NewExportRequest()
	if err := req.UnmarshalProto(sent); err != nil {
		t.Fatalf("taken, but pdata refuses it: %v", err)
	}
	m := s.mapper(columnar.NewBuilder(&schema), &want)
	for _, r := range req.Logs().ResourceLogs().All() {
		m.resource(scope, r)
	}
	if !reflect.DeepEqual(res, want) || w.b.Len() != m.b.Len() {
		t.Fatalf("%d rows, %+v; pdata's way gives %d, %+v", w.b.Len(), res, m.b.Len(), want)
	}
	got := w.b.Encode()
	if !bytes.Equal(got, m.b.Encode()) {
		t.Fatal("the blocks differ")
	}
	// Nothing of the request may be kept, neither in the block nor in what is known.
	for i := range body {
		body[i] = 0xff
	}
	w = wireMapper{mapper: s.mapper(columnar.NewBuilder(&schema), new(store.WriteResult)), scope: scope}
	if !otlpwire.Walk(sent, &w) || !bytes.Equal(w.b.Encode(), got) {
		t.Fatal("the same request gives another block when it comes again")
	}
}

func FuzzWire(f *testing.F) {
	f.Add(encoded(f, oddLogs()))
	f.Add(encoded(f, storetest.RandomLogs(rand.New(rand.NewPCG(3, 4)), 3)))
	s := open(f, vfs.NewMem())
	f.Fuzz(func(t *testing.T, body []byte) {
		blocksAgree(t, s, model.ScopeAll(), slices.Clone(body))
		blocksAgree(t, s, model.ScopeProducts(model.RoleAdmin, "bus"), slices.Clone(body))
	})
}
