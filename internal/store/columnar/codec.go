package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"hinomi/internal/store"
)

// Representations of a column in a WAL payload (FORMAT.md, "Block").
const (
	repDict   = 1
	repPlain  = 2
	repInts   = 3
	repFloats = 4
	repZero   = 5 // every integer is 0

	validFlag = 0x80
)

var errBlock = errors.New("malformed block")

// encodeBlock appends the binary form of b to dst.
func encodeBlock(dst []byte, b *block) []byte {
	dst = binary.AppendUvarint(dst, uint64(b.n))
	dst = binary.AppendUvarint(dst, uint64(len(b.cols)))
	for name, v := range b.cols {
		dst = binary.AppendUvarint(dst, uint64(len(name)))
		dst = append(dst, name...)
		dst = append(dst, byte(v.Kind))
		dst = encodeVec(dst, v)
	}
	return dst
}

func encodeVec(dst []byte, v *store.Vec) []byte {
	rep := byte(repPlain)
	switch {
	case v.Codes != nil:
		rep = repDict
	case v.Ints != nil:
		rep = repZero
		for _, x := range v.Ints {
			if x != 0 {
				rep = repInts
				break
			}
		}
	case v.Floats != nil:
		rep = repFloats
	}
	if v.Valid != nil {
		rep |= validFlag
	}
	dst = append(dst, rep)
	if v.Valid != nil {
		dst = appendBitmap(dst, v.Valid)
	}
	switch rep &^ validFlag {
	case repDict:
		dst = appendStrings(dst, v.Dict)
		switch {
		case len(v.Dict) <= 1:
		case len(v.Dict) <= 1<<8:
			for _, c := range v.Codes {
				dst = append(dst, byte(c))
			}
		case len(v.Dict) <= 1<<16:
			for _, c := range v.Codes {
				dst = binary.LittleEndian.AppendUint16(dst, uint16(c))
			}
		default:
			for _, c := range v.Codes {
				dst = binary.LittleEndian.AppendUint32(dst, c)
			}
		}
	case repPlain:
		dst = appendStrings(dst, v.Strs)
	case repInts:
		for _, x := range v.Ints {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(x))
		}
	case repFloats:
		for _, x := range v.Floats {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
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

// maxBlockRows is more rows than a request can have.
const maxBlockRows = 1 << 24

// decodeBlock reads a block. Its strings point into data, which must not be
// changed afterwards. Every length is checked before it is used.
func decodeBlock(s *Schema, data []byte) (*block, error) {
	r := reader{data: data}
	n, ncols := r.uvarint(), r.uvarint()
	if n > maxBlockRows || ncols > uint64(len(data)) {
		return nil, errBlock
	}
	b := &block{n: int(n), cols: make(map[string]*store.Vec, ncols)}
	for range ncols {
		name := r.str(r.uvarint())
		v := r.vec(int(n))
		if r.err != nil {
			return nil, fmt.Errorf("column %q: %w", name, r.err)
		}
		b.cols[name] = v
		b.bytes += vecBytes(v)
	}
	if len(r.data) != 0 {
		return nil, errBlock
	}
	return b, b.check(s)
}

// check verifies what scans rely on: every fixed column is there with its kind,
// and fills in columns that an older version did not write.
func (b *block) check(s *Schema) error {
	// Without times nothing bounds the number of rows that is claimed.
	if _, ok := b.cols[s.Time]; !ok {
		return errBlock
	}
	for _, f := range s.Fields {
		v, ok := b.cols[f.Name]
		if !ok {
			c := colBuilder{kind: f.Kind}
			b.cols[f.Name] = c.finish(b.n)
			continue
		}
		if v.Kind != f.Kind || v.Valid != nil {
			return fmt.Errorf("column %q: %w", f.Name, errBlock)
		}
	}
	ts := b.cols[s.Time].Ints
	if len(ts) != b.n {
		return errBlock
	}
	for i, t := range ts {
		if i == 0 || t < b.minTs {
			b.minTs = t
		}
		if i == 0 || t > b.maxTs {
			b.maxTs = t
		}
	}
	return nil
}

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

func (r *reader) str(n uint64) string {
	b := r.take(n)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (r *reader) strings() []string {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.err = errBlock
		return nil
	}
	lens := make([]uint64, n)
	for i := range lens {
		lens[i] = r.uvarint()
	}
	out := make([]string, n)
	for i, l := range lens {
		out[i] = r.str(l)
	}
	return out
}

func (r *reader) vec(n int) *store.Vec {
	head := r.take(2)
	if r.err != nil {
		return nil
	}
	v := &store.Vec{Kind: store.Kind(head[0])}
	rep := head[1]
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
	text := v.Kind == store.KindString || v.Kind == store.KindBytes
	whole := v.Kind == store.KindInt || v.Kind == store.KindBool
	switch rep &^ validFlag {
	case repDict:
		v.Dict = r.strings()
		v.Codes = r.codes(n, len(v.Dict))
		r.require(text)
	case repPlain:
		v.Strs = r.strings()
		r.require(text && len(v.Strs) == n)
	case repInts:
		if b := r.take(8 * uint64(n)); r.err == nil {
			v.Ints = make([]int64, n)
			for i := range v.Ints {
				v.Ints[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
			}
		}
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
		r.require(v.Kind == store.KindFloat)
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
