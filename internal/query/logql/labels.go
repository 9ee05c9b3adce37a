package logql

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// maxStreams bounds what a list of streams or label values may hold.
const maxStreams = 100_000

// StreamInfo is a stream and how many lines of it lie in the asked-for range.
type StreamInfo struct {
	Labels labels.Labels
	Lines  int64
}

// where is the predicate of a selector; nil selects everything.
func where(ms []*labels.Matcher) store.Pred {
	if len(ms) == 0 {
		return nil
	}
	return compile(&LogExpr{Matchers: ms}, newSchema(nil)).scan.Where
}

// Streams lists the streams that any of the selectors matches; none of them
// means all streams. Times are Unix ns, to is exclusive.
func (e *Engine) Streams(ctx context.Context, scope model.Scope, from, to int64, selectors ...[]*labels.Matcher) ([]StreamInfo, store.ScanStats, error) {
	var or store.Or
	for _, s := range selectors {
		if p := where(s); p != nil {
			or = append(or, p)
		}
	}
	scan := plan.Scan{From: from, To: to, Columns: []store.ColumnRef{store.Col(store.ColStream)}, Budget: e.o.Budget}
	switch len(or) {
	case 0:
	case 1:
		scan.Where = or[0]
	default:
		scan.Where = or
	}
	rows, stats, _, err := plan.Distinct(ctx, e.o.Store, scope, scan, maxStreams)
	if err != nil {
		return nil, stats, fmt.Errorf("list streams: %w", err)
	}
	out := make([]StreamInfo, len(rows))
	for i, r := range rows {
		out[i] = StreamInfo{Labels: ParseStream(r.Key[0].Str), Lines: r.Rows}
	}
	slices.SortFunc(out, func(a, b StreamInfo) int { return labels.Compare(a.Labels, b.Labels) })
	return out, stats, nil
}

// LabelNames lists the names of stream labels, sorted.
func (e *Engine) LabelNames(ctx context.Context, scope model.Scope, from, to int64, selector []*labels.Matcher) ([]string, error) {
	names := map[string]bool{}
	if len(selector) == 0 {
		cols, err := e.o.Store.Columns(ctx, scope, from, to)
		if err != nil {
			return nil, fmt.Errorf("list columns: %w", err)
		}
		for _, c := range cols {
			if c.Ref.Scope == store.Stream {
				names[c.Ref.Name] = true
			}
		}
		return sortedKeys(names), nil
	}
	streams, _, err := e.Streams(ctx, scope, from, to, selector)
	for _, s := range streams {
		s.Labels.Range(func(l labels.Label) { names[l.Name] = true })
	}
	return sortedKeys(names), err
}

// LabelValues lists the values of one stream label, sorted.
func (e *Engine) LabelValues(ctx context.Context, scope model.Scope, name string, from, to int64, selector []*labels.Matcher) ([]string, error) {
	col := store.ColumnRef{Scope: store.Stream, Name: name}
	scan := plan.Scan{From: from, To: to, Columns: []store.ColumnRef{col}, Budget: e.o.Budget, Where: store.Exists{Col: col}}
	if p := where(selector); p != nil {
		scan.Where = store.And{scan.Where, p}
	}
	rows, _, _, err := plan.Distinct(ctx, e.o.Store, scope, scan, maxStreams)
	if err != nil {
		return nil, fmt.Errorf("list label values: %w", err)
	}
	names := map[string]bool{}
	for _, r := range rows {
		names[r.Key[0].String()] = true
	}
	return sortedKeys(names), nil
}

func sortedKeys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		if k != "" {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
