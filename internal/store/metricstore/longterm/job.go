package longterm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"hinomi/internal/store/metricstore/downsample"
)

// Step does all the work that is due: downsamples days that are complete, from
// the oldest on, merges blocks, and removes what is past its retention. It can
// be stopped or killed anywhere and goes on from there.
func (s *Store) Step(ctx context.Context) error {
	s.pace.start()
	if err := s.downsampleDue(ctx); err != nil {
		return err
	}
	for _, r := range resolutions {
		if err := s.expire(r.millis); err != nil {
			return err
		}
		if err := s.merge(ctx, r.millis, r.name, r.group*day); err != nil {
			return err
		}
	}
	if err := s.applyRules(ctx); err != nil {
		return err
	}
	return s.syncBucket(ctx)
}

func (s *Store) downsampleDue(ctx context.Context) error {
	settled := min(s.o.Source.Settled(), s.o.Now().UnixMilli())
	for {
		from := s.doneUntil.Load()
		oldest, ok := s.o.Source.Oldest()
		if !ok {
			return nil
		}
		if before := downsample.End(oldest, day) - day; before > from {
			from = before
		}
		if from+day > settled {
			return nil
		}
		begin := time.Now()
		if err := s.downsampleDay(ctx, from); err != nil {
			return fmt.Errorf("downsample %s: %w", time.UnixMilli(from).UTC().Format(time.DateOnly), err)
		}
		if err := writeProgress(s.o.Dir, from+day); err != nil {
			return err
		}
		s.doneUntil.Store(from + day)
		s.metrics.days.Inc()
		s.metrics.seconds.Add(time.Since(begin).Seconds())
		s.metrics.set(s)
	}
}

// downsampleDay makes the blocks of the samples in (from, from+day].
func (s *Store) downsampleDay(ctx context.Context, from int64) (err error) {
	type target struct {
		resolution int64
		name       string
		w          *downsample.Writer
	}
	var targets []target
	for _, r := range resolutions {
		if s.covered(r.millis, from+1) || from+day <= s.o.Now().UnixMilli()-s.o.retention(r.millis) {
			continue // before a crash, or too old to be kept
		}
		w, err2 := downsample.NewWriter(filepath.Join(s.o.Dir, r.name), from+1, from+day+1)
		if err2 != nil {
			return err2
		}
		targets = append(targets, target{r.millis, r.name, w})
	}
	finished := 0
	defer func() {
		for _, t := range targets[finished:] {
			err = errors.Join(err, t.w.Abort())
		}
	}()
	if len(targets) == 0 {
		return nil
	}
	finest := targets[0].resolution
	err = s.windowsOf(ctx, from, finest, func(ls labels.Labels, fine []downsample.Window) error {
		var coarse []downsample.Window
		for _, t := range targets {
			ws := fine
			if t.resolution != finest {
				coarse = downsample.Combine(coarse[:0], fine, t.resolution)
				ws = coarse
			}
			if err := t.w.Add(ls, ws); err != nil {
				return err
			}
		}
		return s.pace.step(ctx)
	})
	if err != nil {
		return err
	}
	for _, t := range targets {
		finished++
		id, ok, err := t.w.Finish(ctx)
		if err != nil {
			return err
		}
		if ok {
			if err := s.add(ctx, t.resolution, t.name, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// windowsOf calls fn with the windows of every series of a day.
func (s *Store) windowsOf(ctx context.Context, from, resolution int64, fn func(labels.Labels, []downsample.Window) error) error {
	q, err := s.o.Source.Querier(from+1, from+day)
	if err != nil {
		return err
	}
	defer func() { _ = q.Close() }()
	set := q.Select(ctx, true, &storage.SelectHints{Start: from + 1, End: from + day},
		labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".*"),
		labels.MustNewMatcher(labels.MatchEqual, downsample.Label, "")) // the label is reserved
	var ws []downsample.Window
	var it chunkenc.Iterator
	for set.Next() {
		series := set.At()
		it = series.Iterator(it)
		if ws, err = downsample.FromSamples(ws[:0], it, resolution); err != nil {
			return fmt.Errorf("read %s: %w", series.Labels(), err)
		}
		if err := fn(series.Labels(), ws); err != nil {
			return err
		}
	}
	return set.Err()
}

func (s *Store) covered(resolution, t int64) bool {
	return slices.ContainsFunc(s.of(resolution), func(b *block) bool {
		m := b.meta()
		return m.MinTime <= t && t < m.MaxTime
	})
}

// expire removes the blocks that are past the retention of their resolution.
func (s *Store) expire(resolution int64) error {
	limit := s.o.Now().UnixMilli() - s.o.retention(resolution)
	for _, b := range s.of(resolution) {
		if b.meta().MaxTime > limit {
			continue
		}
		s.replace(nil, []*block{b})
		if err := s.remove(b); err != nil {
			return err
		}
		s.metrics.set(s)
	}
	return nil
}

// merge makes one block of the daily ones of a complete group.
func (s *Store) merge(ctx context.Context, resolution int64, name string, group int64) error {
	groups := map[int64][]*block{}
	for _, b := range s.of(resolution) {
		// The last sample of a block may be at the very end of its group.
		if m := b.meta(); m.MaxTime-m.MinTime <= day {
			g := (m.MinTime - 1) / group
			groups[g] = append(groups[g], b)
		}
	}
	for g, blocks := range groups {
		if len(blocks) < 2 || (g+1)*group > s.doneUntil.Load() {
			continue
		}
		if err := s.compact(ctx, resolution, name, blocks); err != nil {
			return err
		}
	}
	return nil
}

// compact writes blocks as one and takes it in instead.
func (s *Store) compact(ctx context.Context, resolution int64, name string, blocks []*block) error {
	c, err := tsdb.NewLeveledCompactor(ctx, nil, s.o.Logger, []int64{math.MaxInt64}, chunkenc.NewPool(), nil)
	if err != nil {
		return err
	}
	var dirs []string
	var open []*tsdb.Block
	for i, b := range blocks {
		if b, err = s.local(ctx, b); err != nil {
			return err
		}
		blocks[i] = b
		dirs, open = append(dirs, b.reader.Dir()), append(open, b.reader)
	}
	ids, err := c.Compact(filepath.Join(s.o.Dir, name), dirs, open)
	if err != nil {
		return fmt.Errorf("merge %d blocks: %w", len(blocks), err)
	}
	if len(ids) == 0 { // everything in them was deleted
		s.replace(nil, blocks)
		for _, b := range blocks {
			err = errors.Join(err, s.remove(b))
		}
		return err
	}
	return s.add(ctx, resolution, name, ids[0], blocks...)
}
