package longterm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"hinomi/internal/store/metricstore/downsample"
)

// span is a stretch of time that one block answers: (after, until].
type span struct {
	b            *block
	q            storage.Querier // the reader's, which keeps the block open
	after, until int64
}

// group is the downsampled part of one series.
type group struct {
	labels labels.Labels
	parts  []part
}

// part is what one span has of a series: its aggregates by name.
type part struct {
	span  *span
	aggrs map[string]storage.Series
}

// spans chooses the blocks for (after, until]: of the preferred resolution
// where it exists, of the other one where it does not, never both.
func (r *Reader) spans(after, until, prefer int64) []*span {
	var out []*span
	free := [][2]int64{{after, until}}
	for _, preferred := range []bool{true, false} {
		for i, b := range r.blocks {
			if (b.resolution == prefer) != preferred {
				continue
			}
			m := b.meta()
			var rest [][2]int64
			for _, f := range free {
				from, to := max(f[0], m.MinTime-1), min(f[1], m.MaxTime-1)
				if from >= to {
					rest = append(rest, f)
					continue
				}
				out = append(out, &span{b: b, q: r.queriers[i], after: from, until: to})
				if f[0] < from {
					rest = append(rest, [2]int64{f[0], from})
				}
				if to < f[1] {
					rest = append(rest, [2]int64{to, f[1]})
				}
			}
			free = rest
		}
	}
	slices.SortFunc(out, func(a, b *span) int { return int(max(-1, min(1, a.after-b.after))) })
	return out
}

// groups reads which series the spans have; their samples are read later, when
// the engine asks for them.
func (r *Reader) groups(ctx context.Context, spans []*span, aggregates []string, ms []*labels.Matcher) ([]*group, error) {
	byLabels := map[string]*group{}
	builder := labels.NewBuilder(labels.EmptyLabels())
	var key []byte
	for _, sp := range spans {
		for _, a := range aggregates {
			set := sp.q.Select(ctx, false, &storage.SelectHints{Start: sp.after + 1, End: sp.until},
				append(slices.Clone(ms), labels.MustNewMatcher(labels.MatchEqual, downsample.Label, a))...)
			for set.Next() {
				series := set.At()
				builder.Reset(series.Labels())
				ls := builder.Del(downsample.Label).Labels()
				key = ls.Bytes(key[:0])
				g := byLabels[string(key)]
				if g == nil {
					g = &group{labels: ls}
					byLabels[string(key)] = g
				}
				if n := len(g.parts); n == 0 || g.parts[n-1].span != sp {
					g.parts = append(g.parts, part{span: sp, aggrs: map[string]storage.Series{}})
				}
				g.parts[len(g.parts)-1].aggrs[a] = series
			}
			if err := set.Err(); err != nil {
				return nil, fmt.Errorf("read downsampled block %s: %w", sp.b.meta().ULID, err)
			}
		}
	}
	out := make([]*group, 0, len(byLabels))
	for _, g := range byLabels {
		out = append(out, g)
	}
	return out, nil
}

// windows decodes the windows of a group with the aggregates that were read,
// and what follows from them.
func (g *group) windows() (out []window, err error) {
	for _, p := range g.parts {
		if out, err = p.windows(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// window is a window and the resolution that it is of.
type window struct {
	downsample.Window
	resolution int64
	// own tells which of the aggregates that a writer may leave out are there.
	own owned
}

// owned are aggregates that were stored and not left out. After a merge of
// blocks, both can be the case in one series.
type owned struct{ min, max, increase bool }

// start is the time behind which (exclusive) the window begins.
func (w *window) start() int64 { return downsample.End(w.T, w.resolution) - w.resolution }

func (p part) windows(out []window) ([]window, error) {
	first := len(out)
	// Any aggregate has all windows, apart from those of histograms in Min and Max.
	for _, lead := range []string{downsample.Count, downsample.Last, downsample.First, downsample.Sum, downsample.Max, downsample.Min} {
		series := p.aggrs[lead]
		if series == nil {
			continue
		}
		it := series.Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			w := window{resolution: p.span.b.resolution}
			w.T = it.AtT()
			if w.T <= p.span.after || w.T > p.span.until {
				continue
			}
			w.Count = math.NaN() // not read
			if lead == downsample.Count {
				_, w.Count = it.At()
			}
			if value.IsStaleNaN(w.Count) {
				if n := len(out); n > first && downsample.End(out[n-1].T, w.resolution) == downsample.End(w.T, w.resolution) {
					out[n-1].Stale = w.T
					continue
				}
				w.Count, w.Stale = 0, w.T
			}
			out = append(out, w)
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
		break
	}
	ws := out[first:]
	for _, a := range downsample.Aggregates() {
		if series := p.aggrs[a]; a != downsample.Count && series != nil {
			if err := fill(ws, a, series.Iterator(nil)); err != nil {
				return nil, err
			}
		}
	}
	derive(ws)
	return out, nil
}

// fill sets one aggregate of the windows, which it knows by their times.
func fill(ws []window, aggregate string, it chunkenc.Iterator) error {
	i := 0
	for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
		t := it.AtT()
		for i < len(ws) && ws[i].T < t {
			i++
		}
		if i == len(ws) {
			break
		}
		if ws[i].T != t {
			continue // outside of the span
		}
		if vt == chunkenc.ValFloat {
			_, v := it.At()
			ws[i].set(aggregate, v)
			continue
		}
		_, h := it.AtFloatHistogram(nil)
		if ws[i].H == nil {
			ws[i].H = &downsample.Histograms{}
		}
		setHistogram(ws[i].H, aggregate, h)
	}
	return it.Err()
}

func (w *window) set(aggregate string, v float64) {
	switch aggregate {
	case downsample.First:
		w.First = v
	case downsample.Last:
		w.Last = v
	case downsample.Increase:
		w.Increase, w.own.increase = v, true
	case downsample.Min:
		w.Min, w.own.min = v, true
	case downsample.Max:
		w.Max, w.own.max = v, true
	case downsample.Sum:
		w.Sum = v
	}
}

func setHistogram(h *downsample.Histograms, aggregate string, v *histogram.FloatHistogram) {
	switch aggregate {
	case downsample.First:
		h.First = v
	case downsample.Last:
		h.Last = v
	case downsample.Increase:
		h.Increase = v
	case downsample.Sum:
		h.Sum = v
	}
}

// derive sets what the writer left out because other aggregates say it.
func derive(ws []window) {
	for i := range ws {
		w := &ws[i]
		if w.Count == 0 {
			continue
		}
		if w.H != nil {
			if w.H.Increase == nil && w.H.First != nil && w.H.Last != nil {
				w.H.Increase = downsample.DeltaHistogram(w.H.First, w.H.Last)
			}
			continue
		}
		if !w.own.min {
			w.Min = w.First
		}
		if !w.own.max {
			w.Max = w.Last
		}
		if !w.own.increase {
			w.Increase = w.Last - w.First
		}
	}
}

func closeAll(qs []storage.Querier) error {
	var err error
	for _, q := range qs {
		err = errors.Join(err, q.Close())
	}
	return err
}
