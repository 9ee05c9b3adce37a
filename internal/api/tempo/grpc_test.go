package tempo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"hinomi/internal/model"
)

// dial serves the fixture as the program does, HTTP/1 and h2c on one port, and
// connects to it.
func dial(t *testing.T, f *fixture) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: f.mux, Protocols: &p, ReadHeaderTimeout: time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l)
	}()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = srv.Close()
		<-ended
	})
	return conn
}

// call streams all answers of a method.
func call(t *testing.T, conn *grpc.ClientConn, method string, req message) ([][]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+streamingService+"/"+method, grpc.ForceCodecV2(rawCodec{}), grpc.UseCompressor("gzip"))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.SendMsg(req), s.CloseSend()); err != nil {
		return nil, err
	}
	var out [][]byte
	for {
		var m message
		err := s.RecvMsg(&m)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, bytes.Clone(m))
	}
}

// withoutMetrics leaves out how much work an answer took.
func withoutMetrics(t *testing.T, text string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	delete(v, "metrics")
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStreaming compares what every method streams with what the HTTP API answers
// to the same question.
func TestStreaming(t *testing.T) {
	f := newFixture(t)
	conn := dial(t, f)
	fd := protoFile(t)
	for _, c := range []struct {
		method, request, message, answer string
		path                             string
		params                           []string
	}{
		{"Search", "SearchRequest", `{"Query":"{ status = error }","start":1767322000,"end":1767323000,"Limit":5,"SpansPerSpanSet":2}`, "SearchResponse",
			"search", []string{"q", "{ status = error }", "start", "1767322000", "end", "1767323000"}},
		{"Search", "SearchRequest", `{"Tags":{"service.name":"gate","name":"MATCH"},"start":1767322000,"end":1767323000}`, "SearchResponse",
			"search", []string{"tags", "service.name=gate name=MATCH", "start", "1767322000", "end", "1767323000"}},
		{"Search", "SearchRequest", `{"Query":"{ } | by(name) | count() = 1","MinDurationMs":1000}`, "SearchResponse",
			"search", []string{"q", "{ } | by(name) | count() = 1", "minDuration", "1s"}},
		{"SearchTags", "SearchTagsRequest", `{"scope":"span"}`, "SearchTagsResponse", "search/tags", []string{"scope", "span"}},
		{"SearchTagsV2", "SearchTagsRequest", `{"maxTagsPerScope":3}`, "SearchTagsV2Response", "v2/search/tags", []string{"limit", "3"}},
		{"SearchTagValues", "SearchTagValuesRequest", `{"tagName":"service.name"}`, "SearchTagValuesResponse", "search/tag/service.name/values", nil},
		{"SearchTagValuesV2", "SearchTagValuesRequest", `{"tagName":"name","query":"{ kind = client && span.x = }"}`, "SearchTagValuesV2Response",
			"v2/search/tag/name/values", []string{"q", "{ kind = client && span.x = }"}},
		{"MetricsQueryRange", "QueryRangeRequest", `{"query":"{ } | rate() by (name, kind)","start":"1767322000000000000","end":"1767323000000000000","step":"60000000000"}`,
			"QueryRangeResponse", "metrics/query_range", []string{"q", "{ } | rate() by (name, kind)", "start", "1767322000", "end", "1767323000", "step", "60"}},
		{"MetricsQueryInstant", "QueryInstantRequest", `{"query":"{ } | quantile_over_time(duration, .5, .9)","start":"1767322000000000000","end":"1767323000000000000"}`,
			"QueryInstantResponse", "metrics/query", []string{"q", "{ } | quantile_over_time(duration, .5, .9)", "start", "1767322000", "end", "1767323000"}},
	} {
		got, err := call(t, conn, c.method, encode(t, fd, c.request, c.message))
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %v, %d messages", c.method, err, len(got))
			continue
		}
		code, body := f.get(c.path, "", c.params...)
		if code != 200 {
			t.Fatal(body)
		}
		// Messages one behind the other are one message with all traces.
		all := decode(t, fd, c.answer, bytes.Join(got, nil))
		expect(t, c.method, withoutMetrics(t, all), withoutMetrics(t, body))
		if !strings.Contains(all, `"completedJobs":1`) {
			t.Errorf("%s does not say that it is complete: %s", c.method, all)
		}
	}
}

