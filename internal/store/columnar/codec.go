package columnar

import (
	"encoding/binary"
	"errors"
	"math"

	"hinomi/internal/store"
)

// Representations of a column in a block (FORMAT.md, "Block").
const (
	repDict   = 1 // strings; then codes
	repPlain  = 2 // strings
	repNarrow = 3 // base, width; then differences from the base
	repFloats = 4
	repZero   = 5 // every integer is 0

	validFlag = 0x80
)

var errBlock = errors.New("malformed block")

func encodeVec(dst []byte, v *store.Vec) (rep byte, out []byte) {
	var wide uint64
	var base int64
	switch {
	case v.Codes != nil:
		rep = repDict
	case v.Ints != nil:
		base, wide = spanOf(v.Ints)
		rep = repNarrow
		if wide == 0 && base == 0 {
			rep = repZero
		}
	case v.Floats != nil:
		rep = repFloats
	default:
		rep = repPlain
	}
	if v.Valid != nil {
		dst = appendBitmap(dst, v.Valid)
	}
	switch rep {
	case repDict:
		dst = appendCodes(appendStrings(dst, v.Dict), v.Codes, len(v.Dict))
	case repPlain:
		dst = appendStrings(dst, v.Strs)
	case repNarrow:
		dst = appendNarrow(dst, v.Ints, base, wide)
	case repFloats:
		for _, x := range v.Floats {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
		}
	}
	if v.Valid != nil {
		rep |= validFlag
	}
	return rep, dst
}

// spanOf returns the smallest of the integers and how far the largest is from it.
func spanOf(ints []int64) (base int64, wide uint64) {
	if len(ints) == 0 {
		return 0, 0
	}
	lo, hi := ints[0], ints[0]
	for _, x := range ints[1:] {
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo, uint64(hi) - uint64(lo)
}

// widthOf is how many bytes a difference of at most wide takes.
func widthOf(wide uint64) int {
	switch {
	case wide == 0:
		return 0
	case wide <= math.MaxUint8:
		return 1
	case wide <= math.MaxUint16:
		return 2
	case wide <= math.MaxUint32:
		return 4
	}
	return 8
}

func appendNarrow(dst []byte, ints []int64, base int64, wide uint64) []byte {
	width := widthOf(wide)
	dst = append(binary.LittleEndian.AppendUint64(dst, uint64(base)), byte(width))
	for _, x := range ints {
		d := uint64(x) - uint64(base)
		switch width {
		case 1:
			dst = append(dst, byte(d))
		case 2:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(d))
		case 4:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(d))
		case 8:
			dst = binary.LittleEndian.AppendUint64(dst, d)
		}
	}
	return dst
}

func appendCodes(dst []byte, codes []uint32, entries int) []byte {
	switch {
	case entries <= 1:
	case entries <= 1<<8:
		for _, c := range codes {
			dst = append(dst, byte(c))
		}
	case entries <= 1<<16:
		for _, c := range codes {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(c))
		}
	default:
		for _, c := range codes {
			dst = binary.LittleEndian.AppendUint32(dst, c)
		}
	}
	return dst
}

func appendBitmap(dst []byte, valid []bool) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, (len(valid)+7)/8)...)
	for i, ok := range valid {
		if ok {
			dst[n+i/8] |= 1 << (i % 8)
		}
	}
	return dst
}

func appendStrings(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
	}
	for _, s := range list {
		dst = append(dst, s...)
	}
	return dst
}

// reader decodes a block; every length is checked before it is used.
type reader struct {
	data []byte
	err  error
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.err, r.data = errBlock, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.err, r.data = errBlock, nil
		return nil
	}
	out := r.data[:n:n]
	r.data = r.data[n:]
	return out
}

func (r *reader) str(n uint64) string { return bytesString(r.take(n)) }

func (r *reader) strings() []string {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.err = errBlock
		return nil
	}
	// The lengths are read twice rather than kept.
	lens := r.data
	for range n {
		r.uvarint()
	}
	out := make([]string, n)
	for i := range out {
		l, k := binary.Uvarint(lens)
		if k <= 0 {
			r.err = errBlock
			return nil
		}
		lens = lens[k:]
		out[i] = r.str(l)
	}
	return out
}

func (r *reader) vec(kind store.Kind, rep byte, n int) *store.Vec {
	v := &store.Vec{Kind: kind}
	if rep&validFlag != 0 {
		bits := r.take(uint64(n+7) / 8)
		if r.err != nil {
			return nil
		}
		v.Valid = make([]bool, n)
		for i := range v.Valid {
			v.Valid[i] = bits[i/8]&(1<<(i%8)) != 0
		}
	}
	text := kind == store.KindString || kind == store.KindBytes
	whole := kind == store.KindInt || kind == store.KindBool
	switch rep &^ validFlag {
	case repDict:
		v.Dict = r.strings()
		v.Codes = r.codes(n, len(v.Dict))
		r.require(text)
	case repPlain:
		v.Strs = r.strings()
		r.require(text && len(v.Strs) == n)
	case repNarrow:
		v.Ints = r.narrow(n)
		r.require(whole)
	case repZero:
		v.Ints = make([]int64, n)
		r.require(whole)
	case repFloats:
		if b := r.take(8 * uint64(n)); r.err == nil {
			v.Floats = make([]float64, n)
			for i := range v.Floats {
				v.Floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
			}
		}
		r.require(kind == store.KindFloat)
	default:
		r.err = errBlock
	}
	return v
}

func (r *reader) require(ok bool) {
	if !ok && r.err == nil {
		r.err = errBlock
	}
}

func (r *reader) narrow(n int) []int64 {
	head := r.take(9)
	if r.err != nil {
		return nil
	}
	base, width := binary.LittleEndian.Uint64(head), int(head[8])
	if width != 0 && width != 1 && width != 2 && width != 4 && width != 8 {
		r.err = errBlock
		return nil
	}
	b := r.take(uint64(width) * uint64(n))
	if r.err != nil {
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		d := uint64(0)
		switch width {
		case 1:
			d = uint64(b[i])
		case 2:
			d = uint64(binary.LittleEndian.Uint16(b[2*i:]))
		case 4:
			d = uint64(binary.LittleEndian.Uint32(b[4*i:]))
		case 8:
			d = binary.LittleEndian.Uint64(b[8*i:])
		}
		out[i] = int64(base + d)
	}
	return out
}

func (r *reader) codes(n, dict int) []uint32 {
	width := uint64(4)
	switch {
	case dict == 0 && n > 0:
		r.err = errBlock
		return nil
	case dict <= 1:
		return make([]uint32, n)
	case dict <= 1<<8:
		width = 1
	case dict <= 1<<16:
		width = 2
	}
	b := r.take(width * uint64(n))
	if r.err != nil {
		return nil
	}
	out := make([]uint32, n)
	for i := range out {
		switch width {
		case 1:
			out[i] = uint32(b[i])
		case 2:
			out[i] = uint32(binary.LittleEndian.Uint16(b[2*i:]))
		default:
			out[i] = binary.LittleEndian.Uint32(b[4*i:])
		}
		if out[i] >= uint32(dict) {
			r.err = errBlock
			return nil
		}
	}
	return out
}
