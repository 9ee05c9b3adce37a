package metricstore

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
)

// ErrAdminDisabled is when a caller asks for a deletion or snapshot of the
// whole database; retention is the way to remove data.
var ErrAdminDisabled = errors.New("TSDB admin operations are off, use the retention instead")

// Admin shows the state of the whole database, whatever the product: give it
// only to callers whose scope is everything.
func (s *Store) Admin() *Admin { return &Admin{s: s} }

// Admin implements TSDBAdminStats of Prometheus' HTTP API.
type Admin struct{ s *Store }

// Stats counts series and labels in the head block.
func (a *Admin) Stats(statsByLabelName string, limit int) (*tsdb.Stats, error) {
	return a.s.db.Head().Stats(statsByLabelName, limit), nil
}

// WALReplayStatus tells how far the replay at the start is.
func (a *Admin) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return a.s.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

// BlockMetas lists the blocks on disk.
func (a *Admin) BlockMetas() ([]tsdb.BlockMeta, error) { return a.s.db.BlockMetas(), nil }

// CleanTombstones always fails with ErrAdminDisabled.
func (a *Admin) CleanTombstones() error { return ErrAdminDisabled }

// Delete always fails with ErrAdminDisabled.
func (a *Admin) Delete(context.Context, int64, int64, ...*labels.Matcher) error {
	return ErrAdminDisabled
}

// Snapshot always fails with ErrAdminDisabled.
func (a *Admin) Snapshot(string, bool) error { return ErrAdminDisabled }

// Corruptions is the number of log and chunk files that were damaged since the store was opened.
func (s *Store) Corruptions() int64 {
	return int64(s.counters.value(walCorruptionsMetric) + s.counters.value(mmapCorruptionsMetric))
}

// StartTime is the oldest sample's time in Unix milliseconds, and math.MaxInt64
// when the store is empty.
func (s *Store) StartTime() (int64, error) { return s.db.StartTime() }

// HeadSeries is the number of series with recent samples.
func (s *Store) HeadSeries() uint64 { return s.db.Head().NumSeries() }

// Dir is the store's directory.
func (s *Store) Dir() string { return s.opts.Dir }

// Compact writes what is due from the head block, and all late samples, to
// blocks, merges blocks and applies the retention, as the TSDB does by itself
// every minute. It returns when that is done.
func (s *Store) Compact(ctx context.Context) error {
	return errors.Join(s.db.Compact(ctx), s.db.CompactOOOHead(ctx))
}
