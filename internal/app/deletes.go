package app

import (
	"context"
	"fmt"

	"hinomi/internal/api/loki"
	"hinomi/internal/model"
	"hinomi/internal/query/logql"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
)

// logDeleter carries out Loki's delete requests on the log store.
type logDeleter struct{ logs *logstore.Store }

var _ loki.Deleter = logDeleter{}

// RequestDelete implements loki.Deleter.
func (d logDeleter) RequestDelete(ctx context.Context, scope model.Scope, req loki.DeleteRequest) (string, error) {
	cols, err := d.logs.Columns(ctx, scope, req.From, req.To)
	if err != nil {
		return "", err
	}
	where, err := logql.DeletePredicate(req.Log, cols)
	if err != nil {
		return "", err
	}
	return d.logs.Delete(ctx, scope, columnar.DeleteRequest{
		Where: where, From: req.From, To: req.To, Query: req.Query,
		Who: "whoever reached the API: there is no access control", Why: "request to Loki's delete API",
	})
}

// Deletes implements loki.Deleter.
func (d logDeleter) Deletes(_ context.Context, scope model.Scope) ([]loki.DeleteState, error) {
	var out []loki.DeleteState
	for _, r := range d.logs.Deletions(scope) {
		if r.Cancelled {
			continue
		}
		s := loki.DeleteState{ID: r.ID, Query: r.Query, From: r.From, To: r.To, Created: r.Requested, Status: "received"}
		if r.Proof != nil {
			s.Status = "processed"
			if n := len(r.Proof.NotVerified); n > 0 {
				s.Status = fmt.Sprintf("processed, %d damaged files not verified", n)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// CancelDelete implements loki.Deleter.
func (d logDeleter) CancelDelete(ctx context.Context, scope model.Scope, id string, force bool) error {
	return d.logs.CancelDeletion(ctx, scope, id, force)
}
