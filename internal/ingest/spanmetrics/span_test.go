package spanmetrics

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"hinomi/internal/model"
)

// randomSpans has calls, databases, queues, peers and sampling, by chance.
func randomSpans(rng *rand.Rand, n int) ptrace.Traces {
	td := ptrace.NewTraces()
	for range 4 {
		rs := td.ResourceSpans().AppendEmpty()
		switch rng.IntN(4) {
		case 0:
			rs.Resource().Attributes().PutInt("service.name", 7)
		case 1:
		default:
			rs.Resource().Attributes().PutStr("service.name", []string{"gateway", "payment"}[rng.IntN(2)])
			rs.Resource().Attributes().PutStr(model.ResourceProduct, []string{"", "taxi"}[rng.IntN(2)])
		}
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for range n {
			sp := spans.AppendEmpty()
			sp.SetTraceID([16]byte{1, byte(rng.IntN(3))})
			sp.SetSpanID([8]byte{byte(rng.IntN(20))})
			sp.SetParentSpanID([8]byte{byte(rng.IntN(20))})
			sp.SetName([]string{"a", "b"}[rng.IntN(2)])
			sp.SetKind(ptrace.SpanKind(rng.IntN(6)))
			sp.Status().SetCode(ptrace.StatusCode(rng.IntN(3)))
			sp.Status().SetMessage("m")
			sp.SetStartTimestamp(pcommon.Timestamp(1e9 + rng.Int64N(1e9)))
			sp.SetEndTimestamp(pcommon.Timestamp(1e9 + rng.Int64N(4e9)))
			sp.TraceState().FromRaw([]string{"", "ot=th:8", "x=y"}[rng.IntN(3)])
			for _, key := range []string{"db.system", "db.name", "messaging.system", "peer.service", "server.address"} {
				switch rng.IntN(6) {
				case 0:
					sp.Attributes().PutStr(key, "there")
				case 1:
					sp.Attributes().PutInt(key, 5)
				case 2:
					sp.Attributes().PutDouble(key, 1.5)
				case 3:
					sp.Attributes().PutBool(key, true)
				}
			}
		}
	}
	return td
}

func TestWireCountsAsDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for range 30 {
			a, got := newGenerator()
			b, want := newGenerator()
			td := randomSpans(rng, 30)
			body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
			if err != nil {
				t.Fatal(err)
			}
			a.ObserveWire(model.ScopeAll(), body)
			for i := range body {
				body[i] = 0xff // Nothing of it may be kept.
			}
			b.Observe(model.ScopeAll(), td)
			time.Sleep(2 * pairWait)
			a.Write(context.Background())
			b.Write(context.Background())
			if len(want.samples) == 0 || !reflect.DeepEqual(got.samples, want.samples) || !reflect.DeepEqual(got.exemplars, want.exemplars) {
				t.Fatalf("got\n%v\nwant\n%v", got, want)
			}
		}
	})
}
