package loki

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/logql"
)

type listResponse struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

// labelRange reads the time range and the optional selector of a label call.
func (a *API) labelRange(w http.ResponseWriter, r *http.Request) (from, to int64, sel []*labels.Matcher, err error) {
	if err := form(w, r); err != nil {
		return 0, 0, nil, err
	}
	start, end, err := a.bounds(r, labelsSince)
	if err != nil {
		return 0, 0, nil, err
	}
	sel, err = selector(r.Form.Get("query"))
	return start.UnixNano(), end.UnixNano() + 1, sel, err
}

func (a *API) labels(w http.ResponseWriter, r *http.Request) error {
	from, to, sel, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	names, err := a.o.Engine.LabelNames(r.Context(), a.o.Scope(r), from, to, sel)
	if err != nil {
		return err
	}
	return writeJSON(w, listResponse{"success", names})
}

func (a *API) labelValues(w http.ResponseWriter, r *http.Request) error {
	from, to, sel, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	vals, err := a.o.Engine.LabelValues(r.Context(), a.o.Scope(r), r.PathValue("name"), from, to, sel)
	if err != nil {
		return err
	}
	return writeJSON(w, listResponse{"success", vals})
}

func (a *API) series(w http.ResponseWriter, r *http.Request) error {
	from, to, _, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	var sels [][]*labels.Matcher
	for _, m := range slices.Concat(r.Form["match[]"], r.Form["match"]) {
		s, err := selector(m)
		if err != nil {
			return err
		}
		if s == nil {
			sels = nil
			break
		}
		sels = append(sels, s)
	}
	streams, _, err := a.o.Engine.Streams(r.Context(), a.o.Scope(r), from, to, sels...)
	if err != nil {
		return err
	}
	out := make([]map[string]string, len(streams))
	for i, s := range streams {
		out[i] = labelMap(s.Labels)
	}
	return writeJSON(w, listResponse{"success", out})
}

// indexStats tells what a query would read. Streams and entries are exact, bytes
// are estimated from a sample of lines, as Loki's are from its index.
func (a *API) indexStats(w http.ResponseWriter, r *http.Request) error {
	from, to, sel, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	scope := a.o.Scope(r)
	streams, stats, err := a.o.Engine.Streams(r.Context(), scope, from, to, sel)
	if err != nil {
		return err
	}
	avg, err := a.o.Engine.AverageLine(r.Context(), scope, from, to, sel)
	if err != nil {
		return err
	}
	var entries int64
	for _, s := range streams {
		entries += s.Lines
	}
	return writeJSON(w, map[string]int64{
		"streams": int64(len(streams)), "chunks": int64(stats.UnitsScanned), "entries": entries, "bytes": int64(avg * float64(entries)),
	})
}

// volume answers how many bytes each stream, or each value of targetLabels, has.
func (a *API) volume(w http.ResponseWriter, r *http.Request) error {
	from, to, sel, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	if len(sel) == 0 && r.Form.Get("query") == "" {
		return badRequest(errors.New("query is required, for example {service_name=~\".+\"}"))
	}
	limit, _, err := a.limits(r)
	if err != nil {
		return err
	}
	began := time.Now()
	scope := a.o.Scope(r)
	streams, stats, err := a.o.Engine.Streams(r.Context(), scope, from, to, sel)
	if err != nil {
		return err
	}
	avg, err := a.o.Engine.AverageLine(r.Context(), scope, from, to, sel)
	if err != nil {
		return err
	}
	names := targetNames(r.Form.Get("targetLabels"), sel)
	byLabels := map[string]*logql.Series{}
	var list []*logql.Series
	for _, s := range streams {
		ls := labels.NewBuilder(s.Labels).Keep(names...).Labels()
		if ls.IsEmpty() {
			continue
		}
		x, ok := byLabels[ls.String()]
		if !ok {
			x = &logql.Series{Labels: ls, Values: []float64{0}}
			byLabels[ls.String()] = x
			list = append(list, x)
		}
		x.Values[0] += float64(int64(avg * float64(s.Lines)))
	}
	slices.SortStableFunc(list, func(x, y *logql.Series) int { return cmp.Compare(y.Values[0], x.Values[0]) })
	res := logql.Result{Kind: logql.Vector, Start: to - 1, Stats: stats}
	for _, x := range list[:min(limit, len(list))] {
		res.Series = append(res.Series, *x)
	}
	return writeResult(w, res, false, time.Since(began))
}

// targetNames are the labels to group by: those asked for, else those of the
// selector.
func targetNames(text string, sel []*labels.Matcher) []string {
	if text != "" {
		return strings.Split(text, ",")
	}
	var out []string
	for _, m := range sel {
		out = append(out, m.Name)
	}
	return out
}
