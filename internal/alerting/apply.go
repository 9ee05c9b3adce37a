package alerting

import (
	"context"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/timeinterval"
	pmodel "github.com/prometheus/common/model"
)

// maintenanceInterval is how often empty groups are removed.
const maintenanceInterval = 30 * time.Second

// Apply makes c the configuration in force. It cannot fail: everything was
// checked by Parse.
func (m *Manager) Apply(c *Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	am := c.am
	routes := dispatch.NewRoute(am.Route, nil)
	receivers := map[string][]amnotify.Integration{}
	for _, r := range am.Receivers {
		receivers[r.Name] = m.integrations(r)
	}
	// The old one first: two dispatchers would notify twice.
	m.live.Load().stop()

	next := &live{config: c, inhibitor: inhibit.NewInhibitor(m.alerts, am.InhibitRules, m.log, recorder)}
	pipeline := m.pipeline.New(receivers, func() time.Duration { return 0 }, next.inhibitor, m.silencer,
		timeinterval.NewIntervener(intervals(am)), m.groups, m.notified, nil)
	next.dispatcher = dispatch.NewDispatcher(m.alerts, routes, pipeline, m.groups, atLeast(amnotify.MinTimeout),
		maintenanceInterval, nil, m.log, recorder, m.metrics, c.templates)
	m.api.Update(am, func(ctx context.Context, labels pmodel.LabelSet) {
		next.inhibitor.Mutes(ctx, labels)
		m.silencer.Mutes(ctx, labels)
	})
	// The inhibitor knows all alerts before the dispatcher notifies of any.
	go next.inhibitor.Run()
	next.inhibitor.WaitForLoading()
	go next.dispatcher.Run(time.Now())
	next.dispatcher.WaitForLoading()
	m.live.Store(next)
}

// integrations are one per integration of the receiver; all write to the outbox.
func (m *Manager) integrations(r amconfig.Receiver) []amnotify.Integration {
	var out []amnotify.Integration
	for i, w := range r.WebhookConfigs {
		out = append(out, amnotify.NewIntegration(m.toOutbox("webhook", i), w, "webhook", i, r.Name))
	}
	return out
}

func intervals(am *amconfig.Config) map[string][]timeinterval.TimeInterval {
	out := map[string][]timeinterval.TimeInterval{}
	for _, t := range am.MuteTimeIntervals {
		out[t.Name] = t.TimeIntervals
	}
	for _, t := range am.TimeIntervals {
		out[t.Name] = t.TimeIntervals
	}
	return out
}

func atLeast(least time.Duration) func(time.Duration) time.Duration {
	return func(d time.Duration) time.Duration { return max(d, least) }
}
