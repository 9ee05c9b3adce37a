// Package parquetio writes and reads Parquet files (Apache Parquet format 2.12)
// column by column, between pages and store.Vec. The schema is flat: required
// or optional INT64, DOUBLE, BOOLEAN and BYTE_ARRAY columns.
//
// Beside the standard footer a file carries a page directory that other readers
// skip: where each page lies, how it is encoded, its bounds and the CRC-32C of
// all its bytes. With it a page is read by one pread, without parsing a header
// and never without being verified. Encodings are parquet-go's.
package parquetio

import (
	"errors"
	"hash/crc32"

	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

// ErrCorrupt is when bytes of a file are not what was written.
var ErrCorrupt = errors.New("segment is damaged")

// Castagnoli is the polynomial of every checksum of ours in a file.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	// Granule is the number of rows that page boundaries are multiples of.
	Granule = 2048
	// WindowRows is how many rows a page has at most; no page crosses a multiple
	// of it, so that a window of a row group is made of whole pages.
	WindowRows = 8 * Granule
	// maxTextRows is the most rows of a page of plain text, of which single rows
	// are looked up.
	maxTextRows = 2 * Granule
	// pageBytes is the uncompressed size that a page aims at: large enough that
	// zstd sees repetition, small enough that one row is cheap to get.
	pageBytes = 512 << 10
)

// Column is one column of a file.
type Column struct {
	Name     string
	Kind     store.Kind // String, Bytes, Int, Float or Bool
	Optional bool
	// Delta stores integers as differences, for times and durations; their
	// pages have bounds.
	Delta bool
	// Bounds keeps the smallest and largest text of each page, for the column
	// by which rows are sorted.
	Bounds bool
}

// Page is one page of a column chunk.
type Page struct {
	Offset int64
	Size   int32 // header and content
	Header int32 // bytes of the Thrift header
	First  int32 // row of the row group
	Rows   int32
	Nulls  int32
	Levels int32 // bytes of definition levels
	Raw    int32 // bytes of values before compression
	CRC    uint32
	Enc    format.Encoding
	Packed bool // values are compressed

	MinInt, MaxInt int64  // of Delta columns
	MinStr, MaxStr string // of Bounds columns
}

// Frame is an independently compressed part of a dictionary page.
type Frame struct {
	Offset int64
	Size   int32
	First  int32 // entry
	Raw    int32
	CRC    uint32 // CRC-32C
}

// Chunk is one column of a row group.
type Chunk struct {
	Dict    *Page // nil: no dictionary
	DictLen int32
	Frames  []Frame
	Pages   []Page
	Codec   format.CompressionCodec
	Nulls   int64
	// Bounded tells that all values are in [MinInt, MaxInt] or [MinStr, MaxStr],
	// which are exact. Bounds of floats are their bits in MinInt and MaxInt.
	Bounded        bool
	MinInt, MaxInt int64
	MinStr, MaxStr string
}

// DictBytes is the size of the dictionary's entries before compression.
func (c *Chunk) DictBytes() int {
	n := 0
	for i := range c.Frames {
		n += int(c.Frames[i].Raw)
	}
	return n
}

// RowGroup is a horizontal part of a file.
type RowGroup struct {
	Rows   int
	Chunks []Chunk // by column
}
