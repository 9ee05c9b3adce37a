package parquetio

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func kindOf(x uint64) store.Kind {
	if x > uint64(store.KindBytes) {
		return store.KindNull
	}
	return store.Kind(x)
}

// decoder appends pages to a vector of total rows.
type decoder struct {
	kind    store.Kind
	nulls   bool // some row of the chunk has no value
	coded   bool
	dict    []string
	entries uint32 // of the dictionary
	total   int
	rows    int
	vecs    *Vectors
	vec     store.Vec
}

func (d *decoder) start() {
	d.vec.Kind = d.kind
	if d.nulls {
		d.vec.Valid = d.vecs.Bools(d.total)
	}
	switch {
	case d.coded:
		d.vec.Dict, d.vec.Codes = d.dict, d.vecs.Codes(d.total)
		if d.nulls {
			clear(d.vec.Codes) // Rows without a value have code 0.
		}
	case d.kind == store.KindInt || d.kind == store.KindBool:
		d.vec.Ints = d.vecs.Ints(d.total)
	case d.kind == store.KindFloat:
		d.vec.Floats = d.vecs.Floats(d.total)
	default:
		d.vec.Strs = d.vecs.Strs(d.total)
	}
	if d.nulls {
		clear(d.vec.Ints)
		clear(d.vec.Floats)
		clear(d.vec.Strs)
	}
}

func (d *decoder) add(p *Page, page PageData) error {
	if d.rows == 0 {
		d.start()
	}
	lo, n := d.rows, int(p.Rows)
	if lo+n > d.total {
		return fmt.Errorf("pages hold more than %d rows", d.total)
	}
	d.rows += n
	var valid []bool
	if d.nulls {
		valid = d.vec.Valid[lo : lo+n]
		if err := d.addLevels(valid, page.levels, p); err != nil {
			return err
		}
	}
	present := n - int(p.Nulls)
	if present == 0 {
		return nil
	}
	if p.Nulls == 0 {
		valid = nil
	}
	switch p.Enc {
	case format.RLEDictionary:
		return d.addCodes(lo, n, present, valid, page.values)
	case format.DeltaBinaryPacked:
		ints, err := (&delta.BinaryPackedEncoding{}).DecodeInt64(d.vecs.scratch64(present+128), page.values)
		if err != nil || len(ints) < present || d.vec.Ints == nil {
			return fmt.Errorf("%d of %d integers: %w", len(ints), present, err)
		}
		spread(d.vec.Ints[lo:lo+n], ints[:present], valid)
	case format.DeltaLengthByteArray:
		return d.addLengthTexts(lo, n, present, valid, page.values)
	case format.DeltaByteArray:
		return d.addExpanded(lo, n, valid, page)
	case format.Plain:
		return d.addPlain(lo, n, present, valid, page.values)
	default:
		return fmt.Errorf("encoding %d", p.Enc)
	}
	return nil
}

func (d *decoder) addLevels(valid []bool, levels []byte, p *Page) error {
	if p.Nulls == 0 {
		for i := range valid {
			valid[i] = true
		}
		return nil
	}
	got, err := (&rle.Encoding{BitWidth: 1}).DecodeLevels(d.vecs.scratch8(len(valid)+8), levels)
	if err != nil || len(got) < len(valid) {
		return fmt.Errorf("%d of %d definition levels: %w", len(got), len(valid), err)
	}
	nulls := int32(0)
	for i := range valid {
		valid[i] = got[i] != 0
		if got[i] == 0 {
			nulls++
		}
	}
	if nulls != p.Nulls {
		return fmt.Errorf("%d nulls, want %d", nulls, p.Nulls)
	}
	return nil
}

// spread puts the values of rows that have one into out.
func spread[T any](out, values []T, valid []bool) {
	if valid == nil {
		copy(out, values)
		return
	}
	k := 0
	for i, ok := range valid {
		if ok {
			out[i] = values[k]
			k++
		}
	}
}

