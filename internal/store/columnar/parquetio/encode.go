package parquetio

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

// encoder turns rows of a vector into page contents. It reuses its buffers.
type encoder struct {
	zstd    *zstd.Encoder
	codec   format.CompressionCodec
	levels  []byte
	raw     []byte
	packed  []byte
	text    []byte
	offsets []uint32
	codes   []int32
	ints    []int64
	valid   []uint8
}

// levelsOf encodes the definition levels of rows [lo, hi) and counts the nulls.
func (e *encoder) levelsOf(v *store.Vec, lo, hi int) (levels []byte, nulls int, err error) {
	e.valid = e.valid[:0]
	for i := lo; i < hi; i++ {
		d := uint8(1)
		if v.Null(i) {
			d = 0
			nulls++
		}
		e.valid = append(e.valid, d)
	}
	e.levels, err = (&rle.Encoding{BitWidth: 1}).EncodeLevels(e.levels[:0], e.valid)
	return e.levels, nulls, err
}

// values encodes the values of rows [lo, hi) that are not null.
func (e *encoder) values(v *store.Vec, enc format.Encoding, lo, hi int, nulls bool) ([]byte, error) {
	var err error
	switch enc {
	case format.RLEDictionary:
		e.codes = e.codes[:0]
		for i := lo; i < hi; i++ {
			if !nulls || !v.Null(i) {
				e.codes = append(e.codes, int32(v.Codes[i]))
			}
		}
		e.raw, err = (&rle.DictionaryEncoding{}).EncodeInt32(e.raw[:0], e.codes)
		if len(e.codes) == 0 {
			e.raw = append(e.raw[:0], 0)
		}
	case format.DeltaBinaryPacked:
		ints := v.Ints[lo:hi]
		if nulls {
			e.ints = e.ints[:0]
			for i := lo; i < hi; i++ {
				if !v.Null(i) {
					e.ints = append(e.ints, v.Ints[i])
				}
			}
			ints = e.ints
		}
		e.raw, err = (&delta.BinaryPackedEncoding{}).EncodeInt64(e.raw[:0], ints)
	case format.DeltaLengthByteArray, format.DeltaByteArray:
		e.text, e.offsets = e.text[:0], append(e.offsets[:0], 0)
		for i := lo; i < hi; i++ {
			if !nulls || !v.Null(i) {
				e.text = append(e.text, v.Strs[i]...)
				if len(e.text) > math.MaxInt32 {
					return nil, fmt.Errorf("a page of more than 2 GiB")
				}
				e.offsets = append(e.offsets, uint32(len(e.text)))
			}
		}
		if enc == format.DeltaByteArray {
			e.raw, err = (&delta.ByteArrayEncoding{}).EncodeByteArray(e.raw[:0], e.text, e.offsets)
		} else {
			e.raw, err = (&delta.LengthByteArrayEncoding{}).EncodeByteArray(e.raw[:0], e.text, e.offsets)
		}
	default:
		e.plain(v, lo, hi, nulls)
	}
	return e.raw, err
}

// plain encodes numbers and booleans.
func (e *encoder) plain(v *store.Vec, lo, hi int, nulls bool) {
	e.raw = e.raw[:0]
	k := 0
	for i := lo; i < hi; i++ {
		if nulls && v.Null(i) {
			continue
		}
		switch v.Kind {
		case store.KindFloat:
			e.raw = binary.LittleEndian.AppendUint64(e.raw, math.Float64bits(v.Floats[i]))
		case store.KindBool:
			if k%8 == 0 {
				e.raw = append(e.raw, 0)
			}
			if v.Ints[i] != 0 {
				e.raw[k/8] |= 1 << (k % 8)
			}
			k++
		default:
			e.raw = binary.LittleEndian.AppendUint64(e.raw, uint64(v.Ints[i]))
		}
	}
}

// compress returns raw compressed, and false where that does not pay.
func (e *encoder) compress(raw []byte) ([]byte, bool) {
	if len(raw) < 64 {
		return raw, false
	}
	if e.codec == format.Snappy {
		e.packed = s2.EncodeSnappy(e.packed[:cap(e.packed)], raw)
	} else {
		e.packed = e.zstd.EncodeAll(raw, e.packed[:0])
	}
	if len(e.packed)*16 > len(raw)*15 {
		return raw, false
	}
	return e.packed, true
}

// dictionary encodes the entries of a dictionary as PLAIN.
func (e *encoder) dictionary(d []string) []byte {
	e.raw = e.raw[:0]
	for _, s := range d {
		e.raw = binary.LittleEndian.AppendUint32(e.raw, uint32(len(s)))
		e.raw = append(e.raw, s...)
	}
	return e.raw
}

// textEncoding chooses how plain text is stored: where neighbours are often
// equal, or begin alike, by what differs from the one before.
func textEncoding(v *store.Vec, rows int) format.Encoding {
	same := 0
	const sample = 4096
	for i := 1; i < min(rows, sample); i++ {
		if v.Strs[i] == v.Strs[i-1] {
			same++
		}
	}
	if same*8 > min(rows, sample) {
		return format.DeltaByteArray
	}
	return format.DeltaLengthByteArray
}
