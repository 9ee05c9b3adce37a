package scrape

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"go.yaml.in/yaml/v3"
)

// Config is a checked scrape configuration.
type Config struct {
	prometheus *config.Config
	jobs       []*config.ScrapeConfig
}

// Jobs is the number of scrape jobs.
func (c *Config) Jobs() int { return len(c.jobs) }

// Prometheus is the configuration in Prometheus' form, for status pages.
func (c *Config) Prometheus() config.Config { return *c.prometheus }

// supported are the discovery mechanisms of this build. The others bring
// their clouds' whole SDKs along.
var supported = map[string]bool{"static_configs": true, "file_sd_configs": true}

// Parse reads a Prometheus configuration of "global" and "scrape_configs",
// verbatim as in prometheus.yml. Relative file names in it belong to dir. It
// finds everything that can be wrong without scraping.
func Parse(document []byte, dir string) (*Config, error) {
	if err := checkKeys(document); err != nil {
		return nil, err
	}
	pc, err := config.Load(string(document), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("scrape configuration: %w", err)
	}
	pc.SetDirectory(dir)
	jobs, err := pc.GetScrapeConfigs()
	if err != nil {
		return nil, fmt.Errorf("scrape configuration: %w", err)
	}
	for _, job := range jobs {
		// Certificates and secrets are files: whether they are there shows only now.
		client, err := commoncfg.NewClientFromConfig(job.HTTPClientConfig, job.JobName)
		if err != nil {
			return nil, fmt.Errorf("scrape job %q: %w", job.JobName, err)
		}
		client.CloseIdleConnections()
	}
	return &Config{prometheus: pc, jobs: jobs}, nil
}

// checkKeys names what is not supported before Prometheus' parser, which would
// only say that it does not know the field.
func checkKeys(document []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return fmt.Errorf("scrape configuration: %w", err)
	}
	if len(root.Content) == 0 {
		return nil // empty: no jobs
	}
	if root.Content[0].Kind != yaml.MappingNode {
		return errors.New(`scrape configuration: want "global" and "scrape_configs" at the top, as in prometheus.yml`)
	}
	for key, value := range pairs(root.Content[0]) {
		switch key.Value {
		case "global", "scrape_config_files":
		case "scrape_configs":
			for _, job := range value.Content {
				if err := checkJob(job); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("scrape configuration line %d: %q does not belong here, only global, scrape_configs and scrape_config_files do", key.Line, key.Value)
		}
	}
	return nil
}

func checkJob(job *yaml.Node) error {
	for key := range pairs(job) {
		if strings.HasSuffix(key.Value, "_sd_configs") && !supported[key.Value] {
			return fmt.Errorf("scrape configuration line %d: %s is not supported by this build, "+
				"use static_configs, or file_sd_configs with a file that your own discovery writes", key.Line, key.Value)
		}
	}
	return nil
}

// pairs yields key and value of a YAML mapping, and nothing of other nodes.
func pairs(n *yaml.Node) func(func(*yaml.Node, *yaml.Node) bool) {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func (c *Config) discovery() map[string]discovery.Configs {
	out := make(map[string]discovery.Configs, len(c.jobs))
	for _, job := range c.jobs {
		out[job.JobName] = job.ServiceDiscoveryConfigs
	}
	return out
}
