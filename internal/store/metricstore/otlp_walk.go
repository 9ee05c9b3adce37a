package metricstore

import (
	"context"
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// otlpWalk stores a request in the order of the translation. Points whose series
// are known go to the store without being translated; the others go through
// the translation one by one, and what it makes of them is remembered.
type otlpWalk struct {
	s         *Store
	app       *otlpAppender
	ctx       context.Context
	converter *prometheusremotewrite.PrometheusConverter
	capture   *capture
	settings  prometheusremotewrite.Settings
	key       keyWriter
	err       error // the first one of the translation
}

// capture is the appender of the translation of single points. target_info is
// made once for each resource.
type capture struct {
	*otlpAppender
	targetInfo bool // let only target_info pass; otherwise everything else
	calls      []call
	failed     bool
}

type call struct {
	ref    storage.SeriesRef
	labels labels.Labels
	opts   storage.AOptions
}

// Append implements storage.AppenderV2.
func (c *capture) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if (opts.MetricFamilyName == targetInfo && opts.Metadata.Help == targetInfoHelp) != c.targetInfo {
		return 0, nil
	}
	out, err := c.otlpAppender.Append(ref, ls, st, t, v, h, fh, opts)
	c.failed = c.failed || err != nil || out == 0
	c.calls = append(c.calls, call{out, ls, opts})
	return out, err
}

// targetInfoHelp is what the translation writes about its own target_info.
const targetInfoHelp = "Target metadata"

func (s *Store) newOTLPWalk(ctx context.Context, app *otlpAppender) *otlpWalk {
	w := &otlpWalk{s: s, app: app, ctx: ctx, settings: otlpSettings(), capture: &capture{otlpAppender: app}}
	w.converter = prometheusremotewrite.NewPrometheusConverter(w.capture)
	return w
}

// store stores all of md. It stops at an error of the store, which is in app.
func (w *otlpWalk) store(md pmetric.Metrics) {
	if !w.app.KeepsReferences() {
		// Nothing could be remembered, so nothing is gained point by point.
		_, w.err = prometheusremotewrite.NewPrometheusConverter(w.app).FromMetrics(w.ctx, md, w.settings)
		return
	}
	for _, rm := range md.ResourceMetrics().All() {
		w.key.setResource(rm.Resource())
		span := timeSpan{earliest: math.MaxUint64}
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if w.app.fatal == nil {
					w.app.fatal = w.ctx.Err()
				}
				if w.app.fatal != nil {
					return
				}
				span.add(m)
				w.metric(rm.Resource(), m)
			}
		}
		if span.earliest != math.MaxUint64 {
			w.targetInfo(rm.Resource(), span)
		}
	}
}

func (w *otlpWalk) metric(r pcommon.Resource, m pmetric.Metric) {
	w.key.setMetric(m)
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		w.numbers(r, m, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		w.numbers(r, m, m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		w.histograms(r, m, m.Histogram().DataPoints())
	default:
		md, one := shell(r, m)
		m.CopyTo(one)
		w.translate(md)
	}
}

// numbers ends at a point that cannot be translated, as the translation does.
func (w *otlpWalk) numbers(r pcommon.Resource, m pmetric.Metric, points pmetric.NumberDataPointSlice) {
	for _, p := range points.All() {
		k := w.key.number(p, w.s.recipes)
		if known := w.known(k, p.Exemplars().Len()); known != nil {
			v := p.DoubleValue()
			if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
				v = float64(p.IntValue())
			} else if p.ValueType() != pmetric.NumberDataPointValueTypeDouble {
				v = 0
			}
			if !w.app.known(known, 0, stamps(p.StartTimestamp(), p.Timestamp()), mark(v, p.Flags())) {
				return
			}
			continue
		}
		md, one := shell(r, m)
		to := pmetric.NewNumberDataPointSlice()
		if m.Type() == pmetric.MetricTypeSum {
			s := one.SetEmptySum()
			s.SetIsMonotonic(m.Sum().IsMonotonic())
			s.SetAggregationTemporality(m.Sum().AggregationTemporality())
			to = s.DataPoints()
		} else {
			to = one.SetEmptyGauge().DataPoints()
		}
		p.CopyTo(to.AppendEmpty())
		if !w.learn(k, md, 1) {
			return
		}
	}
}

func (w *otlpWalk) histograms(r pcommon.Resource, m pmetric.Metric, points pmetric.HistogramDataPointSlice) {
	for _, p := range points.All() {
		k := w.key.histogram(p, w.s.recipes)
		if known := w.known(k, p.Exemplars().Len()); known != nil {
			if !w.histogram(known, p) {
				return
			}
			continue
		}
		md, one := shell(r, m)
		h := one.SetEmptyHistogram()
		h.SetAggregationTemporality(m.Histogram().AggregationTemporality())
		p.CopyTo(h.DataPoints().AppendEmpty())
		n := buckets(p) + 2 // count and the infinite bucket
		if p.HasSum() {
			n++
		}
		if !w.learn(k, md, n) {
			return
		}
	}
}

