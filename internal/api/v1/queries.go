package v1

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
)

// Sample is one series' value at the time of an instant query.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Point is one value of a series.
type Point struct {
	TimeMs int64
	Value  float64
}

// Series is the points of one series, oldest first.
type Series struct {
	Labels map[string]string
	Points []Point
}

// InstantFunc evaluates a PromQL expression at one time.
type InstantFunc func(ctx context.Context, query string, at time.Time) ([]Sample, error)

// RangeFunc evaluates a PromQL expression at start, start+step, … up to end.
type RangeFunc func(ctx context.Context, query string, start, end time.Time, step time.Duration) ([]Series, error)

// PromQL makes the query functions from an engine and a queryable that reads
// inside the scope of the context.
func PromQL(engine promql.QueryEngine, queryable storage.Queryable) (InstantFunc, RangeFunc) {
	instant := func(ctx context.Context, query string, at time.Time) ([]Sample, error) {
		q, err := engine.NewInstantQuery(ctx, queryable, nil, query, at)
		if err != nil {
			return nil, err
		}
		defer q.Close()
		v, err := q.Exec(ctx).Vector()
		if err != nil {
			return nil, err
		}
		out := make([]Sample, 0, len(v))
		for _, s := range v {
			out = append(out, Sample{Labels: s.Metric.Map(), Value: s.F})
		}
		return out, nil
	}
	ranged := func(ctx context.Context, query string, start, end time.Time, step time.Duration) ([]Series, error) {
		q, err := engine.NewRangeQuery(ctx, queryable, nil, query, start, end, step)
		if err != nil {
			return nil, err
		}
		defer q.Close()
		m, err := q.Exec(ctx).Matrix()
		if err != nil {
			return nil, err
		}
		out := make([]Series, 0, len(m))
		for _, s := range m {
			points := make([]Point, 0, len(s.Floats))
			for _, p := range s.Floats {
				points = append(points, Point{TimeMs: p.T, Value: p.F})
			}
			out = append(out, Series{Labels: s.Metric.Map(), Points: points})
		}
		return out, nil
	}
	return instant, ranged
}
