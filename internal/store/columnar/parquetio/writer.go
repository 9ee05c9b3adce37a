package parquetio

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sort"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

// Codec compresses pages.
type Codec = format.CompressionCodec

// Codecs of new files: Fast for those that are soon written again.
const (
	Fast  = format.Snappy
	Dense = format.Zstd
)

const (
	magic = "PAR1"
	// keyDirectory is the footer key of the page directory: base64 of its offset,
	// length (8 bytes each) and CRC-32C (4 bytes), little-endian.
	keyDirectory = "hinomi.directory"
	// maxBound is how long a text may be to be kept as a bound of a chunk.
	maxBound = 128
	// MaxDictBytes is how large a dictionary page should be at most: other
	// readers read it as a whole.
	MaxDictBytes = 32 << 20
)

// Writer writes one file. Columns of a row group are written in the order of the
// columns, each as a whole.
type Writer struct {
	w       io.Writer
	pos     int64
	columns []Column
	meta    format.FileMetaData
	groups  []RowGroup
	open    format.RowGroup
	enc     encoder
	err     error
}

// NewWriter begins a file. packer must not be used by others meanwhile.
func NewWriter(w io.Writer, table string, columns []Column, codec Codec, packer *zstd.Encoder) *Writer {
	f := &Writer{w: w, columns: columns, enc: encoder{codec: codec, zstd: packer}}
	f.meta.Version = 2
	f.meta.CreatedBy = "hinomi version 2 (build 2)"
	children := int32(len(columns))
	f.meta.Schema = append(f.meta.Schema, format.SchemaElement{Name: table, NumChildren: thrift.New(children)})
	for _, c := range columns {
		f.meta.Schema = append(f.meta.Schema, schemaElement(c))
		f.meta.ColumnOrders = append(f.meta.ColumnOrders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	f.write([]byte(magic))
	return f
}

func schemaElement(c Column) format.SchemaElement {
	e := format.SchemaElement{Name: c.Name, Type: thrift.New(physical(c.Kind)), RepetitionType: thrift.New(format.Required)}
	if c.Optional {
		e.RepetitionType = thrift.New(format.Optional)
	}
	if c.Kind == store.KindString {
		e.ConvertedType = thrift.New(deprecated.UTF8)
		e.LogicalType = format.LogicalType{Value: &format.StringType{}}
	}
	return e
}

func physical(k store.Kind) format.Type {
	switch k {
	case store.KindInt:
		return format.Int64
	case store.KindFloat:
		return format.Double
	case store.KindBool:
		return format.Boolean
	}
	return format.ByteArray
}

// Written is how many bytes went out so far.
func (f *Writer) Written() int64 { return f.pos }

func (f *Writer) write(b []byte) {
	if f.err != nil {
		return
	}
	n, err := f.w.Write(b)
	f.pos += int64(n)
	f.err = err
}

// Blob writes bytes of our own between the chunks and returns where they are.
func (f *Writer) Blob(b []byte) (offset int64, err error) {
	offset = f.pos
	f.write(b)
	return offset, f.err
}

// Column writes the next column of the row group, all n rows of v.
func (f *Writer) Column(v *store.Vec, n int) error {
	col := &f.columns[len(f.open.Columns)]
	chunk := Chunk{Codec: f.enc.codec}
	enc := encodingOf(col, v, n)
	meta := format.ColumnMetaData{
		Type: physical(col.Kind), PathInSchema: []string{col.Name}, Codec: f.enc.codec, NumValues: int64(n),
		Encoding: []format.Encoding{enc, format.RLE},
	}
	start := f.pos
	if enc == format.RLEDictionary {
		meta.Encoding = append(meta.Encoding, format.Plain)
		meta.DictionaryPageOffset = f.pos
		p, frames, raw, err := f.dictionaryPage(v.Dict)
		if err != nil {
			return err
		}
		meta.TotalUncompressedSize += raw
		chunk.Dict, chunk.DictLen, chunk.Frames = &p, int32(len(v.Dict)), frames
	}
	meta.DataPageOffset = f.pos
	step := pageRows(v, enc, n)
	for lo := 0; lo < n; lo += step {
		p, raw, err := f.dataPage(col, v, enc, lo, min(lo+step, n))
		if err != nil {
			return fmt.Errorf("column %q: %w", col.Name, err)
		}
		meta.TotalUncompressedSize += raw
		chunk.Nulls += int64(p.Nulls)
		chunk.Pages = append(chunk.Pages, p)
	}
	meta.TotalCompressedSize = f.pos - start
	chunk.bound(col, v, n)
	meta.Statistics = statistics(col, &chunk)
	f.open.Columns = append(f.open.Columns, format.ColumnChunk{FileOffset: 0, MetaData: meta})
	if len(f.open.Columns) == 1 {
		f.groups = append(f.groups, RowGroup{Rows: n})
	}
	g := &f.groups[len(f.groups)-1]
	g.Chunks = append(g.Chunks, chunk)
	if len(f.open.Columns) == len(f.columns) {
		f.endGroup(n)
	}
	return f.err
}

func (f *Writer) endGroup(n int) {
	f.open.NumRows = int64(n)
	f.open.FileOffset = f.open.Columns[0].MetaData.DataPageOffset
	if d := f.open.Columns[0].MetaData.DictionaryPageOffset; d > 0 {
		f.open.FileOffset = d
	}
	for i := range f.open.Columns {
		f.open.TotalByteSize += f.open.Columns[i].MetaData.TotalUncompressedSize
		f.open.TotalCompressedSize += f.open.Columns[i].MetaData.TotalCompressedSize
	}
	f.open.Ordinal = int16(len(f.groups) - 1)
	f.meta.RowGroups = append(f.meta.RowGroups, f.open)
	f.meta.NumRows += int64(n)
	f.open = format.RowGroup{}
}

func encodingOf(c *Column, v *store.Vec, n int) format.Encoding {
	switch c.Kind {
	case store.KindInt:
		return format.DeltaBinaryPacked
	case store.KindFloat, store.KindBool:
		return format.Plain
	}
	if v.Codes != nil {
		return format.RLEDictionary
	}
	return textEncoding(v, n)
}

// pageRows is a number of rows that takes about pageBytes.
func pageRows(v *store.Vec, enc format.Encoding, n int) int {
	if enc != format.DeltaLengthByteArray && enc != format.DeltaByteArray {
		return WindowRows
	}
	size := 0
	for _, s := range v.Strs[:n] {
		size += len(s)
	}
	rows := pageBytes / max(1, size/max(1, n)+1)
	step := Granule
	for step*2 <= rows && step < maxTextRows {
		step *= 2
	}
	return step
}

func (f *Writer) dataPage(c *Column, v *store.Vec, enc format.Encoding, lo, hi int) (Page, int64, error) {
	p := Page{Offset: f.pos, First: int32(lo), Rows: int32(hi - lo), Enc: enc}
	var levels []byte
	nulls := 0
	if c.Optional {
		var err error
		if levels, nulls, err = f.enc.levelsOf(v, lo, hi); err != nil {
			return p, 0, err
		}
	}
	raw, err := f.enc.values(v, enc, lo, hi, nulls > 0)
	if err != nil {
		return p, 0, err
	}
	body, packed := f.enc.compress(raw)
	p.Nulls, p.Levels, p.Raw, p.Packed = int32(nulls), int32(len(levels)), int32(len(raw)), packed
	if c.Delta {
		p.MinInt, p.MaxInt = intBounds(v, lo, hi)
	}
	if c.Bounds {
		p.MinStr, p.MaxStr = textBounds(v, lo, hi)
	}
	crc := crc32.ChecksumIEEE(levels)
	crc = crc32.Update(crc, crc32.IEEETable, body)
	header := format.PageHeader{
		Type: format.DataPageV2, UncompressedPageSize: int32(len(levels) + len(raw)), CompressedPageSize: int32(len(levels) + len(body)), CRC: int32(crc),
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
			NumValues: p.Rows, NumNulls: p.Nulls, NumRows: p.Rows, Encoding: enc,
			DefinitionLevelsByteLength: p.Levels, IsCompressed: thrift.New(packed),
		}),
	}
	return f.page(p, &header, levels, body)
}

