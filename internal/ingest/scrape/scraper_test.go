package scrape

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/store/metricstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is a server that tells of each scrape.
func target(t *testing.T) (address string, scraped chan struct{}) {
	scraped = make(chan struct{}, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, "# HELP rides_total Rides.\n# TYPE rides_total counter\nrides_total{city=\"tokyo\"} 42\n")
		select {
		case scraped <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), scraped
}

func await(t *testing.T, scraped chan struct{}, n int) {
	t.Helper()
	for range n {
		select {
		case <-scraped:
		case <-time.After(20 * time.Second):
			t.Fatal("the target is not scraped")
		}
	}
}

func newScraper(t *testing.T) (*Scraper, *metricstore.Store) {
	st, err := metricstore.Open(metricstore.Options{Dir: t.TempDir(), MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Appendable: st.Appendable(model.ScopeAll()), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, st.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, st
}

func parse(t *testing.T, dir, format string, args ...any) *Config {
	t.Helper()
	c, err := Parse(fmt.Appendf(nil, format, args...), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func jobs(t *testing.T, st *metricstore.Store, metric string) []string {
	t.Helper()
	q, err := st.Queryable(model.ScopeAll()).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out, _, err := q.LabelValues(context.Background(), "job", nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", metric))
	if err != nil {
		t.Fatal(err)
	}
	return append([]string(nil), out...)
}

func TestScrapeStaticAndFile(t *testing.T) {
	s, st := newScraper(t)
	static, staticScraped := target(t)
	file, fileScraped := target(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "targets.json"), fmt.Appendf(nil, `[{"targets":[%q],"labels":{"zone":"a"}}]`, file), 0o600); err != nil {
		t.Fatal(err)
	}
	good := parse(t, dir, `
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
scrape_configs:
- job_name: static
  static_configs: [{targets: [%q]}]
- job_name: file
  file_sd_configs: [{files: [targets.json]}]
`, static)
	if err := s.Apply(good); err != nil {
		t.Fatal(err)
	}
	// The third scrape begins after the first is stored.
	await(t, staticScraped, 3)
	await(t, fileScraped, 3)
	if got := fmt.Sprint(jobs(t, st, "rides_total"), jobs(t, st, "up")); got != "[file static] [file static]" {
		t.Errorf("jobs %s", got)
	}
	if m := st.Metadata(model.ScopeAll(), "rides_total")["rides_total"]; len(m) != 1 || m[0].Help != "Rides." {
		t.Errorf("metadata %v", m)
	}
	if active := s.Targets().TargetsActive(); len(active["static"]) != 1 || len(active["file"]) != 1 {
		t.Errorf("targets %v", active)
	}

	// A reload keeps the unchanged job and removes the other.
	if err := s.Apply(parse(t, dir, `
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
scrape_configs:
- job_name: static
  static_configs: [{targets: [%q]}]
`, static)); err != nil {
		t.Fatal(err)
	}
	if pools := s.Targets().ScrapePools(); len(pools) != 1 || s.Config().Jobs() != 1 {
		t.Errorf("pools after the reload %v", pools)
	}
	for len(staticScraped) > 0 {
		<-staticScraped
	}
	await(t, staticScraped, 2)
}

func TestBadConfigurations(t *testing.T) {
	for name, tt := range map[string]struct{ doc, want string }{
		"cloud discovery": {"scrape_configs:\n- job_name: a\n  ec2_sd_configs: [{region: x}]\n", "line 3: ec2_sd_configs is not supported"},
		"kubernetes":      {"scrape_configs:\n- job_name: a\n  kubernetes_sd_configs: [{role: pod}]\n", "kubernetes_sd_configs is not supported"},
		"unknown field":   {"scrape_configs:\n- job_name: a\n  scrape_intervall: 1s\n", "scrape_intervall"},
		"foreign section": {"alerting: {}\n", `line 1: "alerting" does not belong here`},
		"twice":           {"scrape_configs:\n- job_name: a\n- job_name: a\n", "multiple scrape configs"},
		"no name":         {"scrape_configs:\n- static_configs: [{targets: [x]}]\n", "job_name is empty"},
		"timeout":         {"scrape_configs:\n- job_name: a\n  scrape_interval: 1s\n  scrape_timeout: 2s\n", "greater than scrape interval"},
		"not yaml":        {"scrape_configs: [", "scrape configuration"},
		"a list":          {"- job_name: a\n", "at the top"},
		"missing CA":      {"scrape_configs:\n- job_name: a\n  scheme: https\n  tls_config: {ca_file: /no/such/file}\n", "/no/such/file"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(tt.doc), "."); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, want %q", err, tt.want)
			}
		})
	}
	if c, err := Parse(nil, "."); err != nil || c.Jobs() != 0 {
		t.Errorf("empty configuration: %v, %v", c, err)
	}
}
