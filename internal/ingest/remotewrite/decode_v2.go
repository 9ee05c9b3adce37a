package remotewrite

import (
	"fmt"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxSymbols bounds the strings of one request. A symbol needs two bytes on
// the wire and sixteen in memory, so an unbounded table would multiply a
// hostile body.
const maxSymbols = 1 << 20

// maxExpandedBytes bounds the labels of one request written out: every series
// can refer to the same long symbol again, so that a small body could grow
// without end. Ten thousand series of three kilobytes fit.
const maxExpandedBytes = 32 << 20

// decodeV2 walks an io.prometheus.write.v2.Request. The symbols may come after
// the series that use them, so there are two passes.
func decodeV2(body []byte, symbols *symbolTable, s *series, to sink) error {
	symbols.reset()
	err := fields(body, func(f field) error {
		if f.num != 4 {
			return nil
		}
		if err := f.want(protowire.BytesType); err != nil {
			return err
		}
		return symbols.add(f, s.cache)
	})
	if err != nil {
		return err
	}
	s.expanded = 0
	return fields(body, func(f field) error {
		if f.num != 5 {
			return nil
		}
		if err := f.want(protowire.BytesType); err != nil {
			return err
		}
		s.reset()
		bad, err := decodeSeriesV2(f.bytes, symbols, s)
		if err != nil {
			return fmt.Errorf("time series: %w", err)
		}
		return to.series(s, bad)
	})
}

// decodeSeriesV2 reads one series. bad tells of references outside of the
// symbols: the message is well-formed, so only this series is refused.
func decodeSeriesV2(b []byte, symbols *symbolTable, s *series) (bad, err error) {
	note := func(err error) {
		if bad == nil {
			bad = err
		}
	}
	s.refs = s.refs[:0]
	err = fields(b, func(f field) (err error) {
		if f.num == 1 {
			s.refs, err = f.refs(s.refs)
			return err
		}
		if f.num > 5 {
			return nil
		}
		if err := f.want(protowire.BytesType); err != nil {
			return err
		}
		switch f.num {
		case 2:
			v, err := decodeSample(f.bytes)
			s.samples = append(s.samples, v)
			return err
		case 3:
			h, err := decodeHistogramV2(f.bytes)
			s.histograms = append(s.histograms, h)
			return err
		case 4:
			return decodeExemplarV2(f.bytes, symbols, s, note)
		default:
			return decodeMetadataV2(f.bytes, symbols, s, note)
		}
	})
	if err != nil {
		return nil, err
	}
	if s.cache != nil {
		if s.key, s.keyed = symbols.key(s.refs, s.cache); s.keyed {
			if s.known, _ = s.cache.get(s.key, &s.place); s.known.ref != 0 {
				return bad, nil
			}
		}
	}
	bad2, err := s.resolve(&s.builder, s.refs, symbols.text)
	if bad2 != nil {
		note(bad2)
	}
	return bad, err
}

func decodeExemplarV2(b []byte, symbols *symbolTable, s *series, note func(error)) error {
	s.exemplarRefs = s.exemplarRefs[:0]
	e := exemplar.Exemplar{}
	err := fields(b, func(f field) (err error) {
		if f.num == 1 {
			s.exemplarRefs, err = f.refs(s.exemplarRefs)
			return err
		}
		return exemplarNumber(f, &e)
	})
	s.exemplarBuilder.Reset()
	if err != nil {
		return err
	}
	bad, err := s.resolve(&s.exemplarBuilder, s.exemplarRefs, symbols.text)
	if bad != nil {
		note(fmt.Errorf("exemplar: %w", bad))
		return nil
	}
	s.addExemplar(e)
	return err
}

func decodeMetadataV2(b []byte, symbols *symbolTable, s *series, note func(error)) error {
	var help, unit uint64
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			s.meta.Type = metricType(f.bits)
		case 3:
			help = f.bits
		case 4:
			unit = f.bits
		default:
			return nil
		}
		return f.want(protowire.VarintType)
	})
	if n := uint64(len(symbols.text)); help >= n || unit >= n {
		note(fmt.Errorf("metadata refers to symbols %d and %d of %d", help, unit, n))
		return err
	}
	s.meta.Help, s.meta.Unit = symbols.keep(uint32(help)), symbols.keep(uint32(unit))
	return err
}

// resolve adds the labels that refs name in pairs. bad concerns this series, err
// the request.
func (s *series) resolve(to *labels.ScratchBuilder, refs []uint32, symbols []string) (bad, err error) {
	if len(refs)%2 != 0 {
		return fmt.Errorf("%d label references, which are not pairs", len(refs)), nil
	}
	for i := 0; i < len(refs); i += 2 {
		name, value := int(refs[i]), int(refs[i+1])
		if name >= len(symbols) || value >= len(symbols) {
			return fmt.Errorf("label refers to symbols %d and %d of %d", name, value, len(symbols)), nil
		}
		if s.expanded += len(symbols[name]) + len(symbols[value]); s.expanded > maxExpandedBytes {
			return nil, fmt.Errorf("the labels of the request take more than %d bytes written out: send smaller batches", maxExpandedBytes)
		}
		to.Add(symbols[name], symbols[value])
	}
	return nil, nil
}
