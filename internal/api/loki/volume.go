package loki

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/logql"
	"hinomi/internal/query/plan"
)

// volume answers how many bytes each stream, or each value of targetLabels, has.
func (a *API) volume(w http.ResponseWriter, r *http.Request) error {
	return a.volumes(w, r, func(time.Duration) int64 { return 0 })
}

// volumeRange answers the same for each step of the range.
func (a *API) volumeRange(w http.ResponseWriter, r *http.Request) error {
	return a.volumes(w, r, func(step time.Duration) int64 { return int64(step) })
}

func (a *API) volumes(w http.ResponseWriter, r *http.Request, stepOf func(time.Duration) int64) error {
	from, to, sel, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	if r.Form.Get("query") == "" {
		return badRequest(errors.New("query is required, for example {service_name=~\".+\"}"))
	}
	limit, _, err := a.limits(r)
	if err != nil {
		return err
	}
	step, err := stepParam(r, time.Duration(to-from))
	if err != nil {
		return err
	}
	byName := false
	switch by := r.Form.Get("aggregateBy"); by {
	case "", "series":
	case "labels":
		byName = true
	default:
		return badRequest(fmt.Errorf("invalid aggregateBy %q: use series or labels", by))
	}
	began := time.Now()
	req := logql.VolumeRequest{From: from, To: to, Step: stepOf(step), Selector: sel}
	streams, start, stats, err := a.o.Engine.Volumes(r.Context(), a.o.Scope(r), req)
	if err != nil {
		return err
	}
	names := targetNames(r.Form.Get("targetLabels"), sel)
	res := logql.Result{Kind: logql.Vector, Start: start, Step: req.Step, Stats: stats}
	if req.Step > 0 {
		res.Kind = logql.Matrix
	}
	res.Series = largest(groupVolumes(streams, names, byName), limit)
	return writeResult(w, res, false, time.Since(began))
}

// groupVolumes sums streams by their labels names (nil: by all), or, with byName, by
// the name of each of these labels.
func groupVolumes(streams []logql.StreamVolume, names []string, byName bool) []logql.Series {
	var out []logql.Series
	at := map[string]int{}
	add := func(ls labels.Labels, v []float64) {
		i, ok := at[ls.String()]
		if !ok {
			at[ls.String()] = len(out)
			out = append(out, logql.Series{Labels: ls, Values: slices.Clone(v)})
			return
		}
		for k := range v {
			switch {
			case plan.IsAbsent(v[k]):
			case plan.IsAbsent(out[i].Values[k]):
				out[i].Values[k] = v[k]
			default:
				out[i].Values[k] += v[k]
			}
		}
	}
	for _, s := range streams {
		ls := s.Labels
		if names != nil {
			ls = labels.NewBuilder(ls).Keep(names...).Labels()
		}
		switch {
		case ls.IsEmpty():
		case byName:
			ls.Range(func(l labels.Label) { add(labels.New(labels.Label{Name: l.Name}), s.Bytes) })
		default:
			add(ls, s.Bytes)
		}
	}
	return out
}

// largest keeps the series with the largest sums, the largest first.
func largest(in []logql.Series, limit int) []logql.Series {
	sum := func(s logql.Series) float64 {
		n := 0.0
		for k, v := range s.Values {
			if !plan.IsAbsent(v) {
				s.Values[k] = float64(int64(v)) // bytes are whole
				n += v
			}
		}
		return n
	}
	sums := map[string]float64{}
	for _, s := range in {
		sums[s.Labels.String()] = sum(s)
	}
	slices.SortStableFunc(in, func(x, y logql.Series) int {
		return cmp.Or(cmp.Compare(sums[y.Labels.String()], sums[x.Labels.String()]), labels.Compare(x.Labels, y.Labels))
	})
	return in[:min(limit, len(in))]
}

// targetNames are the labels to group by: those asked for, else those of the
// selector, else all.
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
