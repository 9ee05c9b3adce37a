package app

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serve answers health before anything else is ready.
func (a *App) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/-/healthy":
		_, _ = fmt.Fprintln(w, "Hinomi is healthy.")
		return
	case "/-/ready", "/ready":
		if a.handler.Load() == nil {
			http.Error(w, "Hinomi is starting: the stores recover their files.", http.StatusServiceUnavailable)
			return
		}
		if a.collector != nil {
			if err := a.collector.Running(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = fmt.Fprintln(w, "Hinomi is ready.")
		return
	case "/metrics":
		promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/debug/pprof/"); ok {
		serveProfile(w, r, name)
		return
	}
	h := a.handler.Load()
	if h == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Hinomi is starting, try again in a second.", http.StatusServiceUnavailable)
		return
	}
	(*h).ServeHTTP(w, r)
}

// serveProfile serves Go's profiles of the running process.
func serveProfile(w http.ResponseWriter, r *http.Request, name string) {
	switch name {
	case "profile":
		pprof.Profile(w, r)
	case "trace":
		pprof.Trace(w, r)
	case "cmdline":
		pprof.Cmdline(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	default:
		pprof.Index(w, r)
	}
}
