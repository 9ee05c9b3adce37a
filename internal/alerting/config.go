package alerting

import (
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/template"
	"go.yaml.in/yaml/v3"
)

//go:embed default.yaml
var defaultConfig []byte

//go:embed inhibit.yaml
var inhibitConfig []byte

// Config is a checked Alertmanager configuration.
type Config struct {
	am        *amconfig.Config
	templates *template.Template
}

// Alertmanager is the configuration in Alertmanager's form; it is not to be changed.
func (c *Config) Alertmanager() *amconfig.Config { return c.am }

// Templates are the notification templates of the configuration.
func (c *Config) Templates() *template.Template { return c.templates }

// Parse checks an Alertmanager configuration; node is the section as the user
// wrote it, empty for the default. Relative file names in it belong to dir.
// externalURL is what links in notifications start with.
func Parse(node *yaml.Node, dir, externalURL string) (*Config, error) {
	document := defaultConfig
	if node != nil && len(node.Content) > 0 {
		if err := supported(node); err != nil {
			return nil, err
		}
		var err error
		if document, err = yaml.Marshal(node); err != nil {
			return nil, fmt.Errorf("alertmanager: %w", err)
		}
	}
	am, err := amconfig.Load(string(document))
	if err != nil {
		return nil, fmt.Errorf("alertmanager (line %d): %w", lineOf(node), err)
	}
	shipped, err := amconfig.Load(string(inhibitConfig))
	if err != nil {
		return nil, fmt.Errorf("embedded inhibition rules: %w", err)
	}
	am.InhibitRules = append(am.InhibitRules, shipped.InhibitRules...)
	inDirectory(am, dir)
	tmpl, err := template.FromGlobs(am.Templates)
	if err != nil {
		return nil, fmt.Errorf("alertmanager templates: %w", err)
	}
	if tmpl.ExternalURL, err = url.Parse(externalURL); err != nil {
		return nil, fmt.Errorf("server.external_url: %w", err)
	}
	return &Config{am: am, templates: tmpl}, nil
}

func lineOf(node *yaml.Node) int {
	if node == nil {
		return 0
	}
	return node.Line
}

// inDirectory resolves relative file names, as Alertmanager does for its file.
func inDirectory(am *amconfig.Config, dir string) {
	for i, f := range am.Templates {
		if !filepath.IsAbs(f) {
			am.Templates[i] = filepath.Join(dir, f)
		}
	}
	if am.Global != nil && am.Global.HTTPConfig != nil {
		am.Global.HTTPConfig.SetDirectory(dir)
	}
	for _, r := range am.Receivers {
		for _, w := range r.WebhookConfigs {
			w.HTTPConfig.SetDirectory(dir)
			if w.URLFile != "" && !filepath.IsAbs(w.URLFile) {
				w.URLFile = filepath.Join(dir, w.URLFile)
			}
		}
	}
}

// deliverable are the integrations that have a deliverer.
var deliverable = map[string]bool{"webhook_configs": true}

// supported names what would be silently without effect otherwise.
func supported(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: alertmanager: want route and receivers, as in alertmanager.yml", node.Line)
	}
	var errs []error
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch key.Value {
		case "tracing", "event_recorder":
			errs = append(errs, fmt.Errorf("line %d: alertmanager.%s has no effect here: remove it", key.Line, key.Value))
		case "receivers":
			for _, r := range value.Content {
				errs = append(errs, receiver(r))
			}
		}
	}
	return errors.Join(errs...)
}

func receiver(node *yaml.Node) error {
	var errs []error
	name := ""
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "name" {
			name = node.Content[i+1].Value
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		kind, ok := strings.CutSuffix(key.Value, "_configs")
		if ok && !deliverable[key.Value] && len(node.Content[i+1].Content) > 0 {
			errs = append(errs, fmt.Errorf("line %d: receiver %q has %s, but this version cannot deliver to %s yet: use webhook_configs", key.Line, name, key.Value, kind))
		}
	}
	return errors.Join(errs...)
}
