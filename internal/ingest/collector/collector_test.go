package collector

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/ingest/gate"
	"hinomi/internal/ingest/ledger"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t *testing.T) (Options, *int) {
	t.Helper()
	stored := 0
	g := gate.New(gate.Options{
		Ledger: ledger.New(prometheus.NewRegistry(), time.Now),
		Logs: func(_ context.Context, _ model.Scope, ld plog.Logs) (store.WriteResult, error) {
			stored += ld.LogRecordCount()
			return store.WriteResult{Stored: ld.LogRecordCount()}, nil
		},
	})
	return Options{Gate: g, Scope: model.ScopeAll(), Version: "test", Logger: slog.New(slog.DiscardHandler)}, &stored
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func logsTo(t *testing.T, addr string) map[string]any {
	t.Helper()
	return parse(t, fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {hinomi: {}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [hinomi]}}}
`, addr))
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

func TestValidateNamesWhatIsWrong(t *testing.T) {
	opts, _ := options(t)
	base := "exporters: {hinomi: {}}\nservice: {pipelines: {logs: {receivers: [otlp], exporters: [hinomi]}}}\n"
	for text, want := range map[string]string{
		"receivers: {filelog: {}}\n" + base:                  "filelog",
		"receivers: {otlp: {protocols: {htp: {}}}}\n" + base: "htp",
		"receivers: {otlp: {}}\nexporters: {hinomi: {}}\nservice: {pipelines: {logs: {receivers: [otlp], exporters: [datadog]}}}\n": "datadog",
		"receivers: {otlp: {protocols: {http: {}}}}\nexporters: {hinomi: {}}\n":                                                     "service",
	} {
		err := Validate(context.Background(), opts, parse(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v, want it to name %q", text, err, want)
		}
	}
	// A user's own configuration with telemetry and a batch processor is fine.
	err := Validate(context.Background(), opts, parse(t, `
receivers: {otlp: {protocols: {grpc: {}, http: {}}}}
processors: {batch: {timeout: 1s}, memory_limiter: {check_interval: 1s, limit_mib: 100}}
exporters: {hinomi: {}}
service:
  telemetry: {metrics: {level: detailed, address: ":8888"}, logs: {level: debug}}
  pipelines: {logs: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [hinomi]}}
`))
	if err != nil {
		t.Error(err)
	}
}

func TestApplySwapsAndRollsBack(t *testing.T) {
	opts, stored := options(t)
	s := New(opts)
	if err := s.Running(); err == nil {
		t.Error("a service that was not started says that it runs")
	}
	first, second := freeAddr(t), freeAddr(t)
	if err := s.Apply(context.Background(), logsTo(t, first)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	send := func(addr string) error {
		resp, err := http.Post("http://"+addr+"/v1/logs", "application/json", strings.NewReader(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", resp.Status)
		}
		return nil
	}
	if err := send(first); err != nil || *stored != 1 {
		t.Fatalf("%d stored: %v", *stored, err)
	}
	if err := s.Apply(context.Background(), logsTo(t, second)); err != nil {
		t.Fatal(err)
	}
	if err := send(first); err == nil {
		t.Error("the old address still answers")
	}
	if err := send(second); err != nil {
		t.Error(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := s.Apply(context.Background(), logsTo(t, taken.Addr().String())); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a taken port: %v", err)
	}
	if err := errorOf(s.Running(), send(second)); err != nil {
		t.Errorf("the previous intake did not come back: %v", err)
	}
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
