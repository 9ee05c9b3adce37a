package prometheus

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/metadata"

	"hinomi/internal/model"
)

// serveMetadata answers /api/v1/metadata. Prometheus answers from its scrape
// targets only; ours covers what came by OTLP and remote write too.
func serveMetadata(list func(model.Scope, string) map[string][]metadata.Metadata) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, http.StatusMethodNotAllowed, "bad_data", "metadata is read with GET")
			return
		}
		limit, err := intParam(r, "limit")
		if err != nil {
			writeError(w, http.StatusBadRequest, "bad_data", "limit must be a number")
			return
		}
		perMetric, err := intParam(r, "limit_per_metric")
		if err != nil {
			writeError(w, http.StatusBadRequest, "bad_data", "limit_per_metric must be a number")
			return
		}
		all := list(ScopeFromContext(r.Context()), r.FormValue("metric"))
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		if limit >= 0 && len(names) > limit {
			names = names[:limit]
		}
		out := make(map[string][]metadata.Metadata, len(names))
		for _, name := range names {
			ms := all[name]
			if perMetric > 0 && len(ms) > perMetric {
				ms = ms[:perMetric]
			}
			out[name] = ms
		}
		writeJSON(w, http.StatusOK, map[string]any{"status": "success", "data": out})
	}
}

func intParam(r *http.Request, name string) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return -1, nil
	}
	return strconv.Atoi(s)
}

// writeError answers in Prometheus' error format.
func writeError(w http.ResponseWriter, code int, kind, message string) {
	writeJSON(w, code, map[string]string{"status": "error", "errorType": kind, "error": message})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error here means that the client has gone.
	_ = json.NewEncoder(w).Encode(v)
}
