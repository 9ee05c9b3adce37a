// Package alerting decides who should hear of an alert, once: Alertmanager's
// routing, grouping, inhibition, silences and mute timings in this process. Its
// only integration writes to the outbox. What it decides from survives kill -9:
// alerts, silences and the notification log are stored before they are acted on.
package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	apiv2 "github.com/prometheus/alertmanager/api/v2"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	pmodel "github.com/prometheus/common/model"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

const (
	// retention is how long silences that ended and notifications are
	// remembered, as in Alertmanager. A longer repeat_interval repeats sooner.
	retention = 120 * time.Hour
	// gcInterval is how often what is over is forgotten.
	gcInterval = 30 * time.Minute
	// retryInterval is how soon a failed write of state is tried again.
	retryInterval = time.Second
	// endedFor is how long an alert that ended is kept on disk; by then every
	// group interval has passed.
	endedFor = 48 * time.Hour
)

// State is what has to survive. All are required.
type State struct {
	Alerts          store.AlertState
	Silences        store.Journal
	NotificationLog store.Journal
	Outbox          store.Outbox
}

// Options configure New. State and Config are required.
type Options struct {
	State      State
	Config     *Config
	Scope      model.Scope
	Queued     func() // called after something went into the outbox
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Manager is safe for concurrent use.
type Manager struct {
	o        Options
	log      *slog.Logger
	alerts   *durableAlerts
	silences *silence.Silences
	silencer *silence.Silencer
	notified *nflog.Log
	groups   marker.GroupMarker
	pipeline *amnotify.PipelineBuilder
	metrics  *dispatch.DispatcherMetrics
	api      *apiv2.API
	journals []*journal

	mu    sync.Mutex // one Apply or Close at a time
	live  atomic.Pointer[live]
	close sync.Once
}

// recorder records nothing: the zero Recorder is Alertmanager's own off switch.
var recorder eventrecorder.Recorder

// New restores the state and starts routing.
func New(ctx context.Context, o Options) (_ *Manager, err error) {
	if o.State.Alerts == nil || o.State.Silences == nil || o.State.NotificationLog == nil || o.State.Outbox == nil || o.Config == nil {
		return nil, errors.New("alerting needs all of State and a Config")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Queued == nil {
		o.Queued = func() {}
	}
	m := &Manager{o: o, log: o.Logger.With("component", "alerting"), groups: marker.NewGroupMarker()}
	m.silences, err = silence.New(silence.Options{Retention: retention, Logger: m.log, Metrics: o.Registerer})
	if err != nil {
		return nil, fmt.Errorf("make the silences: %w", err)
	}
	m.notified, err = nflog.New(nflog.Options{Retention: retention, Logger: m.log, Metrics: o.Registerer})
	if err != nil {
		return nil, fmt.Errorf("make the notification log: %w", err)
	}
	if err := m.restore(ctx); err != nil {
		return nil, err
	}
	m.silencer = silence.NewSilencer(m.silences, m.log, recorder)
	memory, err := mem.NewAlerts(context.WithoutCancel(ctx), gcInterval, 0, m.silencer, m.log, recorder, o.Registerer, featurecontrol.NoopFlags{})
	if err != nil {
		return nil, fmt.Errorf("make the alert memory: %w", err)
	}
	defer func() {
		if err != nil {
			memory.Close()
		}
	}()
	m.alerts = &durableAlerts{Alerts: memory, state: o.State.Alerts, scope: o.Scope, notify: m.notified}
	if err := m.alerts.restore(ctx, time.Now()); err != nil {
		return nil, fmt.Errorf("restore alerts: %w", err)
	}
	m.pipeline = amnotify.NewPipelineBuilder(o.Registerer, featurecontrol.NoopFlags{}, recorder)
	m.metrics = dispatch.NewDispatcherMetrics(false, o.Registerer, featurecontrol.NoopFlags{})
	m.api, err = apiv2.NewAPI(m.alerts, m.currentGroups, m.groups.Muted, m.silences, nil, m.log, o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("make the Alertmanager API: %w", err)
	}
	m.Apply(o.Config)
	return m, nil
}

// restore reads silences and the notification log and has every later change
// written.
func (m *Manager) restore(ctx context.Context) error {
	failures := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "hinomi_alerting_state_write_failures_total", Help: "Changes of silences or of the notification log that could not be stored at once.",
	})
	if err := m.o.Registerer.Register(failures); err != nil {
		return fmt.Errorf("register alerting metrics: %w", err)
	}
	for _, j := range []struct {
		to    store.Journal
		entry func([]byte) (store.StateEntry, error)
		merge func([]byte) error
		tell  func(func([]byte))
	}{
		{m.o.State.Silences, silenceEntry, m.silences.Merge, m.silences.SetBroadcast},
		{m.o.State.NotificationLog, logEntry, m.notified.Merge, m.notified.SetBroadcast},
	} {
		journal := &journal{to: j.to, scope: m.o.Scope, entry: j.entry, log: m.log, failures: failures, pending: map[string]store.StateEntry{}}
		if err := journal.restore(ctx, j.merge); err != nil {
			return fmt.Errorf("restore alerting state: %w", err)
		}
		j.tell(journal.put)
		m.journals = append(m.journals, journal)
	}
	return nil
}

// Run keeps house until ctx ends and then stops routing.
func (m *Manager) Run(ctx context.Context) error {
	defer m.Close()
	gc, retry := time.NewTicker(gcInterval), time.NewTicker(retryInterval)
	defer gc.Stop()
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-retry.C:
			for _, j := range m.journals {
				j.retry()
			}
		case now := <-gc.C:
			if err := m.forget(ctx, now); err != nil && ctx.Err() == nil {
				m.log.Warn("old alerting state is not removed", "err", err)
			}
		}
	}
}

func (m *Manager) forget(ctx context.Context, now time.Time) error {
	_, err1 := m.silences.GC()
	_, err2 := m.notified.GC()
	return errors.Join(err1, err2,
		m.o.State.Silences.Prune(ctx, m.o.Scope, now), m.o.State.NotificationLog.Prune(ctx, m.o.Scope, now),
		m.o.State.Alerts.PruneAlerts(ctx, m.o.Scope, now.Add(-endedFor)))
}

// Close stops routing. What waited for its group interval is decided again
// after the next start.
func (m *Manager) Close() error {
	m.close.Do(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.live.Load().stop()
		m.alerts.Close()
	})
	return nil
}

// Handler serves Alertmanager's API v2 at prefix + "/api/v2/".
func (m *Manager) Handler(prefix string) http.Handler { return http.StripPrefix(prefix, m.api.Handler) }

func (m *Manager) currentGroups(ctx context.Context, routes func(*dispatch.Route) bool, alerts func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[pmodel.Fingerprint][]string, error) {
	return m.live.Load().dispatcher.Groups(ctx, routes, alerts)
}

// live is what a configuration makes of alerts.
type live struct {
	config     *Config
	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatch.Dispatcher
}

func (l *live) stop() {
	if l != nil {
		l.inhibitor.Stop()
		l.dispatcher.Stop()
	}
}
