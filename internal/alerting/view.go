package alerting

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/marker"

	"hinomi/internal/model"
)

// View is a firing alert and what was decided about it.
type View struct {
	Fingerprint  string
	Labels       map[string]string
	Annotations  map[string]string
	GeneratorURL string
	Starts       time.Time
	Updated      time.Time
	Receivers    []string // of the routes that it takes
	SilencedBy   []string // ids of silences
	InhibitedBy  []string // fingerprints of alerts
}

// Muted tells whether nobody is notified because of a silence or inhibition.
func (v View) Muted() bool { return len(v.SilencedBy)+len(v.InhibitedBy) > 0 }

// Alerts lists the firing alerts inside scope, newest first.
func (m *Manager) Alerts(ctx context.Context, scope model.Scope) []View {
	cur := m.live.Load()
	routes := dispatch.NewRoute(cur.config.am.Route, nil)
	pending := m.alerts.GetPending()
	defer pending.Close()
	now := time.Now()
	var out []View
	for p := range pending.Next() {
		a := p.Data
		if a.ResolvedAt(now) || !scope.Allows(string(a.Labels[model.ProductLabel])) {
			continue
		}
		out = append(out, m.view(ctx, cur, routes, a))
	}
	slices.SortFunc(out, func(a, b View) int {
		if c := b.Starts.Compare(a.Starts); c != 0 {
			return c
		}
		return strings.Compare(a.Fingerprint, b.Fingerprint)
	})
	return out
}

func (m *Manager) view(ctx context.Context, cur *live, routes *dispatch.Route, a *alert.Alert) View {
	marks := marker.NewAlertMarker()
	ctx = marker.WithContext(ctx, marks)
	cur.inhibitor.Mutes(ctx, a.Labels)
	m.silencer.Mutes(ctx, a.Labels)
	status := marks.Status(a.Fingerprint())
	r := recordOf(a)
	v := View{
		Fingerprint: r.Fingerprint, Labels: r.Labels, Annotations: r.Annotations, GeneratorURL: r.GeneratorURL,
		Starts: r.Starts, Updated: r.Updated, SilencedBy: status.SilencedBy, InhibitedBy: status.InhibitedBy,
	}
	for _, route := range routes.Match(a.Labels) {
		v.Receivers = append(v.Receivers, route.RouteOpts.Receiver)
	}
	return v
}
