// Package longterm keeps downsampled metrics: blocks of 5-minute and 1-hour
// aggregates (package downsample), made in the background from what a Prometheus
// TSDB holds, kept longer than that, and read together with it.
//
// Times are Unix milliseconds.
package longterm
