package metricstore

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// maxRecipeSeries bounds the series of all recipes: some 100 bytes each.
const maxRecipeSeries = 1 << 20

// recipe is what the translation made of one data point: its series in the order
// of their samples. The same point of the next request has the same ones.
type recipe struct {
	opts   storage.AOptions // metadata and family, no exemplars
	series []recipeSeries
}

type recipeSeries struct {
	ref    atomic.Uint64 // of the TSDB; it may be out of date
	labels labels.Labels
	ends   bool // see endsPoint
}

// recipeKey stands for everything of a data point that its series depend on:
// resource, metric, attributes and bounds. Two 64-bit hashes with random seeds
// of this process: among ten million points the probability that any two share
// a key is below 1e-24.
type recipeKey [2]uint64

// recipes is a bounded cache. When the young generation is full, the old one is
// dropped and the young one becomes old; what is used again moves back.
type recipes struct {
	seeds [2]maphash.Seed
	limit int // series of a generation

	mu         sync.Mutex
	young, old map[recipeKey]*recipe
	size       int // series in young
}

func newRecipes(maxSeries int) *recipes {
	return &recipes{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		limit: max(1, maxSeries/2), young: map[recipeKey]*recipe{},
	}
}

func (c *recipes) get(k recipeKey) *recipe {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.young[k]; r != nil {
		return r
	}
	r := c.old[k]
	if r != nil {
		delete(c.old, k)
		c.add(k, r)
	}
	return r
}

func (c *recipes) put(k recipeKey, r *recipe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, r)
}

func (c *recipes) add(k recipeKey, r *recipe) {
	if c.size+len(r.series) > c.limit {
		c.old, c.young, c.size = c.young, map[recipeKey]*recipe{}, 0
	}
	if before := c.young[k]; before != nil {
		c.size -= len(before.series)
	}
	c.young[k] = r
	c.size += len(r.series)
}

// keyWriter builds the bytes that a key is made of: a prefix for the resource,
// one for the metric, then the point. Every part carries its length or type, so
// that different parts cannot make the same bytes.
type keyWriter struct {
	b                []byte
	resource, metric int // ends of the prefixes
}

func (w *keyWriter) text(s string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *keyWriter) attributes(m pcommon.Map) {
	w.b = binary.AppendUvarint(w.b, uint64(m.Len()))
	for k, v := range m.All() {
		w.text(k)
		w.b = append(w.b, byte(v.Type()))
		switch v.Type() {
		case pcommon.ValueTypeStr:
			w.text(v.Str())
		case pcommon.ValueTypeInt:
			w.b = binary.AppendVarint(w.b, v.Int())
		case pcommon.ValueTypeDouble:
			w.b = binary.NativeEndian.AppendUint64(w.b, math.Float64bits(v.Double()))
		case pcommon.ValueTypeBool:
			if v.Bool() {
				w.b = append(w.b, 1)
			} else {
				w.b = append(w.b, 0)
			}
		default:
			w.text(v.AsString()) // what the translation makes a label of
		}
	}
}

func (w *keyWriter) setResource(r pcommon.Resource) {
	w.b = w.b[:0]
	w.attributes(r.Attributes())
	w.resource = len(w.b)
}

func (w *keyWriter) setMetric(m pmetric.Metric) {
	w.b = w.b[:w.resource]
	w.text(m.Name())
	w.text(m.Unit())
	w.text(m.Description())
	monotonic := byte(0)
	if m.Type() == pmetric.MetricTypeSum && m.Sum().IsMonotonic() {
		monotonic = 1
	}
	w.b = append(w.b, byte(m.Type()), monotonic)
	w.metric = len(w.b)
}

func (w *keyWriter) number(p pmetric.NumberDataPoint, c *recipes) recipeKey {
	w.b = w.b[:w.metric]
	w.attributes(p.Attributes())
	return w.key(c)
}

func (w *keyWriter) histogram(p pmetric.HistogramDataPoint, c *recipes) recipeKey {
	w.b = w.b[:w.metric]
	w.attributes(p.Attributes())
	sum := byte(0)
	if p.HasSum() {
		sum = 1
	}
	w.b = append(w.b, sum)
	for i := range buckets(p) {
		w.b = binary.NativeEndian.AppendUint64(w.b, math.Float64bits(p.ExplicitBounds().At(i)))
	}
	return w.key(c)
}

// buckets is the number of buckets that become series, without the infinite one.
func buckets(p pmetric.HistogramDataPoint) int {
	return min(p.ExplicitBounds().Len(), p.BucketCounts().Len())
}

func (w *keyWriter) key(c *recipes) recipeKey {
	return recipeKey{maphash.Bytes(c.seeds[0], w.b), maphash.Bytes(c.seeds[1], w.b)}
}
