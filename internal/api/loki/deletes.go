package loki

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"hinomi/internal/api/apierr"
	"hinomi/internal/model"
	"hinomi/internal/query/logql"
)

// DeleteRequest asks to delete the lines that Log selects in [From, To) ns.
// logql.DeletePredicate turns Log into a predicate over the store.
type DeleteRequest struct {
	Query    string
	Log      *logql.LogExpr
	From, To int64
}

// DeleteState is a delete request and how far it is.
type DeleteState struct {
	ID       string
	Query    string
	From, To int64 // ns
	Created  time.Time
	Status   string // received, processed, or a text such as "40% Complete"
}

// Deleter takes delete requests. Cancel of a request that is not known, or is done, is
// store.ErrNotFound.
type Deleter interface {
	RequestDelete(context.Context, model.Scope, DeleteRequest) (id string, err error)
	Deletes(context.Context, model.Scope) ([]DeleteState, error)
	CancelDelete(ctx context.Context, scope model.Scope, id string, force bool) error
}

func (a *API) deleter() (Deleter, error) {
	if a.o.Deleter == nil {
		return nil, &apierr.Error{Code: http.StatusNotFound, Err: errors.New("log deletion is not available here; logs leave by retention (logs.retention in the configuration)")}
	}
	return a.o.Deleter, nil
}

// requestDelete takes POST and PUT of delete.
func (a *API) requestDelete(w http.ResponseWriter, r *http.Request) error {
	d, err := a.deleter()
	if err != nil {
		return err
	}
	req, err := a.deleteRequest(w, r)
	if err != nil {
		return err
	}
	id, err := d.RequestDelete(r.Context(), a.o.Scope(r), req)
	if err != nil {
		return err
	}
	w.Header().Set("X-Delete-Request-ID", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteRequest reads and checks what shall be deleted.
func (a *API) deleteRequest(w http.ResponseWriter, r *http.Request) (DeleteRequest, error) {
	if err := form(w, r); err != nil {
		return DeleteRequest{}, err
	}
	req := DeleteRequest{Query: r.Form.Get("query")}
	if req.Query == "" {
		return req, badRequest(errors.New("query not set"))
	}
	var err error
	if req.Log, err = logql.ParseLog(req.Query); err != nil {
		return req, err
	}
	// A filter by a label that no parser makes is one on stored labels, whichever
	// columns exist.
	if _, err := logql.DeletePredicate(req.Log, nil); err != nil {
		return req, err
	}
	now := a.o.Now()
	if r.Form.Get("start") == "" {
		return req, badRequest(errors.New("start time not set"))
	}
	start, err := parseTime(r.Form.Get("start"), now)
	if err != nil {
		return req, err
	}
	end, err := parseTime(r.Form.Get("end"), now)
	switch {
	case err != nil:
		return req, err
	case end.After(now):
		return req, badRequest(errors.New("deletes in the future are not allowed"))
	case start.After(end):
		return req, badRequest(errors.New("start time can't be greater than end time"))
	}
	if s := r.Form.Get("max_interval"); s != "" {
		if _, err := parseDuration("max_interval", s); err != nil {
			return req, err
		}
	}
	req.From, req.To = start.UnixNano(), end.UnixNano()+1
	return req, nil
}

// listDeletes answers the requests that overlap with start and end, if given.
func (a *API) listDeletes(w http.ResponseWriter, r *http.Request) error {
	d, err := a.deleter()
	if err != nil {
		return err
	}
	if err := form(w, r); err != nil {
		return err
	}
	from, to := int64(0), int64(1<<63-1)
	if r.Form.Get("start") != "" || r.Form.Get("end") != "" {
		if r.Form.Get("start") == "" || r.Form.Get("end") == "" {
			return badRequest(errors.New("start and end must be given together"))
		}
		start, end, err := a.bounds(r, 0)
		if err != nil {
			return err
		}
		from, to = start.UnixNano(), end.UnixNano()
	}
	list, err := d.Deletes(r.Context(), a.o.Scope(r))
	if err != nil {
		return err
	}
	type item struct {
		ID      string  `json:"request_id"`
		Start   float64 `json:"start_time"`
		End     float64 `json:"end_time"`
		Query   string  `json:"query"`
		Status  string  `json:"status"`
		Created float64 `json:"created_at"`
	}
	out := []item{}
	for _, s := range list {
		if s.From <= to && s.To >= from {
			out = append(out, item{s.ID, seconds(s.From), seconds(s.To), s.Query, s.Status, seconds(s.Created.UnixNano())})
		}
	}
	return writeJSON(w, out)
}

// seconds is a time in Unix seconds to the millisecond.
func seconds(nanos int64) float64 { return float64(nanos/1e6) / 1000 }

func (a *API) cancelDelete(w http.ResponseWriter, r *http.Request) error {
	d, err := a.deleter()
	if err != nil {
		return err
	}
	if err := form(w, r); err != nil {
		return err
	}
	id := r.Form.Get("request_id")
	if id == "" {
		return badRequest(errors.New("request_id is required: GET delete lists them"))
	}
	if err := d.CancelDelete(r.Context(), a.o.Scope(r), id, r.Form.Get("force") == "true"); err != nil {
		return fmt.Errorf("cancel delete request %s: %w", id, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
