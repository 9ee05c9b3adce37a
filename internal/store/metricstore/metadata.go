package metricstore

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"

	hmodel "hinomi/internal/model"
)

// maxFamilies bounds the metadata index (a few hundred bytes each); families
// beyond it are stored but have no metadata.
const maxFamilies = 100_000

// familyKey names a metric family of one product.
type familyKey struct{ product, family string }

// metadataIndex holds type, unit and help of every metric family by product.
// The TSDB keeps metadata per series and has no way to read it back, so this
// index is filled as metadata arrives; senders repeat it about every minute.
type metadataIndex struct {
	mu       sync.RWMutex
	families map[familyKey]metadata.Metadata
	products []string // of families, each once
}

func newMetadataIndex() *metadataIndex {
	return &metadataIndex{families: map[familyKey]metadata.Metadata{}}
}

func (x *metadataIndex) put(k familyKey, m metadata.Metadata) {
	x.mu.RLock()
	old, known := x.families[k]
	full := len(x.families) >= maxFamilies
	x.mu.RUnlock()
	if known && old == m || !known && full {
		return
	}
	// The strings may point into a request's buffer.
	k = familyKey{strings.Clone(k.product), strings.Clone(k.family)}
	m = metadata.Metadata{Type: m.Type, Unit: strings.Clone(m.Unit), Help: strings.Clone(m.Help)}
	x.mu.Lock()
	x.families[k] = m
	if !slices.Contains(x.products, k.product) {
		x.products = append(x.products, k.product)
	}
	x.mu.Unlock()
}

// isCounter tells whether a family of this name is known to be a counter.
func (x *metadataIndex) isCounter(family string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, product := range x.products {
		if m, ok := x.families[familyKey{product, family}]; ok {
			return m.Type == model.MetricTypeCounter
		}
	}
	return false
}

// noteMetadata remembers a series' metadata under its family. Samples of a
// family come one after another, so the last one is checked first.
func (w *writer) noteMetadata(family string, ls labels.Labels, m metadata.Metadata) {
	if m.IsEmpty() {
		return
	}
	if family == "" {
		family = familyName(ls.Get(model.MetricNameLabel), m.Type)
	}
	k := familyKey{product: ls.Get(hmodel.ProductLabel), family: family}
	if k == w.family {
		return
	}
	w.s.meta.put(k, m)
	w.family = familyKey{strings.Clone(k.product), strings.Clone(k.family)}
}

// familyName strips the suffix that a series of a histogram or summary adds.
func familyName(name string, t model.MetricType) string {
	var suffixes []string
	switch t {
	case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram:
		suffixes = []string{"_bucket", "_sum", "_count"}
	case model.MetricTypeSummary:
		suffixes = []string{"_sum", "_count"}
	}
	for _, s := range suffixes {
		if base, ok := strings.CutSuffix(name, s); ok {
			return base
		}
	}
	return name
}

// NoteMetadata records the metadata of a family that came without a series.
func (s *Store) NoteMetadata(scope hmodel.Scope, family string, m metadata.Metadata) {
	product, err := scope.WriteProduct("")
	if err != nil || family == "" || m.IsEmpty() {
		return
	}
	s.meta.put(familyKey{product: product, family: family}, m)
}

// Metadata lists the metadata of the families in scope: one entry for each
// different metadata. An empty family means all of them.
func (s *Store) Metadata(scope hmodel.Scope, family string) map[string][]metadata.Metadata {
	out := map[string][]metadata.Metadata{}
	s.meta.mu.RLock()
	defer s.meta.mu.RUnlock()
	for k, m := range s.meta.families {
		if !scope.Allows(k.product) || family != "" && family != k.family {
			continue
		}
		known := false
		for _, o := range out[k.family] {
			known = known || o == m
		}
		if !known {
			out[k.family] = append(out[k.family], m)
		}
	}
	return out
}
