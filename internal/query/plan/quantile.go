package plan

// QuantileOf is the q-quantile of sorted values, interpolated linearly between the
// two nearest ranks, as Prometheus and Loki do. It is NaN without values, -Inf for
// q < 0 and +Inf for q > 1.
func QuantileOf(q float64, sorted []float64) float64 { return quantile(q, sorted) }
