package alerting

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"hinomi/internal/model"
	"hinomi/internal/notify"
	"hinomi/internal/store"
	"hinomi/internal/store/statestore"
)

const hook = `
route: {receiver: team, group_by: [alertname], group_wait: 1s, group_interval: 10s, repeat_interval: 1h}
receivers:
  - name: team
    webhook_configs: [{url: "http://127.0.0.1:1/"}]
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	c, err := Parse(node.Content[0], ".", "http://hinomi.example")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openState(t *testing.T) *statestore.Store {
	t.Helper()
	s, err := statestore.Open(t.Context(), statestore.Options{Dir: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stateOf(s *statestore.Store) State {
	return State{Alerts: s, Silences: s.Silences(), NotificationLog: s.NotificationLog(), Outbox: s}
}

func manager(t *testing.T, state State) *Manager {
	t.Helper()
	m, err := New(t.Context(), Options{State: state, Config: parse(t, hook), Scope: model.ScopeAll()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// fire says what a rule says of an alert that fired at from.
func fire(m *Manager, name string, from time.Time) {
	m.FromRules("http://hinomi.example")(context.Background(), "up == 0", &rules.Alert{
		Labels: labels.FromStrings("alertname", name, "service", "s"), FiredAt: from, ValidUntil: time.Now().Add(2 * time.Minute),
	})
}

func resolve(m *Manager, name string, from time.Time) {
	m.FromRules("http://hinomi.example")(context.Background(), "up == 0", &rules.Alert{
		Labels: labels.FromStrings("alertname", name, "service", "s"), FiredAt: from, ResolvedAt: time.Now(),
	})
}

// sent lists what is in the outbox, oldest first: alert name and status.
func sent(t *testing.T, s *statestore.Store) (out []string) {
	t.Helper()
	list, err := s.Deliveries(t.Context(), model.ScopeAll(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(list) - 1; i >= 0; i-- {
		msg, err := notify.DecodeMessage(list[i].Payload)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range msg.Alerts {
			names = append(names, string(a.Status())+" "+a.Name())
		}
		out = append(out, strings.Join(names, "+"))
	}
	return out
}

func want(t *testing.T, s *statestore.Store, messages ...string) {
	t.Helper()
	if got := sent(t, s); strings.Join(got, ", ") != strings.Join(messages, ", ") {
		t.Fatalf("outbox has %q, want %q", got, messages)
	}
}

// pass lets time pass, with the rule saying the alert again if it fires.
func pass(m *Manager, d time.Duration, name string, from time.Time) {
	for range d / (10 * time.Second) {
		if name != "" {
			fire(m, name, from)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
	}
}

func TestAPageAndItsResolution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openState(t)
		defer s.Close()
		m := manager(t, stateOf(s))
		defer m.Close()
		from := time.Now()
		pass(m, time.Minute, "Down", from)
		want(t, s, "firing Down")
		v := m.Alerts(t.Context(), model.ScopeAll())
		if len(v) != 1 || v[0].Labels["service"] != "s" || len(v[0].Receivers) != 1 || v[0].Receivers[0] != "team" || v[0].Muted() {
			t.Fatalf("%+v", v)
		}
		if other := m.Alerts(t.Context(), model.ScopeProducts(model.RoleViewer, "shop")); len(other) != 0 {
			t.Fatalf("another product sees %+v", other)
		}
		m.Apply(parse(t, hook)) // a reload while it fires
		pass(m, time.Minute, "Down", from)
		want(t, s, "firing Down")
		pass(m, time.Hour, "Down", from)
		want(t, s, "firing Down", "firing Down") // repeat_interval
		resolve(m, "Down", from)
		pass(m, time.Minute, "", from)
		want(t, s, "firing Down", "firing Down", "resolved Down")
	})
}

func TestARestartWhileFiringRepeatsNothingAndLosesNoResolution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openState(t)
		defer s.Close()
		m := manager(t, stateOf(s))
		pass(m, time.Minute, "Down", time.Now())
		pass(m, time.Minute, "Gone", time.Now())
		want(t, s, "firing Down", "firing Gone")
		m.Close()
		time.Sleep(3 * time.Minute) // longer than an alert is valid

		// Down goes on, with the rule's new memory of when; Gone ended meanwhile.
		m = manager(t, stateOf(s))
		time.Sleep(20 * time.Second)
		again := time.Now()
		pass(m, time.Minute, "Down", again)
		want(t, s, "firing Down", "firing Gone")
		pass(m, 3*time.Minute, "Down", again)
		want(t, s, "firing Down", "firing Gone", "resolved Gone")
		m.Close()
		m = manager(t, stateOf(s))
		pass(m, 5*time.Minute, "Down", again)
		want(t, s, "firing Down", "firing Gone", "resolved Gone")
		m.Close()
	})
}

func TestAResolutionSaidJustBeforeACrashIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openState(t)
		defer s.Close()
		m := manager(t, stateOf(s))
		from := time.Now()
		pass(m, time.Minute, "Down", from)
		resolve(m, "Down", from)
		m.Close() // before the group interval
		want(t, s, "firing Down")
		time.Sleep(time.Hour)
		m = manager(t, stateOf(s))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		want(t, s, "firing Down", "resolved Down")
		// A reload tells nobody again.
		m.Apply(parse(t, hook))
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, s, "firing Down", "resolved Down")
		m.Close()
	})
}

// lost is a journal whose writes vanish, as at the moment of a crash.
type lost struct{ store.Journal }

func (lost) Put(context.Context, model.Scope, store.StateEntry) error { return errors.New("crash") }

func TestACrashBetweenOutboxAndNotificationLogSendsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openState(t)
		defer s.Close()
		state := stateOf(s)
		state.NotificationLog = lost{state.NotificationLog}
		m := manager(t, state)
		pass(m, 10*time.Second, "Down", time.Now())
		want(t, s, "firing Down")
		m.Close()
		m = manager(t, stateOf(s))
		pass(m, time.Minute, "Down", time.Now())
		want(t, s, "firing Down")
		m.Close()
	})
}

func TestSilencesMuteAndSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openState(t)
		defer s.Close()
		m := manager(t, stateOf(s))
		sil := &silencepb.Silence{
			MatcherSets: []*silencepb.MatcherSet{{Matchers: []*silencepb.Matcher{{Type: silencepb.Matcher_EQUAL, Name: "service", Pattern: "s"}}}},
			StartsAt:    timestamppb.Now(), EndsAt: timestamppb.New(time.Now().Add(time.Hour)), CreatedBy: "me", Comment: "work",
		}
		if err := m.silences.Set(t.Context(), sil); err != nil {
			t.Fatal(err)
		}
		m.Close()
		m = manager(t, stateOf(s))
		from := time.Now()
		pass(m, time.Minute, "Down", from)
		want(t, s)
		if v := m.Alerts(t.Context(), model.ScopeAll()); len(v) != 1 || len(v[0].SilencedBy) != 1 || v[0].SilencedBy[0] != sil.Id {
			t.Fatalf("%+v", v)
		}
		if err := m.silences.Expire(t.Context(), sil.Id); err != nil {
			t.Fatal(err)
		}
		pass(m, time.Minute, "Down", from)
		want(t, s, "firing Down")
		m.Close()
		m = manager(t, stateOf(s))
		pass(m, time.Minute, "Down", from)
		want(t, s, "firing Down")
		m.Close()
	})
}

func TestShippedInhibition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openState(t)
		defer s.Close()
		m := manager(t, stateOf(s))
		defer m.Close()
		from := time.Now()
		fire(m, "ServiceDown", from)
		time.Sleep(2 * time.Second)
		fire(m, "ServiceErrorRateHigh", from)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		want(t, s, "firing ServiceDown")
	})
}