// histogram stores the samples in the order of the translation: the sum if
// there is one, the count, the buckets, the infinite bucket.
func (w *otlpWalk) histogram(known *recipe, p pmetric.HistogramDataPoint) bool {
	at, i := stamps(p.StartTimestamp(), p.Timestamp()), 0
	put := func(v float64) bool {
		i++
		return w.app.known(known, i-1, at, mark(v, p.Flags()))
	}
	if p.HasSum() && !put(p.Sum()) {
		return false
	}
	if !put(float64(p.Count())) {
		return false
	}
	cumulative := uint64(0)
	for b := range buckets(p) {
		cumulative += p.BucketCounts().At(b)
		if !put(float64(cumulative)) {
			return false
		}
	}
	return put(float64(p.Count()))
}

// known is the recipe of a point; points with exemplars are translated.
func (w *otlpWalk) known(k recipeKey, exemplars int) *recipe {
	if exemplars > 0 {
		return nil
	}
	return w.s.recipes.get(k)
}

// learn translates the one point of md and remembers what came of it.
func (w *otlpWalk) learn(k recipeKey, md pmetric.Metrics, series int) (ok bool) {
	ok = w.translate(md)
	calls := w.capture.calls
	if !ok || w.capture.failed || len(calls) != series {
		return ok
	}
	r := &recipe{opts: calls[0].opts, series: make([]recipeSeries, len(calls))}
	r.opts.Exemplars = nil
	for i, c := range calls {
		r.series[i].labels, r.series[i].ends = c.labels, endsPoint(c.labels, nil, c.opts)
		r.series[i].ref.Store(uint64(c.ref))
	}
	w.s.recipes.put(k, r)
	return ok
}

// translate stores md through the translation, without target_info.
func (w *otlpWalk) translate(md pmetric.Metrics) bool {
	w.capture.calls, w.capture.failed, w.capture.targetInfo = w.capture.calls[:0], false, false
	_, err := w.converter.FromMetrics(w.ctx, md, w.settings)
	w.err = errors.Join(w.err, err)
	return err == nil && w.app.fatal == nil
}

// targetInfo stores target_info as the translation does for a resource with
// points in span: from the earliest to the latest.
func (w *otlpWalk) targetInfo(r pcommon.Resource, span timeSpan) {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	r.CopyTo(rm.Resource())
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("x")
	points := m.SetEmptyGauge().DataPoints()
	points.AppendEmpty().SetTimestamp(span.earliest)
	points.AppendEmpty().SetTimestamp(span.latest)
	w.capture.calls, w.capture.targetInfo = w.capture.calls[:0], true
	_, err := w.converter.FromMetrics(w.ctx, md, w.settings)
	w.err = errors.Join(w.err, err)
}

// shell is a request with a metric that has everything but its points.
func shell(r pcommon.Resource, m pmetric.Metric) (pmetric.Metrics, pmetric.Metric) {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	r.CopyTo(rm.Resource())
	one := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	one.SetName(m.Name())
	one.SetUnit(m.Unit())
	one.SetDescription(m.Description())
	return md, one
}

// timeSpan is from the earliest to the latest point of a resource.
type timeSpan struct{ earliest, latest pcommon.Timestamp }

func (s *timeSpan) add(m pmetric.Metric) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		addTimes(s, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		addTimes(s, m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		addTimes(s, m.Histogram().DataPoints())
	case pmetric.MetricTypeExponentialHistogram:
		addTimes(s, m.ExponentialHistogram().DataPoints())
	case pmetric.MetricTypeSummary:
		addTimes(s, m.Summary().DataPoints())
	}
}

func addTimes[P interface{ Timestamp() pcommon.Timestamp }](s *timeSpan, points interface {
	Len() int
	At(int) P
}) {
	for i := range points.Len() {
		t := points.At(i).Timestamp()
		s.earliest, s.latest = min(s.earliest, t), max(s.latest, t)
	}
}

// sampleTimes are Unix milliseconds.
type sampleTimes struct{ st, t int64 }

func stamps(st, t pcommon.Timestamp) sampleTimes {
	return sampleTimes{int64(st) / 1_000_000, int64(t) / 1_000_000}
}

// mark makes a stale marker of a point without a value.
func mark(v float64, flags pmetric.DataPointFlags) float64 {
	if flags.NoRecordedValue() {
		return math.Float64frombits(value.StaleNaN)
	}
	return v
}
