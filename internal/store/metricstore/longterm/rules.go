package longterm

import (
	"context"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/store/metricstore/downsample"
)

// ruleInterval is how often the rules are applied to raw samples, in
// milliseconds: each time writes a tombstone file for every block.
const ruleInterval = downsample.OneHour

// expired is the time up to which (inclusive) the rule's series are deleted.
func (s *Store) expired(r Rule) int64 { return s.o.Now().UnixMilli() - r.Keep.Milliseconds() }

// KeptSince is the time after which samples of ls are kept by the rules,
// math.MinInt64 when no rule matches.
func (s *Store) KeptSince(ls labels.Labels) int64 {
	since := int64(math.MinInt64)
	for _, r := range s.o.Rules {
		if matches(r.Matchers, ls) {
			since = max(since, s.expired(r))
		}
	}
	return since
}

func matches(ms []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// applyRules deletes what the rules do not keep: raw samples as time passes,
// and series of a downsampled block when all of it is past their rule.
func (s *Store) applyRules(ctx context.Context) error {
	if len(s.o.Rules) == 0 {
		return nil
	}
	if now := s.o.Now().UnixMilli(); s.o.Source.Delete != nil && now >= s.rulesApplied+ruleInterval {
		for _, r := range s.o.Rules {
			if err := s.o.Source.Delete(s.expired(r), r.Matchers...); err != nil {
				return fmt.Errorf("delete raw samples by a retention rule: %w", err)
			}
		}
		s.rulesApplied = now
	}
	for _, res := range resolutions {
		for _, b := range s.of(res.millis) {
			if err := s.applyRulesTo(ctx, b); err != nil {
				return err
			}
			if err := s.pace.step(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) applyRulesTo(ctx context.Context, b *block) error {
	if err := s.bury(ctx, b); err != nil || b.reader.Meta().Stats.NumTombstones == 0 {
		return err
	}
	if b.remote != nil {
		// What is rewritten has its chunks here, and no tombstones yet.
		var err error
		if b, err = s.local(ctx, b); err != nil {
			return err
		}
		if err := s.bury(ctx, b); err != nil {
			return err
		}
	}
	s.metrics.series.Inc()
	return s.compact(ctx, b.resolution, b.name, []*block{b})
}

// bury writes tombstones for the series whose rule does not keep this block.
func (s *Store) bury(ctx context.Context, b *block) error {
	m := b.meta()
	for _, r := range s.o.Rules {
		if m.MaxTime > s.expired(r) {
			continue
		}
		if err := b.reader.Delete(ctx, m.MinTime, m.MaxTime, r.Matchers...); err != nil {
			return fmt.Errorf("delete downsampled series by a retention rule: %w", err)
		}
	}
	return nil
}