func TestStreamingErrors(t *testing.T) {
	f := newFixture(t)
	conn := dial(t, f)
	fd := protoFile(t)
	for _, c := range []struct {
		method, request, message string
		code                     codes.Code
		text                     string
	}{
		{"Search", "SearchRequest", `{"Query":"{"}`, codes.InvalidArgument, "invalid TraceQL query: parse error at line 1, col 2"},
		{"Search", "SearchRequest", `{"Limit":100000}`, codes.InvalidArgument, "over the maximum"},
		{"Search", "SearchRequest", `{"start":5,"end":4}`, codes.InvalidArgument, "start must be before end"},
		{"SearchTags", "SearchTagsRequest", `{"scope":"nothing"}`, codes.InvalidArgument, "invalid scope"},
		{"SearchTagValuesV2", "SearchTagValuesRequest", `{"tagName":"no name"}`, codes.InvalidArgument, "not the name of an attribute"},
		{"MetricsQueryRange", "QueryRangeRequest", `{"query":"{ }","start":"1","end":"2","step":"1"}`, codes.InvalidArgument, "not a metrics query"},
		{"MetricsQueryInstant", "QueryInstantRequest", `{"query":"{ } | rate()"}`, codes.InvalidArgument, "end must be greater than start"},
		{"Nothing", "SearchRequest", `{}`, codes.Unimplemented, "unknown method"},
	} {
		_, err := call(t, conn, c.method, encode(t, fd, c.request, c.message))
		if s := status.Convert(err); s.Code() != c.code || !strings.Contains(s.Message(), c.text) {
			t.Errorf("%s %s: %v", c.method, c.message, err)
		}
	}
	_, err := call(t, conn, "Search", message{0xff})
	if status.Code(err) != codes.InvalidArgument {
		t.Error("no protobuf:", err)
	}
	if code, _ := f.getRoot("POST", "/"+streamingService+"/Search"); code != http.StatusHTTPVersionNotSupported {
		t.Error("HTTP/1:", code)
	}
}

func TestStreamingScope(t *testing.T) {
	f := newFixture(t)
	conn := dial(t, f)
	fd := protoFile(t)
	f.scope = model.ScopeProducts(model.RoleViewer, "other")
	for method, req := range map[string]message{
		"Search":              encode(t, fd, "SearchRequest", `{"Query":"{}"}`),
		"SearchTagsV2":        encode(t, fd, "SearchTagsRequest", `{}`),
		"SearchTagValuesV2":   encode(t, fd, "SearchTagValuesRequest", `{"tagName":"name"}`),
		"MetricsQueryInstant": encode(t, fd, "QueryInstantRequest", `{"query":"{ } | rate() by (name)","start":"1767322000000000000","end":"1767323000000000000"}`),
	} {
		got, err := call(t, conn, method, req)
		if err != nil {
			t.Error(method, err)
		}
		for _, m := range got {
			if strings.Contains(string(m), "GET /rides") || strings.Contains(string(m), "cached") || strings.Contains(string(m), traceHex) {
				t.Errorf("%s reached another product: %q", method, m)
			}
		}
	}
}

func FuzzReadFields(f *testing.F) {
	f.Add([]byte{0x0a, 0x01, 'x', 0x10, 0x05})
	f.Add([]byte{0xff})
	f.Fuzz(func(_ *testing.T, b []byte) {
		if m, err := readFields(b); err == nil {
			_, _ = m.strMap(1)
		}
	})
}
