package app

import (
	"context"
	"fmt"
	"net"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	promv1 "github.com/prometheus/prometheus/web/api/v1"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/config"
	"hinomi/internal/ingest/hostmetrics"
	"hinomi/internal/ingest/scrape"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// selfJob is the built-in scrape job: Hinomi's own metrics are alerted on and
// queried like anybody's.
const selfJob = "hinomi"

// selfInterval is how often it is scraped.
const selfInterval = 15 * time.Second

// scrapeConfig is the user's scrape_configs and the built-in job, unless the
// user has a job of that name. listen is where the HTTP port listens.
func scrapeConfig(cfg *config.Config, listen string) (*scrape.Config, error) {
	var jobs []yaml.Node
	if cfg.ScrapeConfigs.Kind != 0 {
		if err := cfg.ScrapeConfigs.Decode(&jobs); err != nil {
			return nil, fmt.Errorf("scrape_configs line %d: want a list of jobs as in prometheus.yml", cfg.ScrapeConfigs.Line)
		}
	}
	own := true
	for i := range jobs {
		var job struct {
			Name string `yaml:"job_name"`
		}
		if err := jobs[i].Decode(&job); err != nil {
			return nil, fmt.Errorf("scrape_configs line %d: %w", jobs[i].Line, err)
		}
		own = own && job.Name != selfJob
	}
	list := make([]any, 0, len(jobs)+1)
	for i := range jobs {
		list = append(list, &jobs[i])
	}
	if own {
		list = append(list, map[string]any{
			"job_name": selfJob, "scrape_interval": selfInterval.String(),
			"static_configs": []any{map[string]any{"targets": []string{reachable(listen)}}},
		})
	}
	document, err := yaml.Marshal(map[string]any{
		"global":         map[string]any{"scrape_interval": cfg.ScrapeInterval},
		"scrape_configs": list,
	})
	if err != nil {
		return nil, fmt.Errorf("scrape_configs: %w", err)
	}
	return scrape.Parse(document, cfg.Dir)
}

// reachable is an address to connect to for one to listen on.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// startPull starts what fetches metrics: host metrics and scraping.
func (a *App) startPull(cfg *config.Config) error {
	app := a.stores.metrics.Appendable(model.ScopeAll())
	if cfg.HostMetrics.Enabled {
		host, err := hostmetrics.New(hostmetrics.Options{
			Appendable: app, Interval: cfg.HostMetrics.Interval.D(),
			Report: func(source string, signal model.Signal, received, stored int, rejected map[store.RejectReason]int) {
				a.ledger.Record(source, signal, received, stored, rejected, "see the log")
			},
			Logger: a.log, Registerer: a.registry,
		})
		if err != nil {
			return fmt.Errorf("host_metrics: %w", err)
		}
		a.life.goRun("host metrics", host.Run)
	}
	sc, err := scrapeConfig(cfg, a.Addr())
	if err != nil {
		return err
	}
	// Run it before anything can fail: it owns goroutines that only Run ends.
	a.life.goRun("scrape", a.scraper.Run)
	return a.scraper.Apply(sc)
}

// newScraper makes the scraper, whose targets the Prometheus API shows.
func (a *App) newScraper() (err error) {
	a.scraper, err = scrape.New(scrape.Options{
		Appendable: a.stores.metrics.Appendable(model.ScopeAll()), Logger: a.log, Registerer: a.registry,
	})
	return err
}

func (a *App) targets(context.Context) promv1.TargetRetriever { return a.scraper.Targets() }

func (a *App) scrapePools(context.Context) promv1.ScrapePoolsRetriever { return a.scraper.Targets() }

// prometheusConfig is what status/config shows.
func (a *App) prometheusConfig() promconfig.Config { return a.scraper.Config().Prometheus() }
