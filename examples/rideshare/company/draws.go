package company

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// Draws returns the random numbers of one decision point. They depend only on the seed and the names, never on
// time or on the order in which goroutines run, so the same seed gives the same outcomes.
func Draws(seed uint64, names ...string) *rand.Rand {
	h := fnv.New64a()
	for _, n := range names {
		h.Write([]byte(n))
		h.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// spread is the sigma of the log-normal latencies: p99 is about 2.8 times the median.
const spread = 0.45

// logNormal draws a latency around a median, at most twenty times of it.
func logNormal(rng *rand.Rand, median time.Duration) time.Duration {
	return time.Duration(float64(median) * min(20, math.Exp(spread*rng.NormFloat64())))
}
