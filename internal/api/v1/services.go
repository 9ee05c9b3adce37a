package v1

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// RangeInput is the range of a page: the state is judged at its end. It is exported
// because parameters of embedded types are only found then.
type RangeInput struct {
	From int64 `query:"from" doc:"Unix milliseconds, inclusive; default one hour before to"`
	To   int64 `query:"to" doc:"Unix milliseconds; default now"`
}

// times are the ends of the range, at most maxRange apart.
func (in *RangeInput) times(now time.Time) (from, to time.Time, err error) {
	to = now
	if in.To != 0 {
		to = time.UnixMilli(in.To)
	}
	from = to.Add(-time.Hour)
	if in.From != 0 {
		from = time.UnixMilli(in.From)
	}
	if !from.Before(to) {
		return from, to, huma.Error422UnprocessableEntity("the range is empty: from must be before to")
	}
	return from, to, nil
}

type servicesOutput struct {
	Body struct {
		Services []Service `json:"services" nullable:"false" doc:"worst first"`
	}
}

func (a *api) services(ctx context.Context, in *RangeInput) (*servicesOutput, error) {
	from, to, err := in.times(a.Now())
	if err != nil {
		return nil, err
	}
	services, _, err := a.collect(ctx, from, to)
	if err != nil {
		return nil, a.unavailable(ctx, err)
	}
	out := &servicesOutput{}
	out.Body.Services = services
	return out, nil
}

// collect judges every service at to, worst first, and returns all alerts.
func (a *api) collect(ctx context.Context, from, to time.Time) ([]Service, []Alert, error) {
	alerts, err := a.sortedAlerts(ctx)
	if err != nil {
		return nil, nil, err
	}
	var now, past redAnswers
	var serving, seen, named, worstOps, edgeCalls, edgeErrors byLabels
	q := a.ask(ctx)
	q.red(&now, to, served, "service")
	q.red(&past, to.Add(-before), served, "service")
	q.into(&serving, to, existed(served), "service")
	q.into(&seen, to, existed(""), "service")
	q.into(&named, to, "group by (job) (last_over_time(target_info[1h]))", "job")
	q.into(&worstOps, to, "topk by (service) (1, "+sumRate(callsSeries, served+","+failed, "service, span_name")+")", "service", "span_name")
	q.into(&edgeCalls, to, sumRate("traces_service_graph_request_total", "", "client, server"), "client", "server")
	q.into(&edgeErrors, to, sumRate("traces_service_graph_request_failed_total", "", "client, server"), "client", "server")
	g := newGrid(from, to)
	sparks, err := a.sparks(ctx, g, served)
	if err == nil {
		err = q.wait()
	} else {
		_ = q.wait() // the first error is the one to report
	}
	if err != nil {
		return nil, nil, err
	}

	culprits := findCulprits(worstOps, now.errors, edgeCalls, edgeErrors)
	for job := range named {
		seen[serviceOfJob(job)] = 1
	}
	out := make([]Service, 0, len(seen))
	for name := range seen {
		if name == "" {
			continue
		}
		s := Service{Name: name, Now: now.of(name), Before: past.of(name), Spark: *g.spark(), Alerts: alertsOf(alerts, name)}
		if spark := sparks[name]; spark != nil {
			s.Spark = *spark
		}
		_, everServed := serving[name]
		judge(&s, everServed, s.Now.Rate != nil && *s.Now.Rate > 0, culprits[name])
		out = append(out, s)
	}
	slices.SortFunc(out, worstFirst)
	return out, alerts, nil
}

// existed groups the services that had such spans within the last hour.
func existed(match string) string {
	return "group by (service) (last_over_time(" + callsSeries + "{" + match + "}[1h]))"
}

// serviceOfJob undoes the translation of service.namespace/service.name.
func serviceOfJob(job string) string {
	if i := strings.LastIndexByte(job, '/'); i >= 0 {
		return job[i+1:]
	}
	return job
}

func findCulprits(ops, errors, edgeCalls, edgeErrors byLabels) map[string]culprit {
	out := map[string]culprit{}
	for k, v := range ops {
		service, op := unkey(k)[0], unkey(k)[1]
		if v > 0 && v >= mainShare*errors[service] {
			out[service] = culprit{operation: op}
		}
	}
	for k, v := range edgeErrors {
		client, server := unkey(k)[0], unkey(k)[1]
		calls := edgeCalls[k]
		if calls <= 0 || v/calls < badDependencyShare {
			continue
		}
		if c := out[client]; v/calls > c.dependencyShare {
			c.dependency, c.dependencyShare = server, min(v/calls, 1)
			out[client] = c
		}
	}
	return out
}

// sortedAlerts are all alerts, most urgent first.
func (a *api) sortedAlerts(ctx context.Context) ([]Alert, error) {
	alerts, err := a.Alerts(ctx)
	if err != nil {
		return nil, err
	}
	alerts = slices.Clone(alerts)
	slices.SortFunc(alerts, byUrgency)
	return alerts, nil
}

// alertsOf are the firing alerts of one service. What somebody silenced does
// not make a service broken.
func alertsOf(alerts []Alert, service string) []Alert {
	out := []Alert{}
	for _, al := range alerts {
		if al.Service == service && al.State == "firing" && !al.Silenced {
			out = append(out, al)
		}
	}
	return out
}

func worstFirst(a, b Service) int {
	return cmp.Or(
		cmp.Compare(a.State.rank(), b.State.rank()),
		-cmp.Compare(a.Verdict.ErrorShare, b.Verdict.ErrorShare),
		-cmp.Compare(len(a.Alerts), len(b.Alerts)),
		cmp.Compare(a.Name, b.Name),
	)
}
