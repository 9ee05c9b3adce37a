package traceql

import (
	"context"
	"testing"
	"time"

	"hinomi/internal/model"
)

func BenchmarkMetrics(b *testing.B) {
	eng := benchEngine(b)
	for name, q := range map[string]string{
		"rate":                  `{ } | rate()`,
		"rate by service":       `{ } | rate() by (resource.service.name)`,
		"rate of errors by two": `{ status = error } | rate() by (resource.service.name, name)`,
		"quantile by service":   `{ } | quantile_over_time(duration, .5, .9, .99) by (resource.service.name)`,
		"histogram":             `{ } | histogram_over_time(duration)`,
		"avg of attribute":      `{ } | avg_over_time(span.http.status_code) by (name)`,
		"compare":               `{ } | compare({ status = error })`,
		"structural":            `{ resource.service.name = "service-3" } >> { status = error } | rate()`,
		"root name":             `{ status = error } | rate() by (rootName)`,
	} {
		b.Run(name, func(b *testing.B) {
			ask := func() {
				res, err := eng.Metrics(context.Background(), model.ScopeAll(), MetricsRequest{Query: q, Start: scriptZero, End: scriptZero.Add(20 * time.Minute), Step: 15 * time.Second})
				if err != nil || res.Partial {
					b.Fatal(err, res.Message)
				}
			}
			for range 3 {
				ask()
			}
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}
