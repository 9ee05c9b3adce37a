package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hinomi/internal/config"
)

// value asks PromQL for a single number; ok is false without a result.
func value(t *testing.T, a *running, query string) (v string, ok bool) {
	t.Helper()
	resp, err := http.Get(a.base + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if len(body.Data.Result) == 0 {
		return "", false
	}
	v, ok = body.Data.Result[0].Value[1].(string)
	return v, ok
}

func TestScrapesItselfAndTheHost(t *testing.T) {
	cfg := testConfig(t, t.TempDir(), freePort(t))
	cfg.HostMetrics.Enabled = true
	a := startWith(t, cfg)
	for _, query := range []string{`up{job="hinomi"}`, `up{job="node"}`} {
		eventually(t, query, func() bool { v, ok := value(t, a, query); return ok && v == "1" })
	}
}

// withJobs is a copy of the configuration with other scrape_configs.
func withJobs(t *testing.T, cfg config.Config, text string) *config.Config {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	cfg.ScrapeConfigs = *node.Content[0]
	return &cfg
}

func TestReloadChangesScrapeJobsOrNothing(t *testing.T) {
	r := start(t)
	good := withJobs(t, *r.cfg, `[{job_name: mine, scrape_interval: 1s, static_configs: [{targets: ["`+r.Addr()+`"]}]}]`)
	if err := r.Reload(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new job is scraped", func() bool { v, _ := value(t, r, `up{job="mine"}`); return v == "1" })
	bad := withJobs(t, *r.cfg, `[{job_name: mine, kubernetes_sd_configs: [{role: pod}]}]`)
	if err := r.Reload(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "kubernetes_sd_configs") {
		t.Fatalf("a bad job must be named: %v", err)
	}
	if got := len(r.scraper.Config().Prometheus().ScrapeConfigs); got != 2 {
		t.Fatalf("%d jobs after a bad reload, want the 2 of the good one", got)
	}
}
