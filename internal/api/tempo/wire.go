package tempo

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/query/traceql"
)

// message is a protobuf message under construction. Like protobuf's own encoders
// it leaves zero values out. The field numbers in this package are those of
// Tempo's tempo.proto; its Go package would bring all of Tempo along.
type message []byte

func (m *message) str(field protowire.Number, s string) {
	if s != "" {
		*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
	}
}

func (m *message) uint(field protowire.Number, v uint64) {
	if v != 0 {
		*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), v)
	}
}

func (m *message) double(field protowire.Number, v float64) {
	if v != 0 || math.Signbit(v) {
		*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), math.Float64bits(v))
	}
}

// sub adds a message, an empty one too: that it is there says something.
func (m *message) sub(field protowire.Number, v message) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

// anyValue is OpenTelemetry's AnyValue. Exactly one field is set, so zero values
// are written.
func anyValueWire(v traceql.Static) message {
	var m message
	switch v.Type {
	case traceql.TypeBool:
		m = protowire.AppendVarint(protowire.AppendTag(m, 2, protowire.VarintType), uint64(v.Int))
	case traceql.TypeInt:
		m = protowire.AppendVarint(protowire.AppendTag(m, 3, protowire.VarintType), uint64(v.Int))
	case traceql.TypeFloat:
		m = protowire.AppendFixed64(protowire.AppendTag(m, 4, protowire.Fixed64Type), math.Float64bits(v.Flt))
	case traceql.TypeArray:
		var list message
		for _, e := range v.Elements() {
			list.sub(1, anyValueWire(e))
		}
		m.sub(5, list)
	default:
		m = protowire.AppendString(protowire.AppendTag(m, 1, protowire.BytesType), v.Text())
	}
	return m
}

// keyValues adds a list of OpenTelemetry's KeyValue.
func (m *message) keyValues(field protowire.Number, list []traceql.Named) {
	for _, n := range list {
		var kv message
		kv.str(1, n.Name)
		kv.sub(2, anyValueWire(n.Val))
		m.sub(field, kv)
	}
}

func (s searchMetrics) wire() message {
	var m message
	m.uint(1, uint64(s.InspectedTraces))
	m.uint(2, s.inspectedBytes)
	m.uint(3, uint64(s.TotalBlocks))
	m.uint(4, uint64(s.CompletedJobs))
	m.uint(5, uint64(s.TotalJobs))
	m.uint(7, s.inspectedSpans)
	return m
}

// metadataWire is MetadataMetrics, which tags answer with.
func (s searchMetrics) metadataWire() message {
	var m message
	m.uint(1, s.inspectedBytes)
	m.uint(2, uint64(s.TotalJobs))
	m.uint(3, uint64(s.CompletedJobs))
	m.uint(4, uint64(s.TotalBlocks))
	return m
}

// searchWire is SearchResponse.
func searchWire(traces []traceql.Found, metrics searchMetrics) message {
	var m message
	for _, f := range traces {
		m.sub(1, foundWire(f))
	}
	m.sub(2, metrics.wire())
	return m
}

func foundWire(f traceql.Found) message {
	t := meta(f)
	var m message
	m.str(1, t.TraceID)
	m.str(2, t.RootServiceName)
	m.str(3, t.RootTraceName)
	m.uint(4, uint64(f.Start))
	m.uint(5, uint64(t.DurationMs))
	for i, set := range f.Sets {
		var s message
		for _, sp := range set.Spans {
			var x message
			x.str(1, sp.ID)
			x.str(2, sp.Name)
			x.uint(3, uint64(sp.Start))
			x.uint(4, uint64(sp.Duration))
			x.keyValues(5, sp.Attrs)
			s.sub(1, x)
		}
		s.uint(2, uint64(set.Matched))
		s.keyValues(3, set.Attrs)
		if i == 0 {
			m.sub(6, s)
		}
		m.sub(7, s)
	}
	for name, st := range f.ServiceStats {
		var entry, v message
		v.uint(1, uint64(st.Spans))
		v.uint(2, uint64(st.Errors))
		entry.str(1, name)
		entry.sub(2, v)
		m.sub(8, entry)
	}
	return m
}

// rangeWire is QueryRangeResponse.
func rangeWire(res traceql.MetricsResult) message {
	var m message
	for _, s := range res.Series {
		var x message
		x.keyValues(1, s.Labels)
		for k, v := range s.Values {
			if math.IsNaN(v) {
				continue
			}
			var p message
			p.double(1, v)
			p.uint(2, uint64(res.Times[k]))
			x.sub(2, p)
		}
		for _, e := range s.Exemplars {
			var p message
			p.keyValues(1, e.Labels)
			p.double(2, e.Value)
			p.uint(3, uint64(e.Ts))
			x.sub(4, p)
		}
		m.sub(1, x)
	}
	m.status(res)
	return m
}

// instantWire is QueryInstantResponse.
func instantWire(res traceql.MetricsResult) message {
	var m message
	for _, s := range res.Series {
		var x message
		x.keyValues(1, s.Labels)
		x.double(2, s.Values[0])
		m.sub(1, x)
	}
	m.status(res)
	return m
}

// status adds metrics and whether the answer is partial.
func (m *message) status(res traceql.MetricsResult) {
	m.sub(2, metricsOf(res.Stats).done(res.Partial).wire())
	if res.Partial {
		m.uint(3, 1)
		m.str(4, res.Message)
	}
}
