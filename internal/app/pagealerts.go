package app

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"

	promapi "hinomi/internal/api/prometheus"
	apiv1 "hinomi/internal/api/v1"
	"hinomi/internal/model"
)

// pageAlerts are the pending and firing alerts with what alerting decided
// about them, in the scope of ctx.
func (a *App) pageAlerts(ctx context.Context) ([]apiv1.Alert, error) {
	if a.rules == nil || a.alerting == nil {
		return nil, nil // still starting
	}
	scope := promapi.ScopeFromContext(ctx)
	muted := map[uint64]bool{}
	for _, v := range a.alerting.Alerts(ctx, scope) {
		if v.Muted() {
			muted[labelsHash(v.Labels)] = true
		}
	}
	var out []apiv1.Alert
	for _, rule := range a.rules.AlertingRules() {
		for _, al := range rule.ActiveAlerts() {
			set := al.Labels.Map()
			if !scope.Allows(set[model.ProductLabel]) {
				continue
			}
			annotations := al.Annotations.Map()
			state := "pending"
			if al.State == rules.StateFiring {
				state = "firing"
			}
			out = append(out, apiv1.Alert{
				Name: set["alertname"], State: state, Severity: set["severity"],
				Service: first(set["service"], set["service_name"]),
				Summary: first(annotations["summary"], annotations["description"]),
				Since:   al.ActiveAt.UnixMilli(), Value: al.Value, Silenced: muted[labelsHash(set)],
				Labels: set, Annotations: annotations,
			})
		}
	}
	return out, nil
}

// labelsHash is equal for equal labels, whichever way they came.
func labelsHash(set map[string]string) uint64 {
	return labels.FromMap(set).Hash()
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
