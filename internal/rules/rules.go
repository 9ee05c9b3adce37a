// Package rules decides what is true: Prometheus rule files, users' own and
// those that come with Hinomi, evaluated by Prometheus' rule manager on our
// metric store.
package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

const (
	// resendDelay is how often a firing alert is said again. Whoever hears it
	// takes it as ended after four times this (or four intervals, if longer).
	resendDelay = 15 * time.Second
	// outageTolerance is how long ago an alert may have been pending to go on
	// with its "for" after a restart.
	outageTolerance = time.Hour
	// forGracePeriod is the least time that an alert stays pending after a
	// restart. Prometheus waits ten minutes, in case its targets were not scraped
	// yet; here data is pushed, and ten minutes are a lost page.
	forGracePeriod = 0
)

// Options configure New. All but ExternalURL, Logger and Registerer are required.
type Options struct {
	Engine     promql.QueryEngine
	Parser     parser.Parser
	Queryable  storage.Queryable  // reads everything
	Appendable storage.Appendable // writes everything
	Notify     rules.NotifyFunc
	// ExternalURL is what links in alerts start with.
	ExternalURL string
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Manager evaluates rules.
type Manager struct {
	o       Options
	loader  *loader
	manager *rules.Manager
	mu      sync.Mutex // one Apply at a time
}

// New makes a manager without rules.
func New(o Options) (*Manager, error) {
	if o.Engine == nil || o.Parser == nil || o.Queryable == nil || o.Appendable == nil || o.Notify == nil {
		return nil, errors.New("rules need Engine, Parser, Queryable, Appendable and Notify")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	external, err := url.Parse(o.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("server.external_url: %w", err)
	}
	m := &Manager{o: o, loader: &loader{parser: o.Parser, set: &Set{}}}
	m.manager = rules.NewManager(&rules.ManagerOptions{
		ExternalURL: external, QueryFunc: rules.EngineQueryFunc(o.Engine, o.Queryable), NotifyFunc: o.Notify,
		Context: context.Background(), Appendable: o.Appendable, Queryable: o.Queryable,
		Logger: o.Logger.With("component", "rules"), Registerer: o.Registerer,
		OutageTolerance: outageTolerance, ForGracePeriod: forGracePeriod, ResendDelay: resendDelay,
		GroupLoader: m.loader, Parser: o.Parser,
	})
	return m, nil
}

// Apply makes set the rules in force, evaluated every interval unless a group
// has its own. Groups that did not change go on undisturbed.
func (m *Manager) Apply(set *Set, interval time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	former := m.loader.set
	m.loader.set = set
	if err := m.manager.Update(interval, set.names, labels.EmptyLabels(), m.o.ExternalURL, nil); err != nil {
		m.loader.set = former
		return fmt.Errorf("apply the rules: %w", err)
	}
	return nil
}

// Run evaluates until ctx ends; evaluations under way end first. It can run once.
func (m *Manager) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.manager.Run()
	}()
	<-ctx.Done()
	m.manager.Stop()
	<-done
	return nil
}

// RuleGroups lists the groups with their rules and states, by file and name.
func (m *Manager) RuleGroups() []*rules.Group { return m.manager.RuleGroups() }

// AlertingRules lists the alerting rules of all groups.
func (m *Manager) AlertingRules() []*rules.AlertingRule { return m.manager.AlertingRules() }
