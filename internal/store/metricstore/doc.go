// Package metricstore keeps metrics in an embedded Prometheus TSDB and adds
// what Prometheus leaves to its operator: every read and write is held inside
// a model.Scope, a commit is fsynced before it is acknowledged, samples from
// the far future are refused, a full disk refuses writes before it can tear
// the write-ahead log, and a damaged log is kept aside before it is repaired.
//
// Times are Unix milliseconds, as everywhere in Prometheus.
package metricstore
