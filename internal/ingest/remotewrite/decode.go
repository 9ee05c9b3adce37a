package remotewrite

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"google.golang.org/protobuf/encoding/protowire"
)

// sample is one float sample; times in Unix milliseconds, st 0 when unknown.
type sample struct {
	t, st int64
	v     float64
}

// histogramSample is one native histogram; exactly one of h and fh is set.
type histogramSample struct {
	t, st int64
	h     *histogram.Histogram
	fh    *histogram.FloatHistogram
}

// series is one decoded time series. It is reused for the next one, and its
// labels share the request's memory until they are built.
type series struct {
	builder    labels.ScratchBuilder
	samples    []sample
	histograms []histogramSample
	exemplars  []exemplar.Exemplar
	meta       metadata.Metadata

	exemplarBuilder labels.ScratchBuilder
	refs            []uint32
	exemplarRefs    []uint32
	expanded        int // bytes of the request's labels written out (version 2)

	// cache is nil when references must not be used. keyed tells that key is
	// set; known is what the cache has for it, with a reference of 0 for
	// nothing, and then the builder has the labels.
	cache *seriesCache
	key   seriesKey
	keyed bool
	known knownSeries
	place place // of the last series that was found
	// labels counts the label fields that were read into the builder.
	labels int
}

func (s *series) reset() {
	s.builder.Reset()
	s.samples, s.histograms, s.exemplars = s.samples[:0], s.histograms[:0], s.exemplars[:0]
	s.meta = metadata.Metadata{}
	s.keyed, s.known, s.labels = false, knownSeries{}, 0
}

// rows is what the ledger counts: samples of both kinds.
func (s *series) rows() int { return len(s.samples) + len(s.histograms) }

// sink receives the parts of a request. A series that cannot be used but does
// not spoil the others comes with err.
type sink interface {
	series(s *series, err error) error
	metadata(family string, m metadata.Metadata)
}

// decodeSample reads a Sample, which has the same numbers in both versions.
func decodeSample(b []byte) (s sample, err error) {
	// Nearly every sample is value, then time, and nothing else.
	const valueTag, timeTag = 1<<3 | byte(protowire.Fixed64Type), 2<<3 | byte(protowire.VarintType)
	if len(b) > 10 && b[0] == valueTag && b[9] == timeTag {
		if t, n := protowire.ConsumeVarint(b[10:]); n == len(b)-10 {
			return sample{t: int64(t), v: math.Float64frombits(binary.LittleEndian.Uint64(b[1:]))}, nil
		}
	}
	err = fields(b, func(f field) error {
		switch f.num {
		case 1:
			s.v = f.double()
			return f.want(protowire.Fixed64Type)
		case 2:
			s.t = int64(f.bits)
			return f.want(protowire.VarintType)
		case 3:
			s.st = int64(f.bits)
			return f.want(protowire.VarintType)
		}
		return nil
	})
	return s, err
}

// decodeV1 walks a prometheus.WriteRequest.
func decodeV1(body []byte, s *series, to sink) error {
	return fields(body, func(f field) error {
		switch f.num {
		case 1:
			if err := f.want(protowire.BytesType); err != nil {
				return err
			}
			if err := decodeKnownV1(f.bytes, s); err != nil {
				return fmt.Errorf("time series: %w", err)
			}
			return to.series(s, nil)
		case 3:
			if err := f.want(protowire.BytesType); err != nil {
				return err
			}
			return decodeMetadataV1(f.bytes, to)
		}
		return nil
	})
}

// decodeKnownV1 reads a series without its labels when the cache knows the
// bytes that they are written in.
func decodeKnownV1(b []byte, s *series) error {
	s.reset()
	if s.cache == nil {
		return decodeSeriesV1(b, s)
	}
	run := labelRun(b)
	s.key, s.keyed = s.cache.key(b[:run]), true
	if s.known, _ = s.cache.get(s.key, &s.place); s.known.ref == 0 {
		if err := decodeSeriesV1(b[:run], s); err != nil {
			return err
		}
		leading := s.labels
		err := decodeSeriesV1(b[run:], s)
		// Labels behind the samples are not part of the key.
		s.keyed = s.labels == leading
		return err
	}
	if err := decodeSeriesV1(b[run:], s); err != nil || s.labels == 0 {
		return err
	}
	s.reset()
	return decodeSeriesV1(b, s)
}

