package statestore

import (
	"context"
	"fmt"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Silences is the journal of silences.
func (s *Store) Silences() store.Journal { return journal{s, "silences"} }

// NotificationLog is the journal of who was told what.
func (s *Store) NotificationLog() store.Journal { return journal{s, "notification_log"} }

// journal is a table of keyed entries. Its name is one of two constants.
type journal struct {
	s     *Store
	table string
}

func (j journal) Put(ctx context.Context, scope model.Scope, e store.StateEntry) error {
	product, err := scope.WriteProduct(e.Product)
	if err != nil {
		return err
	}
	_, err = j.s.db.ExecContext(ctx, `INSERT INTO `+j.table+` (product, key, body, expires_ns) VALUES (?, ?, ?, ?)
		ON CONFLICT (product, key) DO UPDATE SET body = excluded.body, expires_ns = excluded.expires_ns`,
		product, e.Key, e.Body, e.Expires.UnixNano())
	if err != nil {
		return fmt.Errorf("store in %s: %w", j.table, err)
	}
	return nil
}

func (j journal) All(ctx context.Context, scope model.Scope) (_ []store.StateEntry, err error) {
	cond, args := within(scope)
	rows, err := j.s.db.QueryContext(ctx, `SELECT product, key, body, expires_ns FROM `+j.table+` WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", j.table, err)
	}
	defer rows.Close()
	var out []store.StateEntry
	for rows.Next() {
		var e store.StateEntry
		var expires int64
		if err := rows.Scan(&e.Product, &e.Key, &e.Body, &expires); err != nil {
			return nil, fmt.Errorf("read %s: %w", j.table, err)
		}
		e.Expires = time.Unix(0, expires)
		out = append(out, e)
	}
	return out, rows.Err()
}

func (j journal) Prune(ctx context.Context, scope model.Scope, t time.Time) error {
	cond, args := within(scope)
	_, err := j.s.db.ExecContext(ctx, `DELETE FROM `+j.table+` WHERE `+cond+` AND expires_ns < ?`, append(args, t.UnixNano())...)
	return err
}
