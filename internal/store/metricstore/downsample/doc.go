// Package downsample turns the samples of a series into aggregates per window
// and writes them as an ordinary Prometheus block; see FORMAT.md. It knows
// neither where blocks lie nor how queries use them.
//
// Times are Unix milliseconds. A window of resolution r that ends at e holds
// the samples in (e-r, e], as a PromQL range selector does.
package downsample
