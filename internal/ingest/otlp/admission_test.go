package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // The compressor that the test asks for.
	"google.golang.org/grpc/status"

	"hinomi/internal/memory"
	"hinomi/internal/model"
)

// bounded is a server with the least memory.
func bounded(t *testing.T) (*server, *memory.Budget) {
	b := memory.New(memory.Least, nil)
	s := startWith(t, func(model.Signal) *memory.Share { return b.Logs })
	t.Cleanup(func() {
		if used := b.Logs.Used(); used != 0 {
			t.Errorf("%d bytes are not given back", used)
		}
	})
	return s, b
}

func grpcClient(t *testing.T, s *server) plogotlp.GRPCClient {
	t.Helper()
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return plogotlp.NewGRPCClient(conn)
}

func encoders(t *testing.T) map[string]func([]byte) []byte {
	through := func(w io.WriteCloser, buf *bytes.Buffer, b []byte) []byte {
		_, err := w.Write(b)
		if cerr := w.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		return buf.Bytes()
	}
	return map[string]func([]byte) []byte{
		"": func(b []byte) []byte { return b },
		"gzip": func(b []byte) []byte {
			var buf bytes.Buffer
			return through(gzip.NewWriter(&buf), &buf, b)
		},
		"zstd": func(b []byte) []byte {
			var buf bytes.Buffer
			w, err := zstd.NewWriter(&buf)
			if err != nil {
				t.Fatal(err)
			}
			return through(w, &buf, b)
		},
		"snappy": func(b []byte) []byte { return snappy.Encode(nil, b) },
	}
}

func (s *server) post(t *testing.T, encoding, typ string, body io.Reader) (code int, header http.Header, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.http+"/v1/logs", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typ)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func logsOf(t *testing.T, bytes int) plogotlp.ExportRequest {
	t.Helper()
	ld := plog.NewLogs()
	sl := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for range bytes / 1000 {
		sl.LogRecords().AppendEmpty().Body().SetStr(strings.Repeat("x", 1000))
	}
	return plogotlp.NewExportRequestFromLogs(ld)
}

// TestWithoutMemoryTheSenderIsToldToWait fills the share, sends by every way, empties
// it, and sends again.
func TestWithoutMemoryTheSenderIsToldToWait(t *testing.T) {
	s, b := bounded(t)
	client := grpcClient(t, s)
	req := logsOf(t, 100_000)
	body, err := req.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	json, err := req.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	b.Logs.Hold(b.Logs.Limit())
	var wg sync.WaitGroup
	for encoding, encode := range encoders(t) {
		for typ, body := range map[string][]byte{protoType: body, jsonType: json} {
			wg.Go(func() {
				code, header, text := s.post(t, encoding, typ, bytes.NewReader(encode(body)))
				if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(text, "log requests") {
					t.Errorf("%q %s: HTTP %d, Retry-After %q, %q", encoding, typ, code, header.Get("Retry-After"), text)
				}
			})
		}
	}
	wg.Wait()
	_, err = client.Export(t.Context(), req, grpc.UseCompressor("gzip"))
	var retry *errdetails.RetryInfo
	for _, d := range status.Convert(err).Details() {
		retry, _ = d.(*errdetails.RetryInfo)
	}
	if status.Code(err) != codes.Unavailable || retry.GetRetryDelay().AsDuration() != retryAfter {
		t.Errorf("gRPC: %v, retry %v", err, retry)
	}
	b.Logs.Give(b.Logs.Limit())
	for encoding, encode := range encoders(t) {
		for typ, body := range map[string][]byte{protoType: body, jsonType: json} {
			if code, _, text := s.post(t, encoding, typ, bytes.NewReader(encode(body))); code != http.StatusOK {
				t.Errorf("%q %s after the pressure: HTTP %d %q", encoding, typ, code, text)
			}
		}
	}
	if _, err := client.Export(t.Context(), req, grpc.UseCompressor("gzip")); err != nil {
		t.Errorf("gRPC after the pressure: %v", err)
	}
}

