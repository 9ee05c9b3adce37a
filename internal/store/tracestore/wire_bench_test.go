package tracestore

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/model/otlpwire"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

// plain are spans as most are: a dozen attributes, neither events nor links.
func plain(n int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "payment")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range n {
		sp := spans.AppendEmpty()
		sp.SetTraceID([16]byte{1, byte(i), byte(i >> 8)})
		sp.SetSpanID([8]byte{2, byte(i), byte(i >> 8)})
		sp.SetName("POST /pay")
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(storetest.Now))
		sp.SetEndTimestamp(sp.StartTimestamp() + pcommon.Timestamp(i))
		for k := range 10 {
			sp.Attributes().PutStr(fmt.Sprint("key.", k), fmt.Sprint("value-", i%(k+1)))
		}
		sp.Attributes().PutInt("http.status", 200)
		sp.Attributes().PutBool("cached", i%2 == 0)
	}
	return td
}

// BenchmarkWire reads requests into columns and stores nothing.
func BenchmarkWire(b *testing.B) {
	s := open(b, vfs.NewMem())
	body := encoded(b, plain(500))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var res store.WriteResult
		w := wireMapper{mapper: s.mapper(s.NewBuilder(), &res), scope: model.ScopeAll()}
		if !otlpwire.Walk(body, &w) {
			b.Fatal("a valid request was not taken")
		}
		s.Discard(w.b)
	}
}