func (d *decoder) addCodes(lo, n, present int, valid []bool, values []byte) error {
	if d.vec.Codes == nil || len(values) == 0 {
		return fmt.Errorf("codes without a dictionary")
	}
	// The decoder writes whole groups of eight.
	codes, err := (&rle.DictionaryEncoding{}).DecodeInt32(d.vecs.scratch32(present+16), values)
	if err != nil || len(codes) < present {
		if values[0] != 0 || err != nil {
			return fmt.Errorf("%d of %d codes: %w", len(codes), present, err)
		}
		codes = make([]int32, present) // A bit width of 0: every code is 0.
	}
	limit := d.entries
	if d.dict != nil {
		limit = min(limit, uint32(len(d.dict)))
	}
	for _, c := range codes[:present] {
		if uint32(c) >= limit {
			return fmt.Errorf("dictionary code %d of %d", c, limit)
		}
	}
	view := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(codes))), len(codes))
	spread(d.vec.Codes[lo:lo+n], view[:present], valid)
	return nil
}

// expandTexts decodes texts that are stored by what differs from the one before,
// which to do anew for each reader costs more than the memory.
func expandTexts(p *Page, values []byte) (text []byte, ends []uint32, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: page at %d: %v", ErrCorrupt, p.Offset, r)
		}
	}()
	present := int(p.Rows - p.Nulls)
	if present == 0 {
		return nil, nil, nil
	}
	// Mostly ids of up to 16 bytes; for longer texts the decoder makes room.
	room := make([]byte, 0, max(2*len(values), 16*present)+64)
	text, ends, err = (&delta.ByteArrayEncoding{}).DecodeByteArray(room, values, make([]uint32, 0, present+1))
	if err != nil || len(ends) < present+1 {
		return nil, nil, fmt.Errorf("%w: page at %d: %d of %d texts: %w", ErrCorrupt, p.Offset, len(ends)-1, present, err)
	}
	return text, ends, nil
}

func (d *decoder) addExpanded(lo, n int, valid []bool, page PageData) error {
	if d.vec.Strs == nil {
		return fmt.Errorf("texts in a column of another kind")
	}
	out := d.vec.Strs[lo : lo+n]
	k := 0
	for i := range out {
		if valid != nil && !valid[i] {
			continue
		}
		out[i] = viewString(page.values[page.ends[k]:page.ends[k+1]])
		k++
	}
	return nil
}

// lengths reads the lengths of texts, and returns the texts behind them, which are
// the end of the page.
func (d *decoder) lengths(values []byte, present int) (lengths []int32, text []byte, err error) {
	if d.vec.Strs == nil {
		return nil, nil, fmt.Errorf("texts in a column of another kind")
	}
	lengths, err = (&delta.BinaryPackedEncoding{}).DecodeInt32(d.vecs.scratch32(present+128), values)
	if err != nil || len(lengths) < present {
		return nil, nil, fmt.Errorf("%d of %d lengths: %w", len(lengths), present, err)
	}
	total := 0
	for _, l := range lengths[:present] {
		if l < 0 {
			return nil, nil, fmt.Errorf("text of length %d", l)
		}
		total += int(l)
	}
	if total > len(values) {
		return nil, nil, fmt.Errorf("texts of %d bytes in a page of %d", total, len(values))
	}
	return lengths[:present], values[len(values)-total:], nil
}

func (d *decoder) addLengthTexts(lo, n, present int, valid []bool, values []byte) error {
	lengths, text, err := d.lengths(values, present)
	if err != nil {
		return err
	}
	out := d.vec.Strs[lo : lo+n]
	k := 0
	for i := range out {
		if valid != nil && !valid[i] {
			continue
		}
		l := lengths[k]
		out[i], text = viewString(text[:l]), text[l:]
		k++
	}
	return nil
}

func (d *decoder) addPlain(lo, n, present int, valid []bool, values []byte) error {
	if d.kind == store.KindBool {
		if len(values)*8 < present {
			return fmt.Errorf("%d bytes of %d booleans", len(values), present)
		}
		out := d.vec.Ints[lo : lo+n]
		k := 0
		for i := range out {
			if valid != nil && !valid[i] {
				continue
			}
			out[i] = int64(values[k/8] >> (k % 8) & 1)
			k++
		}
		return nil
	}
	if len(values) < 8*present || d.vec.Floats == nil {
		return fmt.Errorf("%d bytes of %d numbers", len(values), present)
	}
	out := d.vec.Floats[lo : lo+n]
	k := 0
	for i := range out {
		if valid != nil && !valid[i] {
			continue
		}
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(values[8*k:]))
		k++
	}
	return nil
}
