package alerting

import (
	"context"
	"time"

	"github.com/prometheus/alertmanager/alert"
	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/strutil"
)

// FromRules returns what Prometheus' rule manager calls with its alerts.
// externalURL is what links to the expression start with.
func (m *Manager) FromRules(externalURL string) rules.NotifyFunc {
	return func(ctx context.Context, expr string, alerts ...*rules.Alert) {
		if len(alerts) == 0 {
			return
		}
		now := time.Now()
		list := make([]*alert.Alert, len(alerts))
		for i, a := range alerts {
			list[i] = &alert.Alert{
				Alert: pmodel.Alert{
					Labels: labelSet(a.Labels), Annotations: labelSet(a.Annotations), StartsAt: a.FiredAt, EndsAt: a.ResolvedAt,
					GeneratorURL: externalURL + strutil.TableLinkForExpression(expr),
				},
				UpdatedAt: now,
			}
			if a.ResolvedAt.IsZero() {
				list[i].EndsAt, list[i].Timeout = a.ValidUntil, true
			}
		}
		// The rule manager sends again, so a failed write loses nothing.
		if err := m.alerts.Put(context.WithoutCancel(ctx), list...); err != nil {
			m.log.Error("alerts of a rule are not stored, the rule sends them again", "expr", expr, "err", err)
		}
	}
}

func labelSet(l labels.Labels) pmodel.LabelSet {
	out := make(pmodel.LabelSet, l.Len())
	l.Range(func(l labels.Label) {
		if l.Value != "" {
			out[pmodel.LabelName(l.Name)] = pmodel.LabelValue(l.Value)
		}
	})
	return out
}
