package metricstore

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"hinomi/internal/store"
)

// otlpMaxAge bounds how old a data point may be. The translation writes
// target_info at every few minutes between a resource's oldest and newest
// point: a single point from 1970 would make it write millions of samples.
const otlpMaxAge = 24 * time.Hour

// screen removes what must not reach the translation, and counts it: points
// far from the present, and kinds of metrics that cannot be kept.
func (s *Store) screen(md pmetric.Metrics, res *store.WriteResult) {
	now := s.opts.Now()
	w := window{
		min: pcommon.NewTimestampFromTime(now.Add(-max(otlpMaxAge, s.opts.OutOfOrderWindow))),
		max: pcommon.NewTimestampFromTime(now.Add(MaxFuture)),
		res: res,
	}
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				if m.Name() == "" {
					res.Reject(store.RejectMalformed, pointCount(m), "a metric has no name")
					return true
				}
				if n, reason := unsupported(m); n > 0 {
					res.Reject(store.RejectUnsupported, n, reason)
					return true
				}
				return w.drop(m)
			})
		}
	}
}

// unsupported returns the number of points of a metric that cannot be kept.
func unsupported(m pmetric.Metric) (int, string) {
	var t pmetric.AggregationTemporality
	switch m.Type() {
	case pmetric.MetricTypeSum:
		t = m.Sum().AggregationTemporality()
	case pmetric.MetricTypeHistogram:
		t = m.Histogram().AggregationTemporality()
	case pmetric.MetricTypeExponentialHistogram:
		t = m.ExponentialHistogram().AggregationTemporality()
	default:
		return 0, ""
	}
	n := pointCount(m)
	if t == pmetric.AggregationTemporalityCumulative || n == 0 {
		return 0, ""
	}
	return n, fmt.Sprintf("metric %q has %s temporality: set the SDK's temporality preference to cumulative, "+
		"or put the deltatocumulative processor before the exporter", m.Name(), t)
}

func pointCount(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	default:
		return 0
	}
}

type window struct {
	min, max pcommon.Timestamp // both inclusive
	res      *store.WriteResult
}

// drop removes a metric's points outside of the window; true when none is left.
func (w window) drop(m pmetric.Metric) bool {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return dropPoints(w, m, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		return dropPoints(w, m, m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		return dropPoints(w, m, m.Histogram().DataPoints())
	case pmetric.MetricTypeExponentialHistogram:
		return dropPoints(w, m, m.ExponentialHistogram().DataPoints())
	case pmetric.MetricTypeSummary:
		return dropPoints(w, m, m.Summary().DataPoints())
	default:
		return true // nothing in it: it would only be an error of the translation
	}
}

type pointSlice[P any] interface {
	Len() int
	RemoveIf(func(P) bool)
}

func dropPoints[P interface{ Timestamp() pcommon.Timestamp }](w window, m pmetric.Metric, points pointSlice[P]) bool {
	points.RemoveIf(func(p P) bool {
		switch t := p.Timestamp(); {
		case t > w.max:
			w.res.Reject(store.RejectTooNew, 1, fmt.Sprintf("%s: metric %q", ErrTooNew, m.Name()))
		case t < w.min:
			w.res.Reject(store.RejectTooOld, 1, fmt.Sprintf("a data point of metric %q is more than %s old", m.Name(), otlpMaxAge))
		default:
			return false
		}
		return true
	})
	return points.Len() == 0
}
