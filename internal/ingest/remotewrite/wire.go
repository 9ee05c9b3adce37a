package remotewrite

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a protobuf message. bytes points into the message.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	bytes []byte // of a length-delimited field
	bits  uint64 // of a varint or fixed field
}

var errGroup = errors.New("protobuf groups are not part of remote write")

// fields calls fn for each field of message. It allocates nothing, so a
// hostile message costs no more memory than its bytes.
func fields(message []byte, fn func(field) error) error {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		f := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			f.bits, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			f.bits, n = protowire.ConsumeFixed64(message)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(message)
			f.bits = uint64(v)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		default:
			return errGroup
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

// want checks the wire type of a field that we know.
func (f field) want(typ protowire.Type) error {
	if f.typ != typ {
		return fmt.Errorf("field %d has wire type %d instead of %d", f.num, f.typ, typ)
	}
	return nil
}

// text is the field as a string that shares the request's memory: it must not
// outlive the request.
func (f field) text() string {
	return unsafe.String(unsafe.SliceData(f.bytes), len(f.bytes))
}

func (f field) double() float64 { return math.Float64frombits(f.bits) }

// refs appends the uint32 values of a repeated field, packed or not.
func (f field) refs(to []uint32) ([]uint32, error) {
	if f.typ == protowire.VarintType {
		return append(to, uint32(f.bits)), nil
	}
	if err := f.want(protowire.BytesType); err != nil {
		return to, err
	}
	for b := f.bytes; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return to, protowire.ParseError(n)
		}
		to, b = append(to, uint32(v)), b[n:]
	}
	return to, nil
}