// TestWhatIsTooLargeIsRefusedForGood sends what unpacks to more than the share has,
// packed to a few kilobytes and not: never again, and never a retry.
func TestWhatIsTooLargeIsRefusedForGood(t *testing.T) {
	s, b := bounded(t)
	body, err := logsOf(t, int(b.Logs.Limit()/2)).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for encoding, encode := range encoders(t) {
		for name, reader := range map[string]func([]byte) io.Reader{
			"known length":   func(b []byte) io.Reader { return bytes.NewReader(b) },
			"unknown length": func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) },
		} {
			code, header, text := s.post(t, encoding, protoType, reader(encode(body)))
			if code != http.StatusRequestEntityTooLarge || header.Get("Retry-After") != "" || !strings.Contains(text, "limits.memory") {
				t.Errorf("%q, %s: HTTP %d, Retry-After %q, %q", encoding, name, code, header.Get("Retry-After"), text)
			}
		}
	}
	_, err = grpcClient(t, s).Export(t.Context(), logsOf(t, int(b.Logs.Limit()/receiving)), grpc.UseCompressor("gzip"))
	// Without a delay it is not sent again (OTLP specification, "Failures").
	if status.Code(err) != codes.ResourceExhausted || len(status.Convert(err).Details()) != 0 {
		t.Errorf("gRPC: %v", err)
	}
}

// TestDecodedSizeCounts sends empty records, which have two bytes on the wire.
func TestDecodedSizeCounts(t *testing.T) {
	s, _ := bounded(t)
	records := bytes.Repeat([]byte{0x12, 0}, 400_000)
	wrap := func(b []byte) []byte {
		var buf []byte
		for n := len(b); ; n >>= 7 {
			if n < 0x80 {
				buf = append(buf, byte(n))
				break
			}
			buf = append(buf, byte(n)|0x80)
		}
		return append(buf, b...)
	}
	scope := append([]byte{0x12}, wrap(records)...)
	resource := append([]byte{0x0a}, wrap(scope)...)
	if code, _, text := s.post(t, "", protoType, bytes.NewReader(resource)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("HTTP %d %q", code, text)
	}
	json := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Repeat("{},", 400_000) + `{}]}]}]}`
	if code, _, text := s.post(t, "", jsonType, strings.NewReader(json)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("JSON: HTTP %d %q", code, text)
	}
	if _, err := grpcClient(t, s).Export(t.Context(), emptyRecords(400_000)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("gRPC: %v", err)
	}
}

func emptyRecords(n int) plogotlp.ExportRequest {
	ld := plog.NewLogs()
	sl := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	sl.LogRecords().EnsureCapacity(n)
	for range n {
		sl.LogRecords().AppendEmpty()
	}
	return plogotlp.NewExportRequestFromLogs(ld)
}

// TestConcurrentSendersShareTheMemory never exceeds the share; who is refused sends
// again and is stored in the end, exactly once.
func TestConcurrentSendersShareTheMemory(t *testing.T) {
	s, b := bounded(t)
	var stored, most atomic.Int64
	s.stored = func(n int) {
		stored.Add(int64(n))
		most.Store(max(most.Load(), b.Logs.Used()))
	}
	client, encode := grpcClient(t, s), encoders(t)
	req := logsOf(t, 1_000_000)
	body, err := req.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	packed := map[string][]byte{}
	for encoding := range encode {
		packed[encoding] = encode[encoding](body)
	}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for {
				var err error
				if i%5 == 4 {
					_, err = client.Export(context.Background(), req, grpc.UseCompressor("gzip"))
					if err != nil && status.Code(err) != codes.Unavailable {
						t.Error(err)
						return
					}
				} else {
					encoding := []string{"", "gzip", "zstd", "snappy"}[i%5]
					code, _, text := s.post(t, encoding, protoType, bytes.NewReader(packed[encoding]))
					if code == http.StatusServiceUnavailable {
						err = fmt.Errorf("HTTP %d", code)
					} else if code != http.StatusOK {
						t.Errorf("%q: HTTP %d %s", encoding, code, text)
						return
					}
				}
				if err == nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if stored.Load() != 24*1000 {
		t.Errorf("%d records stored", stored.Load())
	}
	if most.Load() > b.Logs.Limit() {
		t.Errorf("%d bytes were in use, the share has %d", most.Load(), b.Logs.Limit())
	}
}
