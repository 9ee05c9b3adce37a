package remotewrite

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

// collected is what a decoder delivered, in the shape of the library's types.
type collected struct {
	labels     []labels.Labels
	samples    [][]sample
	histograms []int
	exemplars  []int
	families   []string
	bad        int
}

func (c *collected) series(s *series, bad error) error {
	if bad != nil {
		c.bad++
		return nil
	}
	s.builder.Sort()
	if s.known.ref != 0 {
		c.labels = append(c.labels, s.known.labels)
	} else {
		c.labels = append(c.labels, s.builder.Labels())
		if s.keyed {
			s.cache.put(s.key, knownSeries{storage.SeriesRef(1), s.builder.Labels()}, &s.place)
		}
	}
	c.samples = append(c.samples, slices.Clone(s.samples))
	c.histograms = append(c.histograms, len(s.histograms))
	c.exemplars = append(c.exemplars, len(s.exemplars))
	return nil
}

func (c *collected) metadata(family string, _ metadata.Metadata) {
	c.families = append(c.families, string(append([]byte(nil), family...)))
}

func (c *collected) same(o *collected) bool {
	return slices.EqualFunc(c.labels, o.labels, labels.Equal) && slices.EqualFunc(c.samples, o.samples, sameSamples) &&
		slices.Equal(c.histograms, o.histograms) && slices.Equal(c.exemplars, o.exemplars) && slices.Equal(c.families, o.families) && c.bad == o.bad
}

func sameSamples(a []sample, b []sample) bool {
	return slices.EqualFunc(a, b, func(x, y sample) bool {
		return x.t == y.t && x.st == y.st && math.Float64bits(x.v) == math.Float64bits(y.v)
	})
}

// FuzzDecodeV1 compares our decoder with Prometheus' generated code: what both
// accept, both must read the same. Each refuses some broken encodings (overlong
// varints, groups, references that run out of their field) that the other takes.
func FuzzDecodeV1(f *testing.F) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for _, req := range []*prompb.WriteRequest{
		{},
		{Timeseries: []prompb.TimeSeries{{Labels: pairs("__name__", "a", "b", "c"), Samples: []prompb.Sample{{Value: math.NaN(), Timestamp: at}},
			Exemplars: []prompb.Exemplar{{Labels: pairs("trace_id", "t"), Value: 1, Timestamp: -at}}}}},
		{Timeseries: []prompb.TimeSeries{{Labels: pairs("__name__", "h"), Histograms: []prompb.Histogram{prompb.FromIntHistogram(at, tsdbutil.GenerateTestHistogram(3))}}}},
		{Metadata: []prompb.MetricMetadata{{Type: 7, MetricFamilyName: "m", Help: "h", Unit: "u"}}},
	} {
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0x0a, 0x00})
	f.Add([]byte{0x0b, 0x0c})
	f.Fuzz(func(t *testing.T, body []byte) {
		var got collected
		var s series
		// The second time, the labels come from the cache.
		s.cache = newSeriesCache(1000)
		err := decodeV1(body, &s, &got)
		var again collected
		if err2 := decodeV1(body, &s, &again); err == nil && (err2 != nil || !got.same(&again)) {
			t.Fatalf("with the cache %v, %v, before %v", again, err2, got)
		}
		var want prompb.WriteRequest
		if proto.Unmarshal(body, &want) != nil || err != nil {
			return
		}
		if len(want.Timeseries) != len(got.labels) || len(want.Metadata) != len(got.families) {
			t.Fatalf("%d series, %d families, want %d and %d", len(got.labels), len(got.families), len(want.Timeseries), len(want.Metadata))
		}
		b := labels.NewScratchBuilder(0)
		for i, ts := range want.Timeseries {
			ls := ts.ToLabels(&b, nil)
			var samples []sample
			for _, v := range ts.Samples {
				samples = append(samples, sample{t: v.Timestamp, v: v.Value})
			}
			if !labels.Equal(ls, got.labels[i]) && ls.String() != got.labels[i].String() || !sameSamples(samples, got.samples[i]) ||
				len(ts.Histograms) != got.histograms[i] || len(ts.Exemplars) != got.exemplars[i] {
				t.Fatalf("series %d: %v %v, want %v %v", i, got.labels[i], got.samples[i], ls, samples)
			}
		}
	})
}

// FuzzDecodeV2 is FuzzDecodeV1 for version 2.
func FuzzDecodeV2(f *testing.F) {
	for _, req := range []*writev2.Request{{}, v2Request(1_700_000_000_000)} {
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0x2a, 0x04, 0x0a, 0x02, 0x01, 0x63})
	f.Fuzz(func(t *testing.T, body []byte) {
		var got collected
		var s series
		s.cache = newSeriesCache(1000)
		err := decodeV2(body, new(symbolTable), &s, &got)
		var again collected
		if err2 := decodeV2(body, new(symbolTable), &s, &again); err == nil && (err2 != nil || !got.same(&again)) {
			t.Fatalf("with the cache %v, %v, before %v", again, err2, got)
		}
		var want writev2.Request
		if proto.Unmarshal(body, &want) != nil || err != nil {
			return
		}
		if len(want.Timeseries) != len(got.labels)+got.bad {
			t.Fatalf("%d series and %d bad, want %d", len(got.labels), got.bad, len(want.Timeseries))
		}
		if got.bad > 0 {
			return
		}
		b := labels.NewScratchBuilder(0)
		for i, ts := range want.Timeseries {
			ls, err := ts.ToLabels(&b, want.Symbols)
			if err != nil {
				t.Fatalf("accepted a series that the library refuses: %v", err)
			}
			var samples []sample
			for _, v := range ts.Samples {
				samples = append(samples, sample{t: v.Timestamp, st: v.StartTimestamp, v: v.Value})
			}
			if ls.String() != got.labels[i].String() || !sameSamples(samples, got.samples[i]) || len(ts.Histograms) != got.histograms[i] {
				t.Fatalf("series %d: %v %v, want %v %v", i, got.labels[i], got.samples[i], ls, samples)
			}
		}
	})
}
