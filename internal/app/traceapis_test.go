package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// twoServices is a trace in which gateway calls matching.
func twoServices(n byte) ptrace.Traces {
	td := ptrace.NewTraces()
	begin := time.Now().Add(-2 * time.Second)
	add := func(service, name string, kind ptrace.SpanKind, id, parent byte) {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		sp.SetTraceID(pcommon.TraceID{0: 1, 15: n})
		sp.SetSpanID(pcommon.SpanID{0: n, 7: id})
		if parent != 0 {
			sp.SetParentSpanID(pcommon.SpanID{0: n, 7: parent})
		}
		sp.SetName(name)
		sp.SetKind(kind)
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(begin))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(begin.Add(100 * time.Millisecond)))
	}
	add("gateway", "GET /rides", ptrace.SpanKindServer, 1, 0)
	add("gateway", "match", ptrace.SpanKindClient, 2, 1)
	add("matching", "match", ptrace.SpanKindServer, 3, 2)
	return td
}

func sendTraces(t *testing.T, r *running, td ptrace.Traces) {
	t.Helper()
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	if code, text := post(t, r.otlp+"/v1/traces", "application/x-protobuf", string(body)); code != http.StatusOK {
		t.Fatal(code, text)
	}
}

// TestTraceAPIs asks the running program as Grafana and the Jaeger UI do.
func TestTraceAPIs(t *testing.T) {
	r := start(t)
	sendTraces(t, r, twoServices(1))
	for path, want := range map[string]string{
		"/jaeger/api/services":                              `"data":["gateway","matching"]`,
		"/jaeger/api/services/gateway/operations":           `"data":["GET /rides","match"]`,
		"/jaeger/api/traces?service=matching&lookback=1h":   `"operationName":"GET /rides"`,
		"/jaeger/api/v3/services":                           `"services":["gateway","matching"]`,
		"/tempo/api/metrics/query?q={}%7Ccount_over_time()": `"value":3`,
		"/tempo/api/v2/search/tags?scope=resource":          `"service.name"`,
	} {
		if code, body := get(t, r.base+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	// The service graph counts from what it saw before, so it needs a second look.
	eventually(t, "the call from gateway to matching in the dependencies", func() bool {
		sendTraces(t, r, twoServices(byte(time.Now().UnixNano()%200)+2))
		_, body := get(t, r.base+"/jaeger/api/dependencies?lookback=3600000")
		return strings.Contains(body, `"parent":"gateway","child":"matching"`)
	})
}

// TestStreamingSearch calls Tempo's gRPC service on the HTTP port.
func TestStreamingSearch(t *testing.T) {
	r := start(t)
	sendTraces(t, r, twoServices(1))
	conn, err := grpc.NewClient(strings.TrimPrefix(r.base, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/tempopb.StreamingQuerier/Search")
	if err != nil {
		t.Fatal(err)
	}
	// Messages are passed as unknown fields of an empty one.
	req := &emptypb.Empty{}
	req.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 8, protowire.BytesType), `{ kind = client }`))
	if err := errors.Join(s.SendMsg(req), s.CloseSend()); err != nil {
		t.Fatal(err)
	}
	var got string
	for {
		m := &emptypb.Empty{}
		if err := s.RecvMsg(m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got += string(b)
	}
	if !strings.Contains(got, "01000000000000000000000000000001") || !strings.Contains(got, "gateway") {
		t.Errorf("answer %q", got)
	}
}
