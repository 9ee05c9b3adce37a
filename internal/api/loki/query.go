package loki

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"hinomi/internal/query/logql"
)

// flagsHeader is where Grafana asks for categorised labels.
const flagsHeader = "X-Loki-Response-Encoding-Flags"

func categorize(r *http.Request) bool {
	for _, h := range r.Header.Values(flagsHeader) {
		if slices.Contains(strings.Split(strings.ReplaceAll(h, " ", ""), ","), "categorize-labels") {
			return true
		}
	}
	return false
}

func (a *API) query(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	at, err := parseTime(r.Form.Get("time"), a.o.Now())
	if err != nil {
		return err
	}
	if _, _, err := a.limits(r); err != nil {
		return err
	}
	began := time.Now()
	res, err := a.o.Engine.Instant(r.Context(), a.o.Scope(r), r.Form.Get("query"), at)
	if err != nil {
		return err
	}
	return writeResult(w, res, false, time.Since(began))
}

func (a *API) queryRange(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	q, err := a.rangeRequest(r)
	if err != nil {
		return err
	}
	if expr, err := logql.Parse(q.Query); err == nil {
		if _, ok := expr.(*logql.LogExpr); !ok {
			align(&q)
		}
	}
	q.Truncate = isDrilldown(r)
	began := time.Now()
	res, err := a.o.Engine.Range(r.Context(), a.o.Scope(r), q)
	if err != nil {
		return err
	}
	return writeResult(w, res, categorize(r), time.Since(began))
}

// align moves the bounds of a metric query to multiples of the step, outwards,
// as Loki's frontend does: a moving window then shows the same points.
func align(q *logql.Request) {
	step := int64(q.Step)
	start, end := q.Start.UnixNano(), q.End.UnixNano()
	start -= ((start % step) + step) % step
	if rem := ((end % step) + step) % step; rem != 0 {
		end += step - rem
	}
	q.Start, q.End = time.Unix(0, start), time.Unix(0, end)
}

// formatQuery writes a query in canonical form. Unlike elsewhere its errors are JSON.
func (a *API) formatQuery(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	e, err := logql.Parse(r.Form.Get("query"))
	if err != nil {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(http.StatusBadRequest)
		return writeJSON(w, map[string]string{"status": "invalid-query", "error": err.Error()})
	}
	return writeJSON(w, map[string]string{"status": "success", "data": e.String()})
}

// isDrilldown tells whether Grafana's Logs Drilldown asks: it would rather have some
// series of too many than an error.
func isDrilldown(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("X-Query-Tags")), "grafana-lokiexplore-app")
}
