package logql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// maxVolumeSample bounds the lines that the estimate reads.
const maxVolumeSample = 50_000

// StreamVolume is how many bytes of lines a stream has in each interval.
type StreamVolume struct {
	Labels labels.Labels
	Bytes  []float64 // one per interval; plan.IsAbsent where there is no line
}

// VolumeRequest asks for the bytes of each stream that Selector matches, in [From, To)
// ns. With Step, ns, for each interval [k·Step, (k+1)·Step) that overlaps; else for all.
type VolumeRequest struct {
	From, To, Step int64
	Selector       []*labels.Matcher // nil matches every stream
}

// first is the end, inclusive, of the first interval.
func (r VolumeRequest) first() int64 {
	if r.Step <= 0 {
		return r.To - 1
	}
	return (r.From/r.Step+1)*r.Step - 1
}

// Volumes sums the bytes of lines by stream. start is the last nanosecond of the
// first interval.
func (e *Engine) Volumes(ctx context.Context, scope model.Scope, r VolumeRequest) (out []StreamVolume, start int64, stats store.ScanStats, err error) {
	streams, stats, err := e.Streams(ctx, scope, r.From, r.To, r.Selector)
	if err != nil || len(streams) == 0 {
		return nil, r.first(), stats, err
	}
	agg := plan.Aggregate{Keys: []int{1}, Op: plan.Bytes, Value: 2, Start: r.first(), End: r.first(), Step: r.Step, Range: r.To - r.From}
	if r.Step > 0 {
		agg.Range = r.Step
		agg.End = (r.To-1)/r.Step*r.Step + r.Step - 1
		if agg.Steps() > e.o.MaxSteps {
			return nil, 0, stats, queryErrorf("exceeded maximum resolution of %d points per time series. Try increasing the value of the step parameter", e.o.MaxSteps)
		}
	}
	scan := plan.Scan{
		From: r.From, To: r.To, Budget: e.o.Budget, Where: where(r.Selector),
		Columns: []store.ColumnRef{store.Col(store.ColTime), store.Col(store.ColStream)},
	}
	var lines int64
	for _, s := range streams {
		lines += s.Lines
	}
	var length map[string]float64
	if lines > int64(e.o.ExactVolumeLines) {
		agg.Op = plan.Count
		if length, err = e.lineLengths(ctx, scope, scan); err != nil {
			return nil, 0, stats, err
		}
	} else {
		scan.Columns = append(scan.Columns, store.Col(store.ColBody))
	}
	res, err := plan.RunAggregate(ctx, e.o.Store, scope, scan, nil, agg)
	stats.Add(res.Stats)
	if err != nil {
		return nil, 0, stats, fmt.Errorf("sum volumes: %w", err)
	}
	for _, g := range res.Groups {
		stream := g.Key[0].Str
		if length != nil {
			scale(g.Values, cmpOr(length[stream], length[""]))
		}
		out = append(out, StreamVolume{Labels: ParseStream(stream), Bytes: g.Values})
	}
	slices.SortFunc(out, func(a, b StreamVolume) int { return labels.Compare(a.Labels, b.Labels) })
	return out, agg.Start, stats, nil
}

func cmpOr(a, b float64) float64 {
	if a > 0 {
		return a
	}
	return b
}

func scale(v []float64, by float64) {
	for i := range v {
		if !plan.IsAbsent(v[i]) {
			v[i] *= by
		}
	}
}

// lineLengths is the average length of the newest lines by stream; "" has that of all.
func (e *Engine) lineLengths(ctx context.Context, scope model.Scope, scan plan.Scan) (map[string]float64, error) {
	scan.Columns = []store.ColumnRef{store.Col(store.ColStream), store.Col(store.ColBody)}
	scan.Order = store.NewestFirst
	bytes, rows := map[string]float64{}, map[string]float64{}
	seen := 0
	_, _, err := plan.Each(ctx, e.o.Store, scope, scan, nil, func(f *plan.Frame) error {
		for i := range f.Rows() {
			r := f.Row(i)
			n := float64(len(f.Cols[1].Str(r)))
			stream := f.Cols[0].Str(r)
			if _, ok := rows[stream]; !ok {
				stream = strings.Clone(stream)
			}
			rows[stream]++
			bytes[stream] += n
			rows[""]++
			bytes[""] += n
		}
		if seen += f.Rows(); seen >= maxVolumeSample {
			return store.ErrStop
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sample lines: %w", err)
	}
	for s := range bytes {
		bytes[s] /= rows[s]
	}
	return bytes, nil
}
