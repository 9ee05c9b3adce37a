package statestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

var _ store.Outbox = (*Store)(nil)

// ErrNoNotification is when a notification does not exist inside the scope.
var ErrNoNotification = errors.New("no such notification in this scope")

const outboxColumns = `id, product, key, receiver, integration, idx, group_key, payload, created_ns, state, attempts, next_ns`

// Enqueue implements store.Outbox.
func (s *Store) Enqueue(ctx context.Context, scope model.Scope, n store.Notification) (bool, error) {
	product, err := scope.WriteProduct(n.Product)
	if err != nil {
		return false, err
	}
	res, err := s.db.ExecContext(ctx, `INSERT INTO outbox (product, key, receiver, integration, idx, group_key, payload, created_ns, state, attempts, next_ns)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (product, key) DO NOTHING`,
		product, n.Key, n.Receiver, n.Integration, n.Index, n.GroupKey, n.Payload, n.Created.UnixNano(), store.OutboxPending, n.Created.UnixNano())
	if err != nil {
		return false, fmt.Errorf("store a notification: %w", err)
	}
	count, err := res.RowsAffected()
	return count > 0, err
}

// Due implements store.Outbox.
func (s *Store) Due(ctx context.Context, scope model.Scope, t time.Time, limit int) ([]store.Notification, error) {
	cond, args := within(scope)
	return s.notifications(ctx, `SELECT `+outboxColumns+` FROM outbox WHERE `+cond+` AND state = 'pending' AND next_ns <= ?
		AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.state = 'pending' AND o.receiver = outbox.receiver
			AND o.integration = outbox.integration AND o.idx = outbox.idx AND o.group_key = outbox.group_key
			AND o.product = outbox.product AND o.id < outbox.id)
		ORDER BY id LIMIT ?`, append(args, t.UnixNano(), limit)...)
}

// NextDue implements store.Outbox.
func (s *Store) NextDue(ctx context.Context, scope model.Scope) (time.Time, error) {
	cond, args := within(scope)
	var next sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT min(next_ns) FROM outbox WHERE `+cond+` AND state = 'pending'
		AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.state = 'pending' AND o.receiver = outbox.receiver
			AND o.integration = outbox.integration AND o.idx = outbox.idx AND o.group_key = outbox.group_key
			AND o.product = outbox.product AND o.id < outbox.id)`, args...).Scan(&next)
	if err != nil || !next.Valid {
		return time.Time{}, err
	}
	return time.Unix(0, next.Int64), nil
}

// Finish implements store.Outbox.
func (s *Store) Finish(ctx context.Context, scope model.Scope, try store.Attempt, state store.OutboxState, next time.Time) error {
	cond, args := within(scope)
	return s.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE outbox SET state = ?, attempts = attempts + 1, next_ns = ? WHERE id = ? AND `+cond,
			append([]any{state, next.UnixNano(), try.Notification}, args...)...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoNotification)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO delivery_attempts (outbox_id, at_ns, duration_ns, error) VALUES (?, ?, ?, ?)`,
			try.Notification, try.At.UnixNano(), int64(try.Duration), try.Error)
		return err
	})
}

// Deliveries implements store.Outbox.
func (s *Store) Deliveries(ctx context.Context, scope model.Scope, limit int) ([]store.Delivery, error) {
	cond, args := within(scope)
	list, err := s.notifications(ctx, `SELECT `+outboxColumns+` FROM outbox WHERE `+cond+` ORDER BY id DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	out := make([]store.Delivery, len(list))
	for i, n := range list {
		out[i].Notification = n
		if out[i].Tries, err = s.attempts(ctx, n.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// PruneOutbox implements store.Outbox.
func (s *Store) PruneOutbox(ctx context.Context, scope model.Scope, t time.Time) error {
	cond, args := within(scope)
	_, err := s.db.ExecContext(ctx, `DELETE FROM outbox WHERE `+cond+` AND state <> 'pending' AND created_ns < ?`, append(args, t.UnixNano())...)
	return err
}

func (s *Store) notifications(ctx context.Context, query string, args ...any) ([]store.Notification, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	defer rows.Close()
	var out []store.Notification
	for rows.Next() {
		var n store.Notification
		var created, next int64
		if err := rows.Scan(&n.ID, &n.Product, &n.Key, &n.Receiver, &n.Integration, &n.Index, &n.GroupKey, &n.Payload, &created, &n.State, &n.Attempts, &next); err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		n.Created, n.Next = time.Unix(0, created), time.Unix(0, next)
		out = append(out, n)
	}
	return out, rows.Err()
}

// attempts are those of a notification that the caller may see.
func (s *Store) attempts(ctx context.Context, id int64) ([]store.Attempt, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT at_ns, duration_ns, error FROM delivery_attempts WHERE outbox_id = ? ORDER BY id`, id)
	if err != nil {
		return nil, fmt.Errorf("read delivery attempts: %w", err)
	}
	defer rows.Close()
	var out []store.Attempt
	for rows.Next() {
		a := store.Attempt{Notification: id}
		var at, took int64
		if err := rows.Scan(&at, &took, &a.Error); err != nil {
			return nil, fmt.Errorf("read delivery attempts: %w", err)
		}
		a.At, a.Duration = time.Unix(0, at), time.Duration(took)
		out = append(out, a)
	}
	return out, rows.Err()
}
