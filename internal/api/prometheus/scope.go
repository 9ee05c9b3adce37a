package prometheus

import (
	"context"
	"net/http"

	"hinomi/internal/model"
)

type scopeKey struct{}

// ContextWithScope returns a context whose queries stay inside scope.
func ContextWithScope(ctx context.Context, scope model.Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope)
}

// ScopeFromContext is the scope that the request's credential gave its context;
// without one it is empty, which reaches nothing. Hand it to the metric store's
// ContextQueryable for Options.Queryable and Options.Exemplars.
func ScopeFromContext(ctx context.Context) model.Scope {
	scope, _ := ctx.Value(scopeKey{}).(model.Scope)
	return scope
}

// withScope gives each request the scope of its credential.
func withScope(scope func(*http.Request) model.Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(ContextWithScope(r.Context(), scope(r))))
	})
}

// wholeInstallation are the paths whose answers span all products: counts and
// names out of the index, configuration, the process itself.
var wholeInstallation = map[string]bool{
	"/api/v1/status/config":         true,
	"/api/v1/status/flags":          true,
	"/api/v1/status/tsdb":           true,
	"/api/v1/status/tsdb/blocks":    true,
	"/api/v1/status/self_metrics":   true,
	"/api/v1/scrape_pools":          true,
	"/api/v1/targets":               true,
	"/api/v1/targets/metadata":      true,
	"/api/v1/targets/relabel_steps": true,
	"/api/v1/alertmanagers":         true,
	"/api/v1/notifications":         true,
	"/api/v1/notifications/live":    true,
}

// guardWhole refuses those paths to a scope that is not everything.
func guardWhole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wholeInstallation[r.URL.Path] && !ScopeFromContext(r.Context()).All() {
			writeError(w, http.StatusForbidden, "forbidden",
				"this answer spans all products: use a credential that may see all of them")
			return
		}
		next.ServeHTTP(w, r)
	})
}
