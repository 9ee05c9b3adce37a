package loki

import (
	"net/http"
	"slices"

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

// indexStats tells what a query would read.
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
	volumes, _, _, err := a.o.Engine.Volumes(r.Context(), scope, logql.VolumeRequest{From: from, To: to, Selector: sel})
	if err != nil {
		return err
	}
	var entries, bytes int64
	for _, s := range streams {
		entries += s.Lines
	}
	for _, v := range volumes {
		bytes += int64(v.Bytes[0])
	}
	return writeJSON(w, map[string]int64{
		"streams": int64(len(streams)), "chunks": int64(stats.UnitsScanned), "entries": entries, "bytes": bytes,
	})
}
