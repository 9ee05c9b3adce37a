package tempo

import (
	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/api/apierr"
)

// fields are those of a request. Of a field that comes twice the last counts,
// except for maps.
type fields struct {
	ints  map[protowire.Number]uint64
	texts map[protowire.Number][]string
}

// readFields reads a request's fields; kinds that requests have not are skipped.
func readFields(m message) (fields, error) {
	f := fields{ints: map[protowire.Number]uint64{}, texts: map[protowire.Number][]string{}}
	for b := []byte(m); len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return f, apierr.BadRequest("request is not protobuf: %w", protowire.ParseError(n))
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			f.ints[num], n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(b); n >= 0 {
				f.texts[num] = append(f.texts[num], string(v))
			}
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return f, apierr.BadRequest("request is not protobuf: %w", protowire.ParseError(n))
		}
		b = b[n:]
	}
	return f, nil
}

func (f fields) uint(n protowire.Number) uint64 { return f.ints[n] }

func (f fields) str(n protowire.Number) string {
	if list := f.texts[n]; len(list) > 0 {
		return list[len(list)-1]
	}
	return ""
}

// strMap reads a map of texts.
func (f fields) strMap(n protowire.Number) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range f.texts[n] {
		e, err := readFields(message(text))
		if err != nil {
			return nil, err
		}
		out[e.str(1)] = e.str(2)
	}
	return out, nil
}
