package traceql

import (
	"math"
	"math/bits"
	"strconv"
)

// Quantiles and histograms count values in buckets that double in size, as Tempo
// does: bucket e holds (2^(e-1), 2^e]. A quantile is interpolated inside of its
// bucket along the exponent, so it is wrong by less than a factor of two, and
// exact when the bucket ends there.
//
// Integers and durations below 2 have no bucket and do not count, as in Tempo.

// bucketZero is the code of the bucket that ends at 2^0; smaller ones are of
// fractions.
const bucketZero = 1075

// maxBucket ends at the largest float.
const maxBucket = bucketZero + 1025

// intBucket is the code of an integer's bucket.
func intBucket(v int64) (uint32, bool) {
	if v < 2 {
		return 0, false
	}
	return bucketZero + uint32(64-bits.LeadingZeros64(uint64(v)-1)), true
}

// floatBucket is the code of a positive float's bucket.
func floatBucket(v float64) (uint32, bool) {
	if !(v > 0) || math.IsInf(v, 1) {
		return 0, false
	}
	frac, exp := math.Frexp(v) // v = frac·2^exp, frac in [0.5, 1)
	if frac == 0.5 {
		exp--
	}
	return uint32(bucketZero + exp), true
}

// bucketEnd is the largest value of a bucket.
func bucketEnd(code int) float64 { return math.Ldexp(1, code-bucketZero) }

// bucketNames are the codes as texts, which a dictionary needs.
func bucketNames() []string {
	out := make([]string, maxBucket+1)
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}

// bucketCount is how many values lie up to end and above the bucket before.
type bucketCount struct {
	end   float64
	count float64
}

// log2Quantile finds the value below which a share q of the counted values lies.
// The buckets are in order; the result of none is 0.
func log2Quantile(q float64, buckets []bucketCount) float64 {
	total := 0.0
	for _, b := range buckets {
		total += b.count
	}
	if total == 0 || q < 0 || q > 1 || math.IsNaN(q) {
		return 0
	}
	// Counts of weighted spans are no whole numbers.
	want := math.Min(total, math.Max(1, math.Ceil(q*total)))
	sum, at := 0.0, 0
	for i, b := range buckets {
		at = i
		if sum+b.count > want {
			break
		}
		if sum += b.count; sum == want {
			return b.end
		}
	}
	hi := math.Log2(buckets[at].end)
	lo := hi - 1
	if at > 0 {
		lo = math.Log2(buckets[at-1].end)
	}
	return math.Pow(2, lo+(hi-lo)*(want-sum)/buckets[at].count)
}
