// Package scrape pulls metrics from targets: Prometheus' scrape manager with
// users' own scrape_configs.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/file" // makes file_sd_configs known to Prometheus' parser
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// targetsInterval is how soon a change of targets takes effect. Prometheus
// waits 5 s to spare large Kubernetes clusters, which are not among our sources.
const targetsInterval = time.Second

// Options configures New. Appendable is required.
type Options struct {
	Appendable storage.AppendableV2
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Scraper scrapes the targets of its configuration.
type Scraper struct {
	o         Options
	registry  *prometheus.Registry
	manager   *scrape.Manager
	discovery *discovery.Manager
	cancel    context.CancelFunc // ends discovery

	mu      sync.Mutex
	applied *Config
}

// New makes a scraper without targets. Run it to have it scrape.
func New(o Options) (*Scraper, error) {
	if o.Appendable == nil {
		return nil, errors.New("the scraper needs an Appendable")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	// An own registry, so that a new scraper can follow this one under o.Registerer.
	s := &Scraper{o: o, registry: prometheus.NewRegistry(), applied: &Config{}}
	var err error
	s.manager, err = scrape.NewManager(&scrape.Options{
		AppendMetadata:           true,
		DiscoveryReloadInterval:  model.Duration(targetsInterval),
		DiscoveryReloadOnStartup: true,
	}, o.Logger, nil, nil, o.Appendable, s.registry)
	if err != nil {
		return nil, err
	}
	sdMetrics, err := discovery.CreateAndRegisterSDMetrics(s.registry)
	if err != nil {
		return nil, fmt.Errorf("register discovery metrics: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.discovery = discovery.NewManager(ctx, o.Logger, s.registry, sdMetrics, discovery.Name("scrape"), discovery.Updatert(targetsInterval))
	if s.discovery == nil {
		cancel()
		return nil, errors.New("make the discovery manager: see the log for the reason")
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(s.registry); err != nil {
			cancel()
			return nil, fmt.Errorf("register scrape metrics: %w", err)
		}
	}
	return s, nil
}

// Apply replaces the configuration. On an error the former one is in force.
// Jobs that did not change go on without a gap.
func (s *Scraper) Apply(c *Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.apply(c); err != nil {
		if s.applied.prometheus != nil {
			err = errors.Join(err, s.apply(s.applied))
		}
		return fmt.Errorf("apply the scrape configuration: %w", err)
	}
	s.applied = c
	return nil
}

// apply tells the scraper first: targets of a job that it does not know are dropped.
func (s *Scraper) apply(c *Config) error {
	if err := s.manager.ApplyConfig(c.prometheus); err != nil {
		return err
	}
	return s.discovery.ApplyConfig(c.discovery())
}

// Run scrapes until ctx ends. It can run once.
func (s *Scraper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.discovery.Run() }) // returns when its context ends
	done := make(chan error, 1)
	wg.Go(func() { done <- s.manager.Run(s.discovery.SyncCh()) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-done:
	}
	// Discovery first, so that no target starts while the others stop.
	s.cancel()
	s.manager.Stop()
	wg.Wait()
	if s.o.Registerer != nil {
		s.o.Registerer.Unregister(s.registry)
	}
	return err
}

// Targets lists the targets and pools, for the HTTP API.
func (s *Scraper) Targets() *scrape.Manager { return s.manager }

// Config is the configuration in force.
func (s *Scraper) Config() *Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}
