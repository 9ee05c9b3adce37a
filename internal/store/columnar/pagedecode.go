package columnar

import (
	"fmt"

	"github.com/parquet-go/parquet-go"

	"hinomi/internal/store"
)

// pageDecoder turns the pages of one column chunk into a vector. A chunk whose
// dictionary grew too large has dictionary pages first and plain pages after;
// the vector is plain then.
type pageDecoder struct {
	info  columnInfo
	rows  int
	total int
	vec   store.Vec
	dict  parquet.Dictionary
	ints  []int64 // decoded integer dictionary
}

func newPageDecoder(info columnInfo, total int) *pageDecoder {
	d := &pageDecoder{info: info, total: total, vec: store.Vec{Kind: info.kind}}
	if info.optional {
		d.vec.Valid = make([]bool, 0, total)
	}
	return d
}

func (d *pageDecoder) add(page parquet.Page) error {
	n := int(page.NumRows())
	present := n
	base := d.rows
	if d.info.optional {
		levels := page.DefinitionLevels()
		if len(levels) != n {
			return fmt.Errorf("page of %d rows has %d definition levels", n, len(levels))
		}
		present = 0
		for _, l := range levels {
			d.vec.Valid = append(d.vec.Valid, l > 0)
			if l > 0 {
				present++
			}
		}
	}
	var err error
	if d.info.optional && present == 0 {
		err = d.addNulls(n)
	} else {
		err = d.addValues(page, base, n, present)
	}
	d.rows += n
	return err
}

// addNulls appends n rows without a value.
func (d *pageDecoder) addNulls(n int) error {
	switch d.info.kind {
	case store.KindInt, store.KindBool:
		d.vec.Ints = append(d.vec.Ints, make([]int64, n)...)
	case store.KindFloat:
		d.vec.Floats = append(d.vec.Floats, make([]float64, n)...)
	default:
		if d.vec.Strs == nil && d.vec.Dict != nil {
			d.vec.Codes = append(d.vec.Codes, make([]uint32, n)...)
		} else {
			d.toPlain()
			d.vec.Strs = append(d.vec.Strs, make([]string, n)...)
		}
	}
	return nil
}

func (d *pageDecoder) addValues(page parquet.Page, base, n, present int) error {
	data := page.Data()
	indexed := page.Dictionary() != nil
	// spread calls set(row, k) with the k-th present value's row.
	spread := func(set func(row, k int)) {
		k := 0
		for i := range n {
			if d.info.optional && !d.vec.Valid[base+i] {
				continue
			}
			set(base+i, k)
			k++
		}
	}
	switch d.info.kind {
	case store.KindInt:
		vals, err := d.intValues(page, indexed, present)
		if err != nil {
			return err
		}
		if present == n {
			d.vec.Ints = append(d.grownInts(), vals...)
			break
		}
		d.vec.Ints = append(d.grownInts(), make([]int64, n)...)
		spread(func(row, k int) { d.vec.Ints[row] = vals[k] })
	case store.KindBool:
		return d.addBools(page, n)
	case store.KindFloat:
		if indexed {
			return fmt.Errorf("float column has a dictionary")
		}
		vals := data.Double()
		if len(vals) != present {
			return fmt.Errorf("page has %d values, want %d", len(vals), present)
		}
		d.vec.Floats = append(d.vec.Floats, make([]float64, n)...)
		spread(func(row, k int) { d.vec.Floats[row] = vals[k] })
	default:
		if indexed {
			codes := data.Int32()
			if len(codes) != present {
				return fmt.Errorf("page has %d values, want %d", len(codes), present)
			}
			if d.dict == nil {
				d.dict = page.Dictionary()
				d.vec.Dict = dictStrings(d.dict)
			}
			if d.vec.Strs != nil {
				d.vec.Strs = append(d.vec.Strs, make([]string, n)...)
				spread(func(row, k int) { d.vec.Strs[row] = d.vec.Dict[codes[k]] })
				break
			}
			if d.vec.Codes == nil {
				d.vec.Codes = make([]uint32, 0, d.total)
			}
			d.vec.Codes = append(d.vec.Codes, make([]uint32, n)...)
			limit := uint32(len(d.vec.Dict))
			for _, c := range codes {
				if uint32(c) >= limit {
					return fmt.Errorf("dictionary code %d of %d", c, limit)
				}
			}
			if present == n {
				out := d.vec.Codes[base:]
				for k, c := range codes {
					out[k] = uint32(c)
				}
				break
			}
			spread(func(row, k int) { d.vec.Codes[row] = uint32(codes[k]) })
			break
		}
		text, offsets := data.ByteArray()
		if len(offsets) != present+1 {
			return fmt.Errorf("page has %d values, want %d", len(offsets)-1, present)
		}
		d.toPlain()
		d.vec.Strs = append(d.vec.Strs, make([]string, n)...)
		spread(func(row, k int) { d.vec.Strs[row] = bytesString(text[offsets[k]:offsets[k+1]]) })
	}
	return nil
}

func (d *pageDecoder) grownInts() []int64 {
	if d.vec.Ints == nil {
		return make([]int64, 0, d.total)
	}
	return d.vec.Ints
}

func (d *pageDecoder) intValues(page parquet.Page, indexed bool, present int) ([]int64, error) {
	data := page.Data()
	if !indexed {
		vals := data.Int64()
		if len(vals) != present {
			return nil, fmt.Errorf("page has %d values, want %d", len(vals), present)
		}
		return vals, nil
	}
	if d.ints == nil {
		dictData := page.Dictionary().Page().Data()
		d.ints = dictData.Int64()
	}
	codes := data.Int32()
	if len(codes) != present {
		return nil, fmt.Errorf("page has %d values, want %d", len(codes), present)
	}
	out := make([]int64, present)
	for i, c := range codes {
		if uint32(c) >= uint32(len(d.ints)) {
			return nil, fmt.Errorf("dictionary code %d of %d", c, len(d.ints))
		}
		out[i] = d.ints[c]
	}
	return out, nil
}

func (d *pageDecoder) addBools(page parquet.Page, n int) error {
	all := make([]parquet.Value, n)
	got, err := page.Values().ReadValues(all)
	if got != n {
		return fmt.Errorf("boolean page has %d of %d values: %w", got, n, err)
	}
	for _, v := range all {
		x := int64(0)
		if !v.IsNull() && v.Boolean() {
			x = 1
		}
		d.vec.Ints = append(d.vec.Ints, x)
	}
	return nil
}

func dictStrings(dict parquet.Dictionary) []string {
	data := dict.Page().Data()
	text, offsets := data.ByteArray()
	out := make([]string, max(0, len(offsets)-1))
	for i := range out {
		out[i] = bytesString(text[offsets[i]:offsets[i+1]])
	}
	return out
}

// toPlain turns what was decoded so far into plain strings.
func (d *pageDecoder) toPlain() {
	if d.vec.Strs != nil {
		return
	}
	d.vec.Strs = make([]string, 0, d.total)
	for _, c := range d.vec.Codes {
		d.vec.Strs = append(d.vec.Strs, d.vec.Dict[c])
	}
	d.vec.Codes = nil
}

func (d *pageDecoder) finish() *store.Vec {
	v := d.vec
	if v.Strs != nil {
		v.Codes, v.Dict = nil, nil
	}
	return &v
}
