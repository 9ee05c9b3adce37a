package parquetio

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

// Pick decodes few rows of one page, ascending and counted from the row group's
// first. Where the encoding allows it, the others are passed over.
func (f *File) Pick(group, column, page int, data PageData, rows []uint32, dict []string, vecs *Vectors) (v *store.Vec, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("%w: decode column %q: %v", ErrCorrupt, f.Columns[column].Name, p)
		}
	}()
	c := &f.Groups[group].Chunks[column]
	p := &c.Pages[page]
	d := decoder{kind: f.Columns[column].Kind, nulls: c.Nulls > 0, coded: c.Dict != nil, dict: dict, total: len(rows), vecs: vecs}
	var at []int
	switch {
	case p.Enc == format.RLEDictionary, p.Enc == format.DeltaLengthByteArray, p.Enc == format.DeltaByteArray:
		d.start()
		if at, err = d.present(p, data.levels, rows); err != nil {
			break
		}
		switch p.Enc {
		case format.RLEDictionary:
			err = pickCodes(d.vec.Codes, data.values, at, uint32(c.DictLen))
		case format.DeltaByteArray:
			for i, k := range at {
				if k >= 0 {
					d.vec.Strs[i] = viewString(data.values[data.ends[k]:data.ends[k+1]])
				}
			}
		default:
			err = d.pickTexts(data.values, at, int(p.Rows-p.Nulls))
		}
	default:
		var full *store.Vec
		if full, err = f.Decode(group, column, int(p.First), int(p.First+p.Rows), []PageData{data}, dict, vecs); err != nil {
			return nil, err
		}
		out := Gather(full, rows, uint32(p.First))
		return &out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: column %q: %w", ErrCorrupt, f.Columns[column].Name, err)
	}
	return &d.vec, nil
}

// present returns where the values of rows are among those that the page has, -1
// for none, and notes which rows have one.
func (d *decoder) present(p *Page, levels []byte, rows []uint32) ([]int, error) {
	at := make([]int, len(rows))
	if !d.nulls || p.Nulls == 0 {
		for i, r := range rows {
			at[i] = int(r) - int(p.First)
			if d.nulls {
				d.vec.Valid[i] = true
			}
		}
		return at, nil
	}
	got, err := (&rle.Encoding{BitWidth: 1}).DecodeLevels(d.vecs.scratch8(int(p.Rows)+8), levels)
	if err != nil || len(got) < int(p.Rows) {
		return nil, fmt.Errorf("%d of %d definition levels: %w", len(got), p.Rows, err)
	}
	next, before := 0, 0
	for i, r := range rows {
		row := int(r) - int(p.First)
		for _, l := range got[next:row] {
			before += int(l)
		}
		next = row
		at[i], d.vec.Valid[i] = -1, got[row] != 0
		if got[row] != 0 {
			at[i] = before
		}
	}
	return at, nil
}

// pickCodes reads single values of a run of "RLE / Bit-Packing Hybrid" (Parquet,
// Encodings.md) behind their bit width.
func pickCodes(out []uint32, values []byte, at []int, entries uint32) error {
	if len(values) == 0 {
		return fmt.Errorf("codes without a bit width")
	}
	width := int(values[0])
	if width > 32 {
		return fmt.Errorf("codes of %d bits", width)
	}
	values = values[1:]
	first, n := 0, 0 // of the run
	var packed []byte
	var same uint32
	for i, k := range at {
		if k < 0 || width == 0 {
			out[i] = 0 // With no bits every code is 0.
			continue
		}
		for k >= first+n {
			head, l := binary.Uvarint(values)
			if l <= 0 || head>>1 == 0 || head > 1<<32 {
				return fmt.Errorf("run %d of codes", head)
			}
			values = values[l:]
			first, n, packed = first+n, int(head>>1), nil
			size := (width + 7) / 8
			if head&1 == 1 {
				size, n = n*width, n*8
			}
			if size > len(values) {
				return fmt.Errorf("run of %d codes in %d bytes", n, len(values))
			}
			if head&1 == 1 {
				packed = values[:size]
			} else {
				var b [4]byte
				copy(b[:], values[:size])
				same = binary.LittleEndian.Uint32(b[:])
			}
			values = values[size:]
		}
		code := same
		if packed != nil {
			bit := (k - first) * width
			var b [8]byte
			copy(b[:], packed[bit/8:])
			code = uint32(binary.LittleEndian.Uint64(b[:]) >> (bit % 8) & (1<<width - 1))
		}
		if code >= entries {
			return fmt.Errorf("dictionary code %d of %d", code, entries)
		}
		out[i] = code
	}
	return nil
}

// pickTexts reads single texts behind the lengths of all.
func (d *decoder) pickTexts(values []byte, at []int, present int) error {
	if present == 0 {
		return nil
	}
	lengths, text, err := d.lengths(values, present)
	if err != nil {
		return err
	}
	next, start := 0, 0
	for i, k := range at {
		if k < 0 {
			continue
		}
		for _, l := range lengths[next:k] {
			start += int(l)
		}
		next = k
		d.vec.Strs[i] = viewString(text[start : start+int(lengths[k])])
	}
	return nil
}

// Gather returns the given rows of v, whose first is row first. It shares the
// dictionary.
func Gather(v *store.Vec, rows []uint32, first uint32) store.Vec {
	out := store.Vec{Kind: v.Kind, Dict: v.Dict}
	if v.Valid != nil {
		out.Valid = pick(v.Valid, rows, first)
	}
	switch {
	case v.Codes != nil:
		out.Codes = pick(v.Codes, rows, first)
	case v.Strs != nil:
		out.Strs = pick(v.Strs, rows, first)
	case v.Ints != nil:
		out.Ints = pick(v.Ints, rows, first)
	case v.Floats != nil:
		out.Floats = pick(v.Floats, rows, first)
	case v.Mixed != nil:
		out.Mixed = pick(v.Mixed, rows, first)
	}
	return out
}

func pick[T any](from []T, rows []uint32, first uint32) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = from[r-first]
	}
	return out
}
