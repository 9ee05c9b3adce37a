package spanmetrics

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"hinomi/internal/model"
)

// buckets are the upper bounds of the latency histograms in seconds: fine
// enough around the usual objectives (100 ms, 250 ms, 500 ms, 1 s, 2 s).
var buckets = []float64{0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30}

// counter is one total with its storage reference.
type counter struct {
	labels labels.Labels
	ref    storage.SeriesRef
	total  float64
	fresh  bool // never written: a zero goes before the first value
	seen   time.Time
}

func (c *counter) add(n float64, now time.Time) {
	c.total += n
	c.seen = now
}

func newCounter(name string, ls []labels.Label, now time.Time) counter {
	b := labels.NewBuilder(labels.New(ls...))
	b.Set(labels.MetricName, name)
	return counter{labels: b.Labels(), fresh: true, seen: now}
}

// histogram is a classic histogram with an exemplar per bucket.
type histogram struct {
	buckets    []counter // the last is +Inf
	sum, count counter
	exemplars  []exemplarOf
}

type exemplarOf struct {
	trace pcommon.TraceID
	value float64
	at    time.Time
}

func newHistogram(name string, ls []labels.Label, now time.Time) histogram {
	h := histogram{
		sum: newCounter(name+"_sum", ls, now), count: newCounter(name+"_count", ls, now),
		exemplars: make([]exemplarOf, len(buckets)+1),
	}
	for i := range len(buckets) + 1 {
		le := "+Inf"
		if i < len(buckets) {
			le = strconv.FormatFloat(buckets[i], 'g', -1, 64)
		}
		h.buckets = append(h.buckets, newCounter(name+"_bucket", append(append([]labels.Label(nil), ls...), labels.Label{Name: labels.BucketLabel, Value: le}), now))
	}
	return h
}

func (h *histogram) observe(v, weight float64, trace pcommon.TraceID, at, now time.Time) {
	slot := len(buckets)
	for i := len(buckets) - 1; i >= 0 && v <= buckets[i]; i-- {
		slot = i
	}
	for i := slot; i <= len(buckets); i++ {
		h.buckets[i].add(weight, now)
	}
	h.sum.add(v*weight, now)
	h.count.add(weight, now)
	if !trace.IsEmpty() {
		h.exemplars[slot] = exemplarOf{trace, v, at}
	}
}

func (h *histogram) counters() []*counter {
	out := make([]*counter, 0, len(h.buckets)+2)
	for i := range h.buckets {
		out = append(out, &h.buckets[i])
	}
	return append(out, &h.sum, &h.count)
}

// series are the metrics of one service, operation, kind and status.
type series struct {
	calls   counter
	latency histogram
}

func newSeries(ls []labels.Label, now time.Time) *series {
	return &series{calls: newCounter("traces_spanmetrics_calls_total", ls, now), latency: newHistogram("traces_spanmetrics_latency", ls, now)}
}

func (s *series) idle(now time.Time) bool { return now.Sub(s.calls.seen) > idleAfter }

func spanLabels(k spanKey) []labels.Label {
	ls := []labels.Label{
		{Name: "service", Value: valid(k.service)},
		{Name: "span_name", Value: valid(k.name)},
		{Name: "span_kind", Value: "SPAN_KIND_" + strings.ToUpper(k.kind.String())},
		{Name: "status_code", Value: "STATUS_CODE_" + strings.ToUpper(k.status.String())},
	}
	if k.product != "" {
		ls = append(ls, labels.Label{Name: model.ProductLabel, Value: k.product})
	}
	return ls
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func clone(s string) string { return strings.Clone(s) }
