package app

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
)

func TestTracesThatExemplarsNameAreKnown(t *testing.T) {
	r := start(t)
	app := r.stores.metrics.Appender(t.Context(), model.ScopeAll())
	ls := labels.FromStrings(labels.MetricName, "latency_bucket", "le", "1")
	now := time.Now().UnixMilli()
	ref, err := app.Append(0, ls, now, 1)
	if err != nil {
		t.Fatal(err)
	}
	e := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", "000102030405060708090a0b0c0d0e0f"), Value: 0.5, Ts: now, HasTs: true}
	if _, err := app.AppendExemplar(ref, ls, e); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	id := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	if !r.exemplars.named(id) {
		t.Error("the trace of an exemplar is not known")
	}
	if r.exemplars.named([16]byte{1}) {
		t.Error("a trace that no exemplar names is known")
	}
}
