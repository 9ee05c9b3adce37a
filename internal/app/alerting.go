package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	promv1 "github.com/prometheus/prometheus/web/api/v1"

	"hinomi/internal/alerting"
	"hinomi/internal/config"
	"hinomi/internal/model"
	"hinomi/internal/notify"
	"hinomi/internal/notify/webhook"
	"hinomi/internal/query/promql"
	"hinomi/internal/rules"
)

// alertmanagerPrefix is where Alertmanager's API is mounted: the URL to give to
// amtool is http://<listen>/alertmanager.
const alertmanagerPrefix = "/alertmanager"

// judgement is the checked configuration of what judges and notifies.
type judgement struct {
	rules    *rules.Set
	alerting *alerting.Config
	targets  map[notify.Target]notify.Deliverer
}

// judge checks rule files, Alertmanager's section and its receivers without
// changing anything.
func judge(cfg *config.Config, externalURL string, log *slog.Logger) (*judgement, error) {
	set, err := rules.Load(promql.NewParser(), cfg.Rules.Shipped, cfg.Rules.Files)
	if err != nil {
		return nil, err
	}
	am, err := alerting.Parse(&cfg.Alertmanager, cfg.Dir, externalURL)
	if err != nil {
		return nil, err
	}
	j := &judgement{rules: set, alerting: am, targets: map[notify.Target]notify.Deliverer{}}
	for _, r := range am.Alertmanager().Receivers {
		for i, w := range r.WebhookConfigs {
			d, err := webhook.New(w, am.Templates(), log)
			if err != nil {
				return nil, fmt.Errorf("alertmanager receiver %q: %w", r.Name, err)
			}
			j.targets[notify.Target{Receiver: r.Name, Integration: webhook.Integration, Index: i}] = d
		}
	}
	return j, nil
}

// startAlerting starts what hears of alerts: it must be there before the rules.
func (a *App) startAlerting(ctx context.Context, cfg *config.Config, j *judgement, mux *http.ServeMux) (err error) {
	a.worker, err = notify.New(notify.Options{
		Outbox: a.stores.state, Scope: model.ScopeAll(), GiveUpAfter: cfg.Notifications.GiveUpAfter.D(), Logger: a.log, Registerer: a.registry,
	})
	if err != nil {
		return err
	}
	a.worker.SetTargets(j.targets)
	a.life.goRun("notifications", a.worker.Run)
	a.alerting, err = alerting.New(ctx, alerting.Options{
		State: alerting.State{
			Alerts: a.stores.state, Silences: a.stores.state.Silences(), NotificationLog: a.stores.state.NotificationLog(), Outbox: a.stores.state,
		},
		Config: j.alerting, Scope: model.ScopeAll(), Queued: a.worker.Wake, Logger: a.log, Registerer: a.registry,
	})
	if err != nil {
		return err
	}
	a.life.goRun("alerting", a.alerting.Run)
	mux.Handle(alertmanagerPrefix+"/api/v2/", a.wholeInstallation(a.alerting.Handler(alertmanagerPrefix)))
	return nil
}

// wholeInstallation refuses a scope that is not everything: Alertmanager's API
// shows and silences the alerts of all products.
func (a *App) wholeInstallation(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.scope(r).All() {
			http.Error(w, "Alertmanager's API spans all products: use a credential that may see all of them.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// startRules starts what judges.
func (a *App) startRules(cfg *config.Config, j *judgement) (err error) {
	m := a.stores.metrics
	a.rules, err = rules.New(rules.Options{
		Engine: a.engine, Parser: promql.NewParser(), Queryable: m.Queryable(model.ScopeAll()), Appendable: m.Appendable(model.ScopeAll()),
		Notify: a.alerting.FromRules(a.externalURL(cfg)), ExternalURL: a.externalURL(cfg), Logger: a.log, Registerer: a.registry,
	})
	if err != nil {
		return err
	}
	a.life.goRun("rules", a.rules.Run)
	return a.rules.Apply(j.rules, cfg.Rules.Interval.D())
}

func (a *App) rulesOf(context.Context) promv1.RulesRetriever { return a.rules }
