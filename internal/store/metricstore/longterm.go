package metricstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"hinomi/internal/store"
	"hinomi/internal/store/metricstore/longterm"
)

// openLongTerm opens the downsampled blocks. It comes before the TSDB, which
// may delete blocks as soon as it is open.
func (s *Store) openLongTerm() error {
	c := s.opts.LongTerm
	if c == nil {
		return nil
	}
	o := longterm.Options{
		Dir: filepath.Join(s.opts.Dir, "longterm"), Source: s.rawSource(),
		Retention5m: c.Retention5m, Retention1h: c.Retention1h, CPUShare: c.CPUShare, Bucket: c.Bucket, LocalBytes: c.LocalBytes, IsCounter: s.meta.isCounter,
		Logger: s.opts.Logger, Registerer: s.opts.Registerer, Now: s.opts.Now,
	}
	for _, r := range c.Rules {
		o.Rules = append(o.Rules, longterm.Rule{Matchers: r.Matchers, Keep: r.Keep})
	}
	var err error
	s.long, err = longterm.Open(o)
	return err
}

func (s *Store) rawSource() longterm.Source {
	return longterm.Source{
		Querier: func(mint, maxt int64) (storage.Querier, error) { return s.db.Querier(mint, maxt) },
		Oldest: func() (int64, bool) {
			t, err := s.db.StartTime()
			return t, err == nil && t != math.MaxInt64
		},
		Settled: s.settled,
		Delete: func(maxt int64, ms ...*labels.Matcher) error {
			return s.db.Delete(context.Background(), math.MinInt64, maxt, ms...)
		},
	}
}

// settled is the time up to which no sample can come any more: the TSDB takes
// what is within the out-of-order window of the newest sample and, of a series
// without newer ones, what is within half a block of it.
func (s *Store) settled() int64 {
	newest := s.db.Head().MaxTime()
	if newest <= 0 {
		return math.MinInt64 // no sample since the start, so what the next one allows is not known
	}
	return newest - max(0, s.opts.OutOfOrderWindow.Milliseconds()) - s.opts.BlockDuration.Milliseconds()
}

// blocksToDelete is the TSDB's own choice without what is not downsampled yet.
func (s *Store) blocksToDelete(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	db := s.opened.Load()
	if db == nil {
		return nil // while the TSDB opens; it asks again every minute
	}
	chosen := tsdb.DefaultBlocksToDelete(db)(blocks)
	kept := map[ulid.ULID]bool{}
	for _, b := range blocks {
		m := b.Meta()
		kept[m.ULID] = m.MaxTime-1 > s.long.DoneUntil() && !m.Compaction.Deletable
	}
	maps.DeleteFunc(chosen, func(id ulid.ULID, _ struct{}) bool { return kept[id] })
	return chosen
}

// RunLongTerm downsamples and deletes in the background until ctx ends. It
// returns at once when long-term metrics are off.
func (s *Store) RunLongTerm(ctx context.Context) error {
	if s.long == nil {
		return nil
	}
	return s.long.Run(ctx)
}

// Downsample does at once what RunLongTerm would do next.
func (s *Store) Downsample(ctx context.Context) error {
	if s.long == nil {
		return nil
	}
	return s.long.Step(ctx)
}

// querier reads raw samples and, before them, downsampled ones.
func (s *Store) querier(mint, maxt int64) (storage.Querier, error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	if s.long == nil {
		return s.db.Querier(mint, maxt)
	}
	return s.long.Querier(mint, maxt)
}

// DownsampledUntil is the time up to which (inclusive, Unix milliseconds)
// queries are answered from aggregates; math.MinInt64 when they never are.
func (q *Queryable) DownsampledUntil() int64 {
	if q.s.long == nil {
		return math.MinInt64
	}
	return q.s.long.RawFrom()
}

func (s *Store) closeLongTerm() error {
	if s.long == nil {
		return nil
	}
	err := s.long.Close()
	if b := s.opts.LongTerm.Bucket; b != nil {
		err = errors.Join(err, b.Close())
	}
	if err != nil {
		return fmt.Errorf("close downsampled metrics: %w", err)
	}
	return nil
}