// dictionaryPage writes the entries as one PLAIN page. With zstd, whose frames
// may follow one another, it is compressed in frames of about pageBytes, so that
// few entries can be had without the others.
func (f *Writer) dictionaryPage(dict []string) (Page, []Frame, int64, error) {
	p := Page{Offset: f.pos, Rows: int32(len(dict)), Enc: format.Plain, Packed: true}
	var body []byte
	var frames []Frame
	for first := 0; first < len(dict) || first == 0; {
		last, size := first, 0
		for last < len(dict) && (last == first || f.enc.codec == format.Snappy || size < pageBytes) {
			size += 4 + len(dict[last])
			last++
		}
		raw := f.enc.dictionary(dict[first:last])
		at := len(body)
		if f.enc.codec == format.Snappy {
			body = snappy(body, raw)
		} else {
			body = f.enc.zstd.EncodeAll(raw, body)
		}
		frames = append(frames, Frame{Offset: int64(at), Size: int32(len(body) - at), First: int32(first), Raw: int32(len(raw)), CRC: crc32.Checksum(body[at:], Castagnoli)})
		p.Raw += int32(len(raw))
		if last == first {
			break
		}
		first = last
	}
	header := format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: p.Raw, CompressedPageSize: int32(len(body)), CRC: int32(crc32.ChecksumIEEE(body)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: p.Rows, Encoding: format.Plain}),
	}
	p, raw, err := f.page(p, &header, nil, body)
	for i := range frames {
		frames[i].Offset += p.Offset + int64(p.Header)
	}
	return p, frames, raw, err
}

