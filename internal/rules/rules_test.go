package rules

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"

	"hinomi/internal/model"
	"hinomi/internal/query/promql"
	"hinomi/internal/store/metricstore"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEveryErrorNamesFileAndLine(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "good.yml", "groups: [{name: g, rules: [{record: a, expr: vector(1)}]}]\n")
	one := write(t, dir, "one.yml", "groups:\n  - name: g\n    rules:\n      - record: a\n        expr: sum(\n")
	two := write(t, dir, "two.yml", "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up\n        fro: 5s\n")
	_, err := Load(promql.NewParser(), true, []string{filepath.Join(dir, "*.yml"), filepath.Join(dir, "none.yml")})
	if err == nil {
		t.Fatal("bad rules were loaded")
	}
	for _, want := range []string{one + ":5:", two + ":", "line 6", "none.yml does not exist"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

// world is a metric store with its engine.
type world struct {
	store  *metricstore.Store
	engine upstream.QueryEngine
}

func openWorld(t *testing.T, dir string) (*world, func()) {
	t.Helper()
	s, err := metricstore.Open(metricstore.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	e, err := promql.New(promql.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return &world{s, e}, func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// heard collects what rules say.
type heard struct {
	mu  sync.Mutex
	all []*rules.Alert
}

func (h *heard) notify(_ context.Context, _ string, alerts ...*rules.Alert) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, alerts...)
}

func (h *heard) names() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.all {
		out = append(out, a.Labels.Get("alertname"))
	}
	return out
}

func (w *world) manager(t *testing.T, h *heard) (*Manager, func()) {
	t.Helper()
	m, err := New(Options{
		Engine: w.engine, Parser: promql.NewParser(), Queryable: w.store.Queryable(model.ScopeAll()), Appendable: w.store.Appendable(model.ScopeAll()),
		Notify: h.notify, ExternalURL: "http://hinomi.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return m, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func apply(t *testing.T, m *Manager, interval time.Duration, globs ...string) {
	t.Helper()
	set, err := Load(promql.NewParser(), false, globs)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(set, interval); err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

func TestRecordsAndAlertsAndGoesOnAfterAReload(t *testing.T) {
	w, stop := openWorld(t, t.TempDir())
	defer stop()
	dir, h := t.TempDir(), &heard{}
	file := write(t, dir, "a.yml", "groups: [{name: g, rules: [{record: answer, expr: vector(42)}, {alert: Large, expr: answer > 1}]}]\n")
	m, stopRules := w.manager(t, h)
	defer stopRules()
	apply(t, m, 100*time.Millisecond, file)
	wait(t, "the alert on a recorded series", func() bool { return len(h.names()) > 0 })
	before := m.RuleGroups()[0]
	write(t, dir, "b.yml", "groups: [{name: g2, rules: [{alert: Also, expr: answer > 2}]}]\n")
	apply(t, m, 100*time.Millisecond, filepath.Join(dir, "*.yml"))
	groups := m.RuleGroups()
	if len(groups) != 2 || groups[0] != before {
		t.Fatal("a group that did not change was replaced")
	}
	wait(t, "the new alert", func() bool {
		for _, n := range h.names() {
			if n == "Also" {
				return true
			}
		}
		return false
	})
}

// A `for` that had run for a while when the process died goes on: the time
// before counts, and Prometheus' ten minutes of grace do not.
func TestForGoesOnAfterARestart(t *testing.T) {
	dir, h := t.TempDir(), &heard{}
	file := write(t, t.TempDir(), "a.yml", "groups: [{name: g, rules: [{alert: Slow, expr: vector(1), for: 1h}]}]\n")
	active := func(m *Manager) time.Time {
		for _, r := range m.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				return a.ActiveAt
			}
		}
		return time.Time{}
	}
	restored := func(m *Manager) bool {
		for _, r := range m.AlertingRules() {
			if !r.Restored() {
				return false
			}
		}
		return true
	}
	w, stop := openWorld(t, dir)
	// The state as a process left it that had seen the alert for 50 minutes.
	began := time.Now().Add(-50 * time.Minute)
	app := w.store.Appender(t.Context(), model.ScopeAll())
	for at := began.Add(49 * time.Minute); at.Before(time.Now()); at = at.Add(5 * time.Second) {
		if _, err := app.Append(0, rulesState("Slow"), at.UnixMilli(), float64(began.Unix())); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	stop()

	w, stop = openWorld(t, dir)
	defer stop()
	m, stopRules := w.manager(t, h)
	defer stopRules()
	apply(t, m, 200*time.Millisecond, file)
	wait(t, "the restoration", func() bool { return !active(m).IsZero() && restored(m) })
	if got := active(m); got.Sub(began).Abs() > 30*time.Second {
		t.Fatalf("pending since %v, want about %v", got, began)
	}
}

func rulesState(alert string) labels.Labels {
	return labels.FromStrings(labels.MetricName, "ALERTS_FOR_STATE", labels.AlertName, alert)
}
