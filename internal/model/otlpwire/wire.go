// Package otlpwire reads the protobuf encoding of OTLP messages field by field,
// without copying and without building objects (opentelemetry-proto 1.9;
// protocol buffers, "Encoding"). It accepts less than pdata does: whoever gets
// ok false decodes with pdata, which then gives the verdict.
package otlpwire

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Wire types.
const (
	Varint  = 0
	Fixed64 = 1
	Bytes   = 2
	Fixed32 = 5
)

// Field is one field of a message.
type Field struct {
	Num   uint32
	Type  uint8
	Int   uint64 // of Varint, Fixed64, Fixed32
	Bytes []byte // of Bytes; a view
}

// Text is the field's bytes as a string, which is a view.
func (f *Field) Text() string { return unsafe.String(unsafe.SliceData(f.Bytes), len(f.Bytes)) }

// Next reads the first field of a message and returns what follows it.
func Next(b []byte, f *Field) (rest []byte, ok bool) {
	tag, n := uint64(b[0]), 1
	if tag >= 0x80 {
		if tag, n = binary.Uvarint(b); n <= 0 {
			return nil, false
		}
	}
	if tag>>3 == 0 || tag>>3 > math.MaxInt32 {
		return nil, false
	}
	f.Num, f.Type = uint32(tag>>3), uint8(tag&7)
	b = b[n:]
	switch f.Type {
	case Bytes:
		if len(b) == 0 {
			return nil, false
		}
		size, n := uint64(b[0]), 1
		if size >= 0x80 {
			if size, n = binary.Uvarint(b); n <= 0 {
				return nil, false
			}
		}
		if size > uint64(len(b)-n) {
			return nil, false
		}
		end := n + int(size)
		f.Bytes = b[n:end:end]
		return b[end:], true
	case Varint:
		if f.Int, n = binary.Uvarint(b); n <= 0 {
			return nil, false
		}
		return b[n:], true
	case Fixed64:
		if len(b) < 8 {
			return nil, false
		}
		f.Int = binary.LittleEndian.Uint64(b)
		return b[8:], true
	case Fixed32:
		if len(b) < 4 {
			return nil, false
		}
		f.Int = uint64(binary.LittleEndian.Uint32(b))
		return b[4:], true
	}
	return nil, false // Groups.
}

// AppendBytes appends a length-delimited field.
func AppendBytes(dst []byte, num uint32, body []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(num)<<3|Bytes)
	dst = binary.AppendUvarint(dst, uint64(len(body)))
	return append(dst, body...)
}

// ValueKind is which member of AnyValue is set.
type ValueKind uint8

// Kinds of values. Complex ones are lists, maps, bytes and references to a table of
// strings.
const (
	Empty ValueKind = iota
	Text
	Bool
	Int
	Double
	Complex
)

// Value is an AnyValue.
type Value struct {
	Kind  ValueKind
	Text  string // a view
	Int   int64  // of Int, and of Bool 0 or 1
	Float float64
}

// Merge reads an AnyValue into v: of several members the last counts, but it stays
// complex when one was, because all of them have to be valid.
func (v *Value) Merge(b []byte) bool {
	var f Field
	var ok bool
	for len(b) > 0 {
		if b, ok = Next(b, &f); !ok {
			return false
		}
		if f.Num < uint32(len(valueTypes)) && f.Type != valueTypes[f.Num] {
			return false
		}
		if v.Kind == Complex {
			continue
		}
		switch f.Num {
		case 1:
			*v = Value{Kind: Text, Text: f.Text()}
		case 2:
			*v = Value{Kind: Bool}
			if f.Int != 0 {
				v.Int = 1
			}
		case 3:
			*v = Value{Kind: Int, Int: int64(f.Int)}
		case 4:
			*v = Value{Kind: Double, Float: math.Float64frombits(f.Int)}
		case 5, 6, 7, 8:
			*v = Value{Kind: Complex}
		}
	}
	return true
}

// valueTypes are the wire types of the members of AnyValue.
var valueTypes = [9]uint8{1: Bytes, 2: Varint, 3: Varint, 4: Fixed64, 5: Bytes, 6: Bytes, 7: Bytes, 8: Varint}

// KeyValue reads a KeyValue.
func KeyValue(b []byte) (key string, v Value, ok bool) {
	var f Field
	for len(b) > 0 {
		if b, ok = Next(b, &f); !ok {
			return "", v, false
		}
		switch f.Num {
		case 1:
			if f.Type != Bytes {
				return "", v, false
			}
			key = f.Text()
		case 2:
			if f.Type != Bytes || !v.Merge(f.Bytes) {
				return "", v, false
			}
		case 3: // A key in a table of strings, which logs and spans do not have.
			if f.Type != Varint {
				return "", v, false
			}
		}
	}
	return key, v, true
}