func (f *Writer) page(p Page, header *format.PageHeader, levels, body []byte) (Page, int64, error) {
	head, err := thrift.Marshal(new(thrift.CompactProtocol), header)
	if err != nil {
		return p, 0, err
	}
	p.Header = int32(len(head))
	p.Size = int32(len(head) + len(levels) + len(body))
	p.CRC = crc32.Update(crc32.Checksum(head, Castagnoli), Castagnoli, levels)
	p.CRC = crc32.Update(p.CRC, Castagnoli, body)
	f.write(head)
	f.write(levels)
	f.write(body)
	return p, int64(len(head)) + int64(p.Levels) + int64(p.Raw), f.err
}

// Close writes the directory and the footer. footerCRC is the CRC-32C of the
// footer with its length and magic: whoever keeps it can trust the file.
func (f *Writer) Close(metadata map[string]string) (footerCRC uint32, err error) {
	dir := appendDirectory(nil, f.columns, f.groups)
	var at [20]byte
	binary.LittleEndian.PutUint64(at[:], uint64(f.pos))
	binary.LittleEndian.PutUint64(at[8:], uint64(len(dir)))
	binary.LittleEndian.PutUint32(at[16:], crc32.Checksum(dir, Castagnoli))
	f.write(dir)
	keys := make([]string, 0, len(metadata))
	for k := range metadata {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		f.meta.KeyValueMetadata = append(f.meta.KeyValueMetadata, format.KeyValue{Key: k, Value: metadata[k]})
	}
	f.meta.KeyValueMetadata = append(f.meta.KeyValueMetadata, format.KeyValue{Key: keyDirectory, Value: base64.StdEncoding.EncodeToString(at[:])})
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &f.meta)
	if err != nil {
		return 0, fmt.Errorf("write the footer: %w", err)
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	footer = append(footer, magic...)
	f.write(footer)
	return crc32.Checksum(footer, Castagnoli), f.err
}
