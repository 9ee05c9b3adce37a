package downsample

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// Label names the aggregate of a series in a downsampled block. It is reserved:
// a series that was sent with it is not downsampled.
const Label = "__aggregate__"

// Aggregates, as values of Label.
const (
	Count    = "count"
	First    = "first"
	Increase = "increase"
	Last     = "last"
	Max      = "max"
	Min      = "min"
	Sum      = "sum"
)

// Aggregates lists all of them.
func Aggregates() []string { return []string{Count, First, Increase, Last, Max, Min, Sum} }

// Sample is one sample of an aggregate. It implements chunks.Sample.
type Sample struct {
	Time  int64
	Value float64
	Hist  *histogram.FloatHistogram
}

var _ chunks.Sample = Sample{}

// T is the sample's time.
func (s Sample) T() int64 { return s.Time }

// ST is 0: there is no start timestamp.
func (s Sample) ST() int64 { return 0 }

// F is the value of a float sample.
func (s Sample) F() float64 { return s.Value }

// H is nil: histograms are kept as float histograms.
func (s Sample) H() *histogram.Histogram { return nil }

// FH is the value of a histogram sample.
func (s Sample) FH() *histogram.FloatHistogram { return s.Hist }

// Type tells the two apart.
func (s Sample) Type() chunkenc.ValueType {
	if s.Hist != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// Copy shares nothing with s.
func (s Sample) Copy() chunks.Sample {
	if s.Hist != nil {
		s.Hist = s.Hist.Copy()
	}
	return s
}

// rounding is how much a sum of differences may differ from the difference of
// the ends, relative to these, when there was no reset.
const rounding = 1e-12

// List implements storage.Samples without a copy of each sample.
type List []Sample

// Get is sample i.
func (l List) Get(i int) chunks.Sample { return &l[i] }

// Len is their number.
func (l List) Len() int { return len(l) }

// omitted tells which aggregates of a series need no samples of their own
// because another one says the same in every window: what only grows has its
// minimum first and its maximum last, and increases by their difference.
func omitted(ws []Window) (omit map[string]bool) {
	minimum, maximum, increase := true, true, true
	for i := range ws {
		w := &ws[i]
		if w.Count == 0 {
			continue
		}
		if w.H != nil {
			// Histograms have no minimum and maximum.
			increase = increase && w.H.Increase.Equals(gauge(derivedIncrease(w)))
			continue
		}
		minimum = minimum && same(w.Min, w.First)
		maximum = maximum && same(w.Max, w.Last)
		increase = increase && math.Abs(w.Increase-(w.Last-w.First)) <= rounding*max(math.Abs(w.First), math.Abs(w.Last))
	}
	return map[string]bool{Min: minimum, Max: maximum, Increase: increase}
}

func derivedIncrease(w *Window) *histogram.FloatHistogram { return DeltaHistogram(w.H.First, w.H.Last) }

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// samples are the samples of one aggregate of a series.
func samples(out List, ws []Window, aggregate string) List {
	for i := range ws {
		w := &ws[i]
		if w.Count > 0 && (w.H == nil || aggregate != Min && aggregate != Max) {
			out = append(out, w.Sample(aggregate))
		}
		if w.Stale != 0 && aggregate == Count {
			out = append(out, Sample{Time: w.Stale, Value: math.Float64frombits(value.StaleNaN)})
		}
	}
	return out
}

// Sample is an aggregate of a window that has samples. Histograms have no minimum
// and maximum.
func (w *Window) Sample(aggregate string) Sample {
	s := Sample{Time: w.T}
	if aggregate == Count {
		s.Value = w.Count
		return s
	}
	if w.H != nil {
		switch aggregate {
		case First:
			s.Hist = w.H.First
		case Last:
			s.Hist = w.H.Last
		case Increase:
			s.Hist = w.H.Increase
		default:
			s.Hist = w.H.Sum
		}
		return s
	}
	switch aggregate {
	case First:
		s.Value = w.First
	case Last:
		s.Value = w.Last
	case Increase:
		s.Value = w.Increase
	case Min:
		s.Value = w.Min
	case Max:
		s.Value = w.Max
	default:
		s.Value = w.Sum
	}
	return s
}