// labelRun is the length of the label fields that b starts with.
func labelRun(b []byte) int {
	const labelTag = 1<<3 | byte(protowire.BytesType)
	i := 0
	for i+1 < len(b) && b[i] == labelTag {
		n, at := uint64(b[i+1]), i+2
		if n >= 0x80 {
			var w int
			if n, w = protowire.ConsumeVarint(b[i+1:]); w < 0 {
				return i
			}
			at = i + 1 + w
		}
		if n > uint64(len(b)-at) {
			return i // decoding it tells what is wrong
		}
		i = at + int(n)
	}
	return i
}

func decodeSeriesV1(b []byte, s *series) error {
	return fields(b, func(f field) error {
		if f.num < 1 || f.num > 4 {
			return nil
		}
		if err := f.want(protowire.BytesType); err != nil {
			return err
		}
		switch f.num {
		case 1:
			s.labels++
			return decodeLabel(f.bytes, &s.builder)
		case 2:
			v, err := decodeSample(f.bytes)
			v.st = 0 // version 1 has no field 3
			s.samples = append(s.samples, v)
			return err
		case 3:
			s.exemplarBuilder.Reset()
			e := exemplar.Exemplar{}
			err := fields(f.bytes, func(f field) error {
				if f.num == 1 {
					if err := f.want(protowire.BytesType); err != nil {
						return err
					}
					return decodeLabel(f.bytes, &s.exemplarBuilder)
				}
				return exemplarNumber(f, &e)
			})
			s.addExemplar(e)
			return err
		default:
			h, err := decodeHistogramV1(f.bytes)
			s.histograms = append(s.histograms, h)
			return err
		}
	})
}

func decodeLabel(b []byte, to *labels.ScratchBuilder) error {
	// Nearly every label is name, then value, each shorter than 128 bytes; half
	// of the work of a request is reading them, so this form has its own path.
	const nameTag, valueTag = 1<<3 | byte(protowire.BytesType), 2<<3 | byte(protowire.BytesType)
	if len(b) >= 4 && b[0] == nameTag && b[1] < 0x80 {
		if end := 2 + int(b[1]); end+2 <= len(b) && b[end] == valueTag && int(b[end+1]) == len(b)-end-2 && b[end+1] < 0x80 {
			to.Add(field{bytes: b[2:end]}.text(), field{bytes: b[end+2:]}.text())
			return nil
		}
	}
	var name, value string
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			name = f.text()
			return f.want(protowire.BytesType)
		case 2:
			value = f.text()
			return f.want(protowire.BytesType)
		}
		return nil
	})
	to.Add(name, value)
	return err
}

func exemplarNumber(f field, e *exemplar.Exemplar) error {
	switch f.num {
	case 2:
		e.Value = f.double()
		return f.want(protowire.Fixed64Type)
	case 3:
		e.Ts, e.HasTs = int64(f.bits), f.bits != 0
		return f.want(protowire.VarintType)
	}
	return nil
}

func (s *series) addExemplar(e exemplar.Exemplar) {
	s.exemplarBuilder.Sort()
	e.Labels = s.exemplarBuilder.Labels()
	s.exemplars = append(s.exemplars, e)
}

// metricTypes are the types in the order of the enums, which is the same in both versions.
var metricTypes = []model.MetricType{
	model.MetricTypeUnknown, model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeHistogram,
	model.MetricTypeGaugeHistogram, model.MetricTypeSummary, model.MetricTypeInfo, model.MetricTypeStateset,
}

func metricType(n uint64) model.MetricType {
	if n < uint64(len(metricTypes)) {
		return metricTypes[n]
	}
	return model.MetricTypeUnknown
}

func decodeMetadataV1(b []byte, to sink) error {
	var family string
	m := metadata.Metadata{Type: model.MetricTypeUnknown}
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			m.Type = metricType(f.bits)
			return f.want(protowire.VarintType)
		case 2:
			family = f.text()
		case 4:
			m.Help = f.text()
		case 5:
			m.Unit = f.text()
		default:
			return nil
		}
		return f.want(protowire.BytesType)
	})
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	to.metadata(family, m)
	return nil
}
