package remotewrite

import (
	"fmt"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// Histograms are large and rarer than samples, so Prometheus' generated code
// reads them; a packed bucket is at most eight times its bytes in memory.

func decodeHistogramV1(b []byte) (histogramSample, error) {
	var p prompb.Histogram
	if err := p.Unmarshal(b); err != nil {
		return histogramSample{}, fmt.Errorf("histogram: %w", err)
	}
	if p.IsFloatHistogram() {
		return histogramSample{t: p.Timestamp, fh: p.ToFloatHistogram()}, nil
	}
	return histogramSample{t: p.Timestamp, h: p.ToIntHistogram()}, nil
}

func decodeHistogramV2(b []byte) (histogramSample, error) {
	var p writev2.Histogram
	if err := p.Unmarshal(b); err != nil {
		return histogramSample{}, fmt.Errorf("histogram: %w", err)
	}
	if p.IsFloatHistogram() {
		return histogramSample{t: p.Timestamp, st: p.StartTimestamp, fh: p.ToFloatHistogram()}, nil
	}
	return histogramSample{t: p.Timestamp, st: p.StartTimestamp, h: p.ToIntHistogram()}, nil
}

// fitResolution lowers the resolution of a histogram that is finer than the
// store keeps, which loses precision but no observation.
func (h *histogramSample) fitResolution() error {
	switch {
	case h.h != nil && histogram.IsExponentialSchemaReserved(h.h.Schema) && h.h.Schema > histogram.ExponentialSchemaMax:
		return h.h.ReduceResolution(histogram.ExponentialSchemaMax)
	case h.fh != nil && histogram.IsExponentialSchemaReserved(h.fh.Schema) && h.fh.Schema > histogram.ExponentialSchemaMax:
		return h.fh.ReduceResolution(histogram.ExponentialSchemaMax)
	}
	return nil
}
