package prometheus

import (
	"fmt"
	"net/url"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
)

// empty answers for parts that are not running: no rules, no targets.
type empty struct{}

func (empty) RuleGroups() []*rules.Group                  { return nil }
func (empty) AlertingRules() []*rules.AlertingRule        { return nil }
func (empty) Alertmanagers() []*url.URL                   { return nil }
func (empty) DroppedAlertmanagers() []*url.URL            { return nil }
func (empty) ScrapePools() []string                       { return []string{} }
func (empty) TargetsActive() map[string][]*scrape.Target  { return nil }
func (empty) TargetsDropped() map[string][]*scrape.Target { return nil }
func (empty) TargetsDroppedCounts() map[string]int        { return map[string]int{} }
func (empty) ScrapePoolConfig(pool string) (*config.ScrapeConfig, error) {
	return nil, fmt.Errorf("no scrape pool %q", pool)
}
