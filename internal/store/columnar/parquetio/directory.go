package parquetio

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// appendDirectory encodes the page directory (FORMAT.md, "Page directory").
func appendDirectory(dst []byte, columns []Column, groups []RowGroup) []byte {
	u := func(x uint64) { dst = binary.AppendUvarint(dst, x) }
	page := func(c *Column, p *Page, prev int64) {
		u(uint64(p.Offset - prev))
		u(uint64(p.Size))
		u(uint64(p.Header))
		u(uint64(p.Rows))
		u(uint64(p.Nulls))
		u(uint64(p.Levels))
		u(uint64(p.Raw))
		packed := uint64(0)
		if p.Packed {
			packed = 1
		}
		u(uint64(p.Enc)<<1 | packed)
		dst = binary.LittleEndian.AppendUint32(dst, p.CRC)
		if c == nil {
			return
		}
		if c.Delta {
			dst = binary.AppendVarint(dst, p.MinInt)
			dst = binary.AppendVarint(dst, p.MaxInt)
		}
		if c.Bounds {
			dst = appendText(appendText(dst, p.MinStr), p.MaxStr)
		}
	}
	u(uint64(len(columns)))
	for _, c := range columns {
		dst = appendText(dst, c.Name)
		flags := uint64(0)
		for i, set := range []bool{c.Optional, c.Delta, c.Bounds} {
			if set {
				flags |= 1 << i
			}
		}
		u(uint64(c.Kind)<<3 | flags)
	}
	u(uint64(len(groups)))
	for _, g := range groups {
		u(uint64(g.Rows))
		for i := range g.Chunks {
			c, col := &g.Chunks[i], &columns[i]
			u(uint64(c.Codec))
			u(uint64(c.Nulls))
			u(uint64(c.DictLen))
			prev := int64(0)
			if c.Dict != nil {
				u(1)
				page(nil, c.Dict, 0)
				prev = c.Dict.Offset
				u(uint64(len(c.Frames)))
				for _, fr := range c.Frames {
					u(uint64(fr.Offset - prev))
					u(uint64(fr.Size))
					u(uint64(fr.First))
					u(uint64(fr.Raw))
					dst = binary.LittleEndian.AppendUint32(dst, fr.CRC)
				}
			} else {
				u(0)
			}
			u(uint64(len(c.Pages)))
			for j := range c.Pages {
				page(col, &c.Pages[j], prev)
				prev = c.Pages[j].Offset
			}
			if c.Bounded {
				u(1)
				dst = binary.AppendVarint(binary.AppendVarint(dst, c.MinInt), c.MaxInt)
				dst = appendText(appendText(dst, c.MinStr), c.MaxStr)
			} else {
				u(0)
			}
		}
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// directoryReader decodes a directory; every count is checked against the bytes
// that are left before anything is allocated for it.
type directoryReader struct {
	data []byte
	bad  bool
}

func (r *directoryReader) uvarint() uint64 {
	x, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return x
}

func (r *directoryReader) varint() int64 {
	x, n := binary.Varint(r.data)
	if n <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return x
}

// count reads a number of things that take at least one byte each.
func (r *directoryReader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return 0
	}
	return int(n)
}

func (r *directoryReader) text() string {
	n := r.count()
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}

func (r *directoryReader) crc() uint32 {
	if len(r.data) < 4 {
		r.bad, r.data = true, nil
		return 0
	}
	x := binary.LittleEndian.Uint32(r.data)
	r.data = r.data[4:]
	return x
}

func (r *directoryReader) page(c *Column, prev int64) Page {
	p := Page{Offset: prev + int64(r.uvarint()), Size: int32(r.uvarint()), Header: int32(r.uvarint()), Rows: int32(r.uvarint()),
		Nulls: int32(r.uvarint()), Levels: int32(r.uvarint()), Raw: int32(r.uvarint())}
	enc := r.uvarint()
	p.Enc, p.Packed = format.Encoding(enc>>1), enc&1 == 1
	p.CRC = r.crc()
	if c == nil {
		return p
	}
	if c.Delta {
		p.MinInt, p.MaxInt = r.varint(), r.varint()
	}
	if c.Bounds {
		p.MinStr, p.MaxStr = r.text(), r.text()
	}
	return p
}

func parseDirectory(data []byte, fileBytes int64) (columns []Column, groups []RowGroup, err error) {
	r := &directoryReader{data: data}
	columns = make([]Column, 0, r.count())
	for range cap(columns) {
		c := Column{Name: r.text()}
		x := r.uvarint()
		c.Kind, c.Optional, c.Delta, c.Bounds = kindOf(x>>3), x&1 != 0, x&2 != 0, x&4 != 0
		columns = append(columns, c)
	}
	groups = make([]RowGroup, 0, r.count())
	for range cap(groups) {
		g := RowGroup{Rows: int(r.uvarint())}
		for i := range columns {
			g.Chunks = append(g.Chunks, r.chunk(&columns[i]))
		}
		groups = append(groups, g)
	}
	if r.bad || len(r.data) != 0 {
		return nil, nil, fmt.Errorf("%w: page directory", ErrCorrupt)
	}
	for gi := range groups {
		for ci := range groups[gi].Chunks {
			if !groups[gi].Chunks[ci].valid(groups[gi].Rows, fileBytes) {
				return nil, nil, fmt.Errorf("%w: page directory: row group %d column %q", ErrCorrupt, gi, columns[ci].Name)
			}
		}
	}
	return columns, groups, nil
}

func (r *directoryReader) chunk(col *Column) Chunk {
	c := Chunk{Codec: format.CompressionCodec(r.uvarint()), Nulls: int64(r.uvarint()), DictLen: int32(r.uvarint())}
	prev := int64(0)
	if r.uvarint() == 1 {
		p := r.page(nil, 0)
		c.Dict, prev = &p, p.Offset
		c.Frames = make([]Frame, 0, r.count())
		for range cap(c.Frames) {
			c.Frames = append(c.Frames, Frame{Offset: prev + int64(r.uvarint()), Size: int32(r.uvarint()), First: int32(r.uvarint()), Raw: int32(r.uvarint()), CRC: r.crc()})
		}
	}
	c.Pages = make([]Page, 0, r.count())
	first := int32(0)
	for range cap(c.Pages) {
		p := r.page(col, prev)
		p.First, prev = first, p.Offset
		first += p.Rows
		c.Pages = append(c.Pages, p)
	}
	if r.uvarint() == 1 {
		c.Bounded = true
		c.MinInt, c.MaxInt = r.varint(), r.varint()
		c.MinStr, c.MaxStr = r.text(), r.text()
	}
	return c
}

// valid tells whether the pages lie in the file and hold the rows of the group.
func (c *Chunk) valid(rows int, fileBytes int64) bool {
	total := 0
	for i := range c.Pages {
		p := &c.Pages[i]
		if !p.valid(fileBytes) || p.Nulls > p.Rows {
			return false
		}
		total += int(p.Rows)
	}
	if c.Dict != nil {
		if !c.Dict.valid(fileBytes) || len(c.Frames) == 0 || c.Frames[0].First != 0 {
			return false
		}
		for i, fr := range c.Frames {
			if fr.Offset < 0 || fr.Size < 0 || fr.Raw < 0 || fr.Offset+int64(fr.Size) > fileBytes || fr.First > c.DictLen || i > 0 && fr.First < c.Frames[i-1].First {
				return false
			}
		}
	}
	return total == rows
}

func (p *Page) valid(fileBytes int64) bool {
	return p.Offset >= 0 && p.Size > 0 && p.Offset+int64(p.Size) <= fileBytes && p.Header >= 0 && p.Levels >= 0 && p.Rows >= 0 && p.Nulls >= 0 &&
		p.Raw >= 0 && int64(p.Header)+int64(p.Levels) <= int64(p.Size)
}
