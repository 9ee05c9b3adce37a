package statestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

var _ store.AlertState = (*Store)(nil)

// PutAlerts implements store.AlertState.
func (s *Store) PutAlerts(ctx context.Context, scope model.Scope, records []store.AlertRecord) error {
	if len(records) == 0 {
		return nil
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		for _, r := range records {
			if err := putAlert(ctx, tx, scope, r); err != nil {
				return fmt.Errorf("store alert %s: %w", r.Fingerprint, err)
			}
		}
		return nil
	})
}

func putAlert(ctx context.Context, tx *sql.Tx, scope model.Scope, r store.AlertRecord) error {
	product, err := scope.WriteProduct(r.Product)
	if err != nil {
		return err
	}
	labels, err := json.Marshal(r.Labels)
	if err != nil {
		return err
	}
	annotations, err := json.Marshal(r.Annotations)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO alerts
		(product, fingerprint, labels, annotations, generator_url, starts_ns, ends_ns, updated_ns, timeout)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (product, fingerprint) DO UPDATE SET
			labels = excluded.labels, annotations = excluded.annotations, generator_url = excluded.generator_url,
			starts_ns = CASE WHEN excluded.starts_ns <= ends_ns THEN min(starts_ns, excluded.starts_ns) ELSE excluded.starts_ns END,
			ends_ns = excluded.ends_ns, updated_ns = excluded.updated_ns, timeout = excluded.timeout`,
		product, r.Fingerprint, string(labels), string(annotations), r.GeneratorURL,
		r.Starts.UnixNano(), r.Ends.UnixNano(), r.Updated.UnixNano(), r.Timeout)
	return err
}

// LoadAlerts implements store.AlertState.
func (s *Store) LoadAlerts(ctx context.Context, scope model.Scope) ([]store.AlertRecord, error) {
	cond, args := within(scope)
	rows, err := s.db.QueryContext(ctx, `SELECT product, fingerprint, labels, annotations, generator_url, starts_ns, ends_ns, updated_ns, timeout
		FROM alerts WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	defer rows.Close()
	var out []store.AlertRecord
	for rows.Next() {
		var r store.AlertRecord
		var labels, annotations string
		var starts, ends, updated int64
		if err := rows.Scan(&r.Product, &r.Fingerprint, &labels, &annotations, &r.GeneratorURL, &starts, &ends, &updated, &r.Timeout); err != nil {
			return nil, fmt.Errorf("read alerts: %w", err)
		}
		if err := json.Unmarshal([]byte(labels), &r.Labels); err != nil {
			return nil, fmt.Errorf("read the labels of alert %s: %w", r.Fingerprint, err)
		}
		if err := json.Unmarshal([]byte(annotations), &r.Annotations); err != nil {
			return nil, fmt.Errorf("read the annotations of alert %s: %w", r.Fingerprint, err)
		}
		r.Starts, r.Ends, r.Updated = time.Unix(0, starts), time.Unix(0, ends), time.Unix(0, updated)
		out = append(out, r)
	}
	return out, rows.Err()
}

// PruneAlerts implements store.AlertState.
func (s *Store) PruneAlerts(ctx context.Context, scope model.Scope, t time.Time) error {
	cond, args := within(scope)
	_, err := s.db.ExecContext(ctx, `DELETE FROM alerts WHERE `+cond+` AND ends_ns < ?`, append(args, t.UnixNano())...)
	return err
}
