package logql

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/detect/pattern"
	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

const (
	// maxSkeletons bounds the distinct skeletons that are grouped.
	maxSkeletons = 100_000
	// MaxPatterns is how many patterns an answer lists, the most frequent.
	MaxPatterns = 300
)

// PatternsRequest asks for the patterns of the lines in [From, To) ns of the
// streams that Selector matches, counted in intervals [k·Step, (k+1)·Step).
type PatternsRequest struct {
	From, To, Step int64
	Selector       []*labels.Matcher
}

// PatternSeries is one pattern of one level with its lines in each interval;
// plan.IsAbsent where there is none.
type PatternSeries struct {
	Pattern string // with pattern.Any for what varies
	Level   string
	Total   float64
	Counts  []float64
}

// Patterns counts lines by pattern, the most frequent first. start is the
// beginning of the first interval. Merged segments hold the skeletons of their
// lines; only those of newer lines are computed.
func (e *Engine) Patterns(ctx context.Context, scope model.Scope, r PatternsRequest) (out []PatternSeries, start int64, stats store.ScanStats, err error) {
	start = r.From / r.Step * r.Step
	agg := plan.Aggregate{
		Keys: []int{1, 2}, Op: plan.Count, Start: start + r.Step - 1, End: (r.To-1)/r.Step*r.Step + r.Step - 1, Step: r.Step, Range: r.Step,
		SeriesLimit: maxSkeletons,
	}
	if agg.Steps() > e.o.MaxSteps {
		return nil, 0, stats, queryErrorf("exceeded maximum resolution of %d points per time series. Try increasing the value of the step parameter", e.o.MaxSteps)
	}
	res, err := plan.RunAggregate(ctx, e.o.Store, scope, plan.Scan{
		From: r.From, To: r.To, Budget: e.o.Budget, Where: where(r.Selector),
		Columns: []store.ColumnRef{store.Col(store.ColTime), store.Col(store.ColPattern), store.Col(store.ColLevel)},
	}, nil, agg)
	if err != nil {
		return nil, 0, res.Stats, fmt.Errorf("count patterns: %w", e.wrap(err))
	}
	skeletons := make([]string, len(res.Groups))
	for i, g := range res.Groups {
		skeletons[i] = g.Key[0].Str
	}
	templates := pattern.Group(skeletons)
	type key struct{ pattern, level string }
	index := map[key]int{}
	for _, g := range res.Groups {
		k := key{templates[g.Key[0].Str], g.Key[1].Str}
		if k.pattern == "" {
			continue // Lines without text.
		}
		at, ok := index[k]
		if !ok {
			at = len(out)
			index[k] = at
			out = append(out, PatternSeries{Pattern: k.pattern, Level: k.level, Counts: absentValues(agg.Steps())})
		}
		out[at].add(g.Values)
	}
	slices.SortStableFunc(out, func(a, b PatternSeries) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Level, b.Level))
	})
	return out[:min(len(out), MaxPatterns)], start, res.Stats, nil
}

func absentValues(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = plan.Absent()
	}
	return out
}

func (p *PatternSeries) add(counts []float64) {
	for i, n := range counts {
		if plan.IsAbsent(n) {
			continue
		}
		if plan.IsAbsent(p.Counts[i]) {
			p.Counts[i] = 0
		}
		p.Counts[i] += n
		p.Total += n
	}
}
