package collector

import (
	"maps"
	"testing"

	"hinomi/internal/model"
)

func TestDirectReceivers(t *testing.T) {
	got := directReceivers(`
service:
  pipelines:
    logs: {receivers: [otlp], exporters: [hinomi]}
    traces: {receivers: [otlp], processors: [batch], exporters: [hinomi]}
    metrics: {receivers: [otlp, otlp/b], exporters: [hinomi/named]}
    logs/two: {receivers: [otlp/two], exporters: [hinomi]}
    logs/three: {receivers: [otlp/two], exporters: [hinomi]}
    logs/four: {receivers: [otlp/four], exporters: [hinomi, debug]}
    logs/five: {receivers: [otlp/five], exporters: ["${env:X}"]}
`)
	want := map[directKey]string{
		{"otlp", model.Logs}: "otlp", {"otlp", model.Metrics}: "otlp/named", {"otlp/b", model.Metrics}: "otlp/named",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if directReceivers(":") != nil {
		t.Error("no YAML, but receivers")
	}
}
