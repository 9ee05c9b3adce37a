package jaeger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hinomi/internal/api/apierr"
	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// namesSince is how far back services and operations are listed: the API has no
// range for them, and what was silent for a week is found by naming it.
const namesSince = 7 * 24 * time.Hour

// maxNames bounds a list of services or operations, which the UI shows in one
// drop-down.
const maxNames = 10_000

// distinct lists the distinct values of columns.
func (a *API) distinct(ctx context.Context, scope model.Scope, where store.Pred, cols ...store.ColumnRef) ([]plan.Tuple, error) {
	now := a.o.Now()
	rows, _, _, err := plan.Distinct(ctx, a.o.Store, scope, plan.Scan{
		From: now.Add(-namesSince).UnixNano(), To: now.Add(time.Hour).UnixNano(), Where: where, Columns: cols,
	}, maxNames)
	if err != nil && !errors.Is(err, plan.ErrSeriesLimit) {
		return nil, fmt.Errorf("list names: %w", err)
	}
	return rows, nil
}

func (a *API) serviceNames(r *http.Request) ([]string, error) {
	rows, err := a.distinct(r.Context(), a.o.Scope(r), nil, store.Col(store.ColService))
	out := []string{}
	for _, row := range rows {
		if s := row.Key[0].Str; s != "" {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out, err
}

func (a *API) services(w http.ResponseWriter, r *http.Request) error {
	names, err := a.serviceNames(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, response{Data: names, Total: len(names)})
	return nil
}

func (a *API) servicesV3(w http.ResponseWriter, r *http.Request) error {
	names, err := a.serviceNames(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"services": names})
	return nil
}

// operation is a span name and a kind of its spans.
type operation struct {
	Name     string `json:"name"`
	SpanKind string `json:"spanKind"`
}

// kindNames are OpenTelemetry's span kinds as Jaeger writes them; unspecified is
// nothing.
var kindNames = []string{"", "internal", "server", "client", "producer", "consumer"}

func kindName(n int64) string {
	if n < 0 || n >= int64(len(kindNames)) {
		return ""
	}
	return kindNames[n]
}

// operationsOf lists the operations of a service, of one kind or, when it is "",
// of all.
func (a *API) operationsOf(r *http.Request, service, kind string) ([]operation, error) {
	where := store.And{store.Cmp{Col: store.Col(store.ColService), Op: store.Eq, Val: store.Str(service)}}
	if kind != "" {
		i := slices.Index(kindNames, kind)
		if i < 0 {
			return []operation{}, nil
		}
		where = append(where, store.Cmp{Col: store.Col(store.ColKind), Op: store.Eq, Val: store.Int(int64(i))})
	}
	rows, err := a.distinct(r.Context(), a.o.Scope(r), where, store.Col(store.ColName), store.Col(store.ColKind))
	out := []operation{}
	for _, row := range rows {
		out = append(out, operation{row.Key[0].Str, kindName(row.Key[1].Int)})
	}
	slices.SortFunc(out, func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.SpanKind, b.SpanKind))
	})
	return out, err
}

func (a *API) operations(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Get("service") == "" {
		return apierr.BadRequest("parameter 'service' is required")
	}
	ops, err := a.operationsOf(r, q.Get("service"), q.Get("spanKind"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, response{Data: ops, Total: len(ops)})
	return nil
}

// operationNames is the older call, which knows no kinds.
func (a *API) operationNames(w http.ResponseWriter, r *http.Request) error {
	ops, err := a.operationsOf(r, r.PathValue("service"), "")
	if err != nil {
		return err
	}
	names := []string{}
	for _, op := range ops {
		names = append(names, op.Name)
	}
	names = slices.Compact(names)
	writeJSON(w, http.StatusOK, response{Data: names, Total: len(names)})
	return nil
}

func (a *API) operationsV3(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Get("service") == "" {
		return apierr.BadRequest("malformed parameter service: it is required")
	}
	ops, err := a.operationsOf(r, q.Get("service"), param(q, "spanKind", "span_kind"))
	if err != nil {
		return err
	}
	for i, op := range ops {
		if op.SpanKind == "" {
			ops[i].SpanKind = "internal"
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"operations": ops})
	return nil
}
