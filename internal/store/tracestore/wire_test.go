package tracestore

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"hinomi/internal/model"
	"hinomi/internal/model/otlpwire"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/storetest"
)

// sameAsDecoded stores a request on both ways and compares what is stored.
func sameAsDecoded(t *testing.T, scope model.Scope, body []byte) (direct bool) {
	t.Helper()
	a, b := open(t, vfs.NewMem()), open(t, vfs.NewMem())
	all := store.ScanRequest{From: -1 << 62, To: 1 << 62, Columns: rebuildColumns}
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
		if got := storetest.Rows(t, a, model.ScopeAll(), all); len(got) != 0 || !reflect.DeepEqual(res, store.WriteResult{}) {
			t.Fatalf("a request that was not taken left %d rows, %+v", len(got), res)
		}
		return false
	}
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(sent); err != nil {
		t.Fatalf("taken, but pdata refuses it: %v", err)
	}
	if want := req.Traces().SpanCount(); n != want {
		t.Fatalf("%d spans, pdata finds %d", n, want)
	}
	want, err := b.AppendTraces(context.Background(), scope, req.Traces())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(res, want) {
		t.Fatalf("result %+v, pdata's way gives %+v", res, want)
	}
	if got, want := storetest.Rows(t, a, model.ScopeAll(), all), storetest.Rows(t, b, model.ScopeAll(), all); !slices.Equal(got, want) {
		t.Fatalf("rows differ:\n%v\n%v", got, want)
	}
	return true
}

func encoded(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// odd is what request lacks: refused spans, other products, values of all kinds.
func odd() ptrace.Traces {
	td := request(0, 3)
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("product", "taxi")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	spans.AppendEmpty() // no ids
	sp := spans.AppendEmpty()
	rich(sp, 5)
	sp.SetStartTimestamp(0)
	sp = spans.AppendEmpty()
	rich(sp, 6)
	sp.SetStartTimestamp(1) // too old
	sp = spans.AppendEmpty()
	rich(sp, 7)
	sp.Attributes().PutEmptySlice("list").AppendEmpty().SetInt(1)
	sp.Attributes().PutEmpty("nothing")
	sp.Attributes().PutStr("bad", "\xff")
	td.ResourceSpans().AppendEmpty()
	return td
}

func TestWireEqualsDecoded(t *testing.T) {
	for _, td := range []ptrace.Traces{request(0, 40), odd(), ptrace.NewTraces()} {
		if !sameAsDecoded(t, model.ScopeAll(), encoded(t, td)) {
			t.Error("a valid request was not taken")
		}
	}
	if !sameAsDecoded(t, model.ScopeProducts(model.RoleAdmin, "bus"), encoded(t, odd())) {
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
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(sent); err != nil {
		t.Fatalf("taken, but pdata refuses it: %v", err)
	}
	m := s.mapper(columnar.NewBuilder(&schema), &want)
	for _, r := range req.Traces().ResourceSpans().All() {
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
	f.Add(encoded(f, odd()))
	f.Add(encoded(f, request(0, 2)))
	s := open(f, vfs.NewMem())
	f.Fuzz(func(t *testing.T, body []byte) {
		blocksAgree(t, s, model.ScopeAll(), slices.Clone(body))
		blocksAgree(t, s, model.ScopeProducts(model.RoleAdmin, "bus"), slices.Clone(body))
	})
}
