package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type server struct {
	http, grpc string
	malformed  atomic.Int64
	answer     error
	stored     func(records int)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T) *server { return startWith(t, nil) }

func startWith(t *testing.T, admission Admission) *server {
	t.Helper()
	s := &server{http: freeAddr(t), grpc: freeAddr(t)}
	f := NewFactory(func(source string, signal model.Signal, err error) {
		if source != Source || signal != model.Logs || err == nil {
			t.Errorf("malformed %q %q %v", source, signal, err)
		}
		s.malformed.Add(1)
	}, func(component.ID, model.Signal) *Direct { return nil }, admission)
	cfg := f.CreateDefaultConfig().(*otlpreceiver.Config)
	cfg.Protocols.HTTP.GetOrInsertDefault().ServerConfig.NetAddr.Endpoint = s.http
	cfg.Protocols.GRPC.GetOrInsertDefault().NetAddr.Endpoint = s.grpc
	next, err := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
		if s.answer == nil && s.stored != nil {
			s.stored(ld.LogRecordCount())
		}
		return s.answer
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.CreateLogs(context.Background(), receiver.Settings{ID: component.MustNewID("otlp"), TelemetrySettings: componenttest.NewNopTelemetrySettings()}, cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(context.Background(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func request(t *testing.T) plogotlp.ExportRequest {
	t.Helper()
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	return plogotlp.NewExportRequestFromLogs(ld)
}

// TestAnswersTellTheSenderWhatToDo follows the tables "Failures" of the OTLP
// specification: what must not be sent again is 400 and InvalidArgument, what
// should be is 503 (with Retry-After) and Unavailable.
func TestAnswersTellTheSenderWhatToDo(t *testing.T) {
	s := start(t)
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := plogotlp.NewGRPCClient(conn)
	body, err := request(t).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer error
		http   int
		grpc   codes.Code
	}{
		{nil, http.StatusOK, codes.OK},
		{fmt.Errorf("append: %w", store.ErrNoSpace), http.StatusServiceUnavailable, codes.Unavailable},
		{store.ErrOverloaded, http.StatusServiceUnavailable, codes.Unavailable},
		{consumererror.NewPermanent(errors.New("never")), http.StatusBadRequest, codes.InvalidArgument},
		{status.Error(codes.ResourceExhausted, "slow down"), http.StatusTooManyRequests, codes.ResourceExhausted},
	} {
		s.answer = c.answer
		resp, err := http.Post("http://"+s.http+"/v1/logs", protoType, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		retry := c.http == http.StatusServiceUnavailable || c.http == http.StatusTooManyRequests
		if resp.StatusCode != c.http || (resp.Header.Get("Retry-After") != "") != retry {
			t.Errorf("%v: HTTP %d, Retry-After %q", c.answer, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		_, err = client.Export(context.Background(), request(t))
		if status.Code(err) != c.grpc {
			t.Errorf("%v: gRPC %v", c.answer, err)
		}
	}
	if s.malformed.Load() != 0 {
		t.Errorf("%d requests were counted as malformed", s.malformed.Load())
	}
}

func TestJSONIsAnsweredInJSON(t *testing.T) {
	s := start(t)
	for body, want := range map[string]string{
		`{"resourceLogs":[]}`: `{"partialSuccess":{}}`,
		`{"resourceLogs":`:    `"message":`,
	} {
		resp, err := http.Post("http://"+s.http+"/v1/logs", "application/json; charset=utf-8", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.Header.Get("Content-Type") != jsonType || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s: %s %s", body, resp.Header.Get("Content-Type"), text)
		}
	}
	if s.malformed.Load() != 1 {
		t.Errorf("%d requests were counted as malformed, want 1", s.malformed.Load())
	}
}

func FuzzDecodeLogs(f *testing.F) {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Attributes().PutStr("k", "v")
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := safely(func(b []byte) (func(context.Context) error, error) {
			req := plogotlp.NewExportRequest()
			return nil, req.UnmarshalProto(b)
		}, body)
		if err != nil && len(err.Error()) == 0 {
			t.Error("an error without a text")
		}
	})
}
