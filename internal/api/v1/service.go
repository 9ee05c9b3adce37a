package v1

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

type serviceInput struct {
	Name string `path:"name" maxLength:"512" doc:"service.name"`
	RangeInput
}

type serviceOutput struct{ Body ServiceDetail }

func (a *api) service(ctx context.Context, in *serviceInput) (*serviceOutput, error) {
	from, to, err := in.times(a.Now())
	if err != nil {
		return nil, err
	}
	services, _, err := a.collect(ctx, from, to)
	if err != nil {
		return nil, a.unavailable(ctx, err)
	}
	i := slices.IndexFunc(services, func(s Service) bool { return s.Name == in.Name })
	if i < 0 {
		return nil, huma.Error404NotFound("no service " + in.Name + " sent anything in the hour before this time: check the name and the time range")
	}
	out := &serviceOutput{Body: ServiceDetail{Service: services[i]}}
	if err := a.around(ctx, &out.Body, to); err != nil {
		return nil, a.unavailable(ctx, err)
	}
	return out, nil
}

// around fills in operations and dependencies.
func (a *api) around(ctx context.Context, d *ServiceDetail, at time.Time) error {
	var ops, calls, calledBy redAnswers
	q := a.ask(ctx)
	q.red(&ops, at, served+",service="+quoted(d.Name), "span_name", "span_kind")
	q.edges(&calls, at, "client="+quoted(d.Name), "server")
	q.edges(&calledBy, at, "server="+quoted(d.Name), "client")
	if err := q.wait(); err != nil {
		return err
	}
	d.Operations = operations(ops)
	d.Calls, d.CalledBy = dependencies(calls), dependencies(calledBy)
	return nil
}

func operations(r redAnswers) []Operation {
	out := make([]Operation, 0, len(r.rate))
	for k := range r.rate {
		v := unkey(k)
		kind := strings.ToLower(strings.TrimPrefix(v[1], "SPAN_KIND_"))
		out = append(out, Operation{Name: v[0], Kind: kind, RED: r.of(k)})
	}
	slices.SortFunc(out, func(a, b Operation) int {
		return cmp.Or(moreFailures(a.RED, b.RED), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

func dependencies(r redAnswers) []Dependency {
	total := 0.0
	for _, rate := range r.rate {
		total += rate
	}
	out := make([]Dependency, 0, len(r.rate))
	for k, rate := range r.rate {
		v := unkey(k)
		d := Dependency{Name: v[0], Type: v[1], RED: r.of(k)}
		if total > 0 {
			d.Share = rate / total
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Dependency) int {
		return cmp.Or(moreFailures(a.RED, b.RED), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return out
}

// moreFailures orders by failures per second, then by rate, both falling.
func moreFailures(a, b RED) int {
	failures := func(r RED) float64 {
		if r.Rate == nil || r.ErrorShare == nil {
			return 0
		}
		return *r.Rate * *r.ErrorShare
	}
	rate := func(r RED) float64 {
		if r.Rate == nil {
			return 0
		}
		return *r.Rate
	}
	return cmp.Or(-cmp.Compare(failures(a), failures(b)), -cmp.Compare(rate(a), rate(b)))
}
