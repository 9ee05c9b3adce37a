package traceql

import (
	"context"
	"testing"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/tracestore"
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
		b.Run(name, func(b *testing.B) { benchMetrics(b, eng, q) })
	}
}

func benchMetrics(b *testing.B, eng *Engine, q string) {
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
}

// BenchmarkMetricsOfSampled asks a store in which every second trace is left, those
// with errors with another weight than the others. Without weights the same rows are
// counted once.
func BenchmarkMetricsOfSampled(b *testing.B) {
	clock := scriptZero.Add(time.Hour)
	s := benchStore(b, func() time.Time { return clock })
	sampler, err := tracestore.NewSampler(tracestore.SamplingPolicy{Grace: time.Hour, Default: 0.5, Errors: 1})
	if err != nil {
		b.Fatal(err)
	}
	clock = clock.Add(4 * time.Hour)
	if err := s.SetPolicy(columnar.Policy{Sampler: sampler}); err != nil {
		b.Fatal(err)
	}
	if err := s.ApplyPolicy(); err != nil {
		b.Fatal(err)
	}
	eng, err := New(Options{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []string{`{ } | rate()`, `{ } | rate() by (resource.service.name)`, `{ } | quantile_over_time(duration, .5)`, `{ } | avg_over_time(duration)`} {
		b.Run(q, func(b *testing.B) {
			b.Run("weighted", func(b *testing.B) { benchMetrics(b, eng, q) })
			b.Run("each once", func(b *testing.B) { benchMetrics(b, eng, q+" with (extrapolate=false)") })
		})
	}
}
