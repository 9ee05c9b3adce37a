package app

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"hinomi/internal/api/jaeger"
	promapi "hinomi/internal/api/prometheus"
	apiv1 "hinomi/internal/api/v1"
	"hinomi/internal/query/traceql"
)

// jaeger mounts Jaeger's query API on the engine of the Tempo API.
func (a *App) jaeger(engine *traceql.Engine, mux *http.ServeMux) error {
	api, err := jaeger.New(jaeger.Options{
		Engine: engine, Store: a.stores.traces, Scope: a.scope, Dependencies: a.dependencies, Logger: a.log,
	})
	if err != nil {
		return err
	}
	api.Register(mux)
	return nil
}

// dependencies reads the service graph that the span metrics count from all spans,
// sampled ones too, instead of the spans that are kept.
func (a *App) dependencies(r *http.Request, from, to time.Time) ([]jaeger.Link, error) {
	instant, _ := apiv1.PromQL(a.engine, a.stores.metrics.ContextQueryable(promapi.ScopeFromContext))
	query := fmt.Sprintf("round(sum by (client, server) (increase(traces_service_graph_request_total[%dms])))", to.Sub(from).Milliseconds())
	samples, err := instant(promapi.ContextWithScope(r.Context(), a.scope(r)), query, to)
	if err != nil {
		return nil, err
	}
	var out []jaeger.Link
	for _, s := range samples {
		if s.Value >= 1 && !math.IsInf(s.Value, 0) {
			out = append(out, jaeger.Link{Parent: s.Labels["client"], Child: s.Labels["server"], CallCount: uint64(s.Value)})
		}
	}
	return out, nil
}
