package longterm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"hinomi/internal/store/metricstore/downsample"
)

// RawFrom is the time behind which (exclusive) queries are answered from raw
// samples; up to it, from downsampled ones. It is the end of a 1-hour window,
// so that no sample is in both.
func (s *Store) RawFrom() int64 {
	done := s.DoneUntil()
	if done == 0 {
		return math.MinInt64 // nothing is downsampled, whatever times the samples have
	}
	oldest, ok := s.o.Source.Oldest()
	if !ok {
		return done
	}
	return min(done, downsample.End(oldest, downsample.OneHour))
}

// Querier reads raw and downsampled samples of [mint, maxt] as one.
func (s *Store) Querier(mint, maxt int64) (storage.Querier, error) {
	border := s.RawFrom()
	if mint > border {
		raw, err := s.o.Source.Querier(mint, maxt)
		if err != nil {
			return nil, err
		}
		return &Reader{s: s, raw: raw, mint: mint, maxt: maxt, border: border}, nil
	}
	r := &Reader{s: s, mint: mint, maxt: maxt, border: border}
	if maxt > border {
		raw, err := s.o.Source.Querier(border+1, maxt)
		if err != nil {
			return nil, err
		}
		r.raw = raw
	}
	// The blocks are kept open by queriers for the whole of the reader's life.
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, b := range s.overlapping(earlier(mint), border) {
		q, err := tsdb.NewBlockQuerier(b.source(), b.meta().MinTime, b.meta().MaxTime)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.blocks, r.queriers = append(r.blocks, b), append(r.queriers, q)
	}
	return r, nil
}

// earlier leaves room for the windows before the first one that a query needs:
// a counter between two windows is known from both.
func earlier(t int64) int64 {
	const room = 2 * downsample.OneHour
	if t < math.MinInt64+room {
		return t
	}
	return t - room
}

// Reader implements storage.Querier.
type Reader struct {
	s          *Store
	raw        storage.Querier // nil when all of it is before the border
	mint, maxt int64
	border     int64
	blocks     []*block
	queriers   []storage.Querier // of blocks, in their order
}

// Close implements storage.Querier.
func (r *Reader) Close() error {
	err := closeAll(r.queriers)
	if r.raw != nil {
		err = errors.Join(err, r.raw.Close())
	}
	return err
}

// Select implements storage.Querier. The hints decide which aggregate stands
// for the samples before the border; annotations say what that means.
func (r *Reader) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	p, rest, forced := newPlan(r.mint, r.maxt, hints, ms)
	if p.start > r.border || len(r.blocks) == 0 {
		switch {
		case r.raw == nil:
			return storage.EmptySeriesSet()
		case !forced || p.kind != count:
			// Raw samples are their own sums, minima, maxima and last values.
			return r.raw.Select(ctx, sorted, hints, rest...)
		}
	}
	return r.stitched(ctx, &p, hints, rest)
}

func (r *Reader) stitched(ctx context.Context, p *plan, hints *storage.SelectHints, ms []*labels.Matcher) storage.SeriesSet {
	spans := r.spans(earlier(p.start)-1, min(r.border, downsample.End(max(p.end, 0), downsample.OneHour)), p.prefer())
	groups, err := r.groups(ctx, spans, p.kind.needs(), ms)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	out := &seriesSet{}
	byLabels := map[string]*series{}
	for _, g := range groups {
		s := &series{s: r.s, p: p, labels: g.labels, group: g}
		byLabels[string(g.labels.Bytes(nil))] = s
		out.series = append(out.series, s)
	}
	coarsest := int64(0)
	if len(groups) > 0 {
		for _, sp := range spans {
			coarsest = max(coarsest, sp.b.resolution)
		}
		out.warnings = p.annotate(coarsest, r.border)
	}
	if r.raw != nil && p.end > r.border {
		var key []byte
		if hints != nil {
			own := *hints // they win over the times of a querier
			own.DisableTrimming = false
			own.Start = max(own.Start, r.border+1)
			hints = &own
		}
		set := r.raw.Select(ctx, false, hints, ms...)
		for set.Next() {
			one := set.At()
			key = one.Labels().Bytes(key[:0])
			if s := byLabels[string(key)]; s != nil {
				s.raw = one
			} else {
				out.series = append(out.series, &series{s: r.s, p: p, labels: one.Labels(), raw: one})
			}
		}
		if err := set.Err(); err != nil {
			return storage.ErrSeriesSet(err)
		}
		out.warnings.Merge(set.Warnings())
	}
	slices.SortFunc(out.series, func(a, b *series) int { return labels.Compare(a.labels, b.labels) })
	return out
}

type seriesSet struct {
	series   []*series
	next     int
	warnings annotations.Annotations
}

func (s *seriesSet) Next() bool                        { s.next++; return s.next <= len(s.series) }
func (s *seriesSet) At() storage.Series                { return s.series[s.next-1] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return s.warnings }

// series is one series of both parts.
type series struct {
	s      *Store
	p      *plan
	labels labels.Labels
	group  *group
	raw    storage.Series
}

// Labels implements storage.Series.
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *series) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	var ws []window
	if s.group != nil {
		var err error
		if ws, err = s.group.windows(); err != nil {
			return newListIterator(nil, fmt.Errorf("read downsampled series %s: %w", s.labels, err))
		}
		if since := s.s.KeptSince(s.labels); since > math.MinInt64 {
			ws = slices.DeleteFunc(ws, func(w window) bool { return w.T <= since })
		}
	}
	name := s.labels.Get(labels.MetricName)
	switch {
	case s.raw == nil:
		return newListIterator(s.p.emit(ws, counterName(name) || s.s.o.IsCounter(name)), nil)
	case s.p.kind == count || s.p.kind == presence:
		return s.transformed(ws, func(it chunkenc.Iterator, vt chunkenc.ValueType) downsample.Sample {
			return downsample.Sample{Time: it.AtT(), Value: 1}
		})
	case s.p.kind == counter:
		c := &chain{}
		var out []downsample.Sample
		for i := range ws {
			out = c.window(out, &ws[i], s.p.rangeMillis)
		}
		return s.rest(out, c.raw)
	}
	samples := s.p.emit(ws, counterName(name) || s.s.o.IsCounter(name))
	if len(samples) == 0 {
		return s.raw.Iterator(it)
	}
	return storage.ChainSampleIteratorFromIterators(nil, []chunkenc.Iterator{newListIterator(samples, nil), s.raw.Iterator(nil)})
}

func (s *series) transformed(ws []window, f func(chunkenc.Iterator, chunkenc.ValueType) downsample.Sample) chunkenc.Iterator {
	return s.rest(s.p.emit(ws, false), f)
}

// rest appends what f makes of the raw samples.
func (s *series) rest(out []downsample.Sample, f func(chunkenc.Iterator, chunkenc.ValueType) downsample.Sample) chunkenc.Iterator {
	it := s.raw.Iterator(nil)
	for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
		out = append(out, f(it, vt))
	}
	return newListIterator(out, it.Err())
}
