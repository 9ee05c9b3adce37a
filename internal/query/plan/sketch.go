package plan

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// SketchError is the relative error of quantiles that were computed from a sketch
// because their values were more than Aggregate.SampleLimit.
const SketchError = 0.01

// sketch counts values in buckets that grow by a constant factor, so that each is
// known but for SketchError (Masson et al., "DDSketch", 2019, with exact maps
// instead of collapsed ones).
type sketch map[int32]float64

// Keys of what has no logarithm. A positive number's key is positive, a negative
// number's the negation, so that the order of keys is that of values.
const (
	sketchNaN = math.MinInt32
	sketchInf = math.MaxInt32
	sketchOne = 1 << 20 // the key of 1
)

var (
	sketchGrowth = (1 + SketchError) / (1 - SketchError)
	sketchScale  = 1 / math.Log(sketchGrowth)
)

func sketchKey(v float64) int32 {
	switch {
	case math.IsNaN(v):
		return sketchNaN
	case v == 0:
		return 0
	case math.IsInf(v, 0):
		return int32(math.Copysign(sketchInf, v))
	}
	key := int32(math.Ceil(math.Log(math.Abs(v))*sketchScale)) + sketchOne
	if v < 0 {
		return -key
	}
	return key
}

// sketchValue is the middle of a bucket, as far from both ends.
func sketchValue(key int32) float64 {
	switch {
	case key == sketchNaN:
		return math.NaN()
	case key == 0:
		return 0
	case key == sketchInf:
		return math.Inf(1)
	case key == -sketchInf:
		return math.Inf(-1)
	case key < 0:
		return -sketchValue(-key)
	}
	return 2 * math.Exp(float64(key-sketchOne)/sketchScale) / (sketchGrowth + 1)
}

func (s sketch) add(v float64) { s[sketchKey(v)]++ }

func (s sketch) merge(o sketch) {
	for k, n := range o {
		s[k] += n
	}
}

// quantile is that of the values that were added, interpolated between ranks as
// quantile does.
func (s sketch) quantile(q float64) float64 {
	keys := slices.SortedFunc(maps.Keys(s), cmp.Compare)
	total := 0.0
	for _, k := range keys {
		total += s[k]
	}
	if total == 0 || !(q >= 0 && q <= 1) {
		return quantile(q, make([]float64, min(1, len(keys))))
	}
	at := func(rank float64) float64 {
		seen := 0.0
		for _, k := range keys {
			if seen += s[k]; seen > rank {
				return sketchValue(k)
			}
		}
		return sketchValue(keys[len(keys)-1])
	}
	rank := q * (total - 1)
	lo := math.Floor(rank)
	low, high := at(lo), at(math.Min(total-1, lo+1))
	if low == high {
		return low
	}
	return low*(1-(rank-lo)) + high*(rank-lo)
}
