package parquetio

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"unsafe"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

// maxFooterBytes bounds what a footer and a directory are read into.
const maxFooterBytes = 256 << 20

// File is an open file. Its methods may be called concurrently.
type File struct {
	r        io.ReaderAt
	size     int64
	unpacker *zstd.Decoder
	byName   map[string]int

	Columns   []Column
	Groups    []RowGroup
	Metadata  map[string]string
	FooterCRC uint32
}

// Open reads the footer and the page directory. footerCRC is what Writer.Close
// returned; checked false accepts any footer, to rebuild a lost list of files.
func Open(r io.ReaderAt, size int64, footerCRC uint32, checked bool, unpacker *zstd.Decoder) (*File, error) {
	f := &File{r: r, size: size, unpacker: unpacker, byName: map[string]int{}, Metadata: map[string]string{}}
	footer, crc, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	if checked && crc != footerCRC {
		return nil, fmt.Errorf("%w: footer checksum mismatch", ErrCorrupt)
	}
	f.FooterCRC = crc
	var meta format.FileMetaData
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), footer, &meta); err != nil {
		return nil, fmt.Errorf("%w: footer: %w", ErrCorrupt, err)
	}
	for _, kv := range meta.KeyValueMetadata {
		f.Metadata[kv.Key] = kv.Value
	}
	at, err := base64.StdEncoding.DecodeString(f.Metadata[keyDirectory])
	if err != nil || len(at) != 20 {
		return nil, fmt.Errorf("%w: the footer names no page directory", ErrCorrupt)
	}
	dir, err := f.Blob(int64(binary.LittleEndian.Uint64(at)), int64(binary.LittleEndian.Uint64(at[8:])))
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(dir, Castagnoli) != binary.LittleEndian.Uint32(at[16:]) {
		return nil, fmt.Errorf("%w: page directory checksum mismatch", ErrCorrupt)
	}
	if f.Columns, f.Groups, err = parseDirectory(dir, size); err != nil {
		return nil, err
	}
	for i := range f.Columns {
		f.byName[f.Columns[i].Name] = i
	}
	return f, nil
}

// readFooter returns the Thrift bytes and the checksum of the whole tail.
func readFooter(r io.ReaderAt, size int64) (footer []byte, crc uint32, err error) {
	var head [4]byte
	if size < 12 {
		return nil, 0, fmt.Errorf("%w: file of %d bytes", ErrCorrupt, size)
	}
	if err := readAt(r, head[:], 0); err != nil {
		return nil, 0, err
	}
	var tail [8]byte
	if err := readAt(r, tail[:], size-8); err != nil {
		return nil, 0, err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if string(head[:]) != magic || string(tail[4:]) != magic || n > size-12 || n > maxFooterBytes {
		return nil, 0, fmt.Errorf("%w: no Parquet footer", ErrCorrupt)
	}
	buf := make([]byte, n+8)
	if err := readAt(r, buf, size-8-n); err != nil {
		return nil, 0, err
	}
	return buf[:n], crc32.Checksum(buf, Castagnoli), nil
}

func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the file ends early", ErrCorrupt)
	}
	return fmt.Errorf("read: %w", err)
}

// Blob reads bytes that Writer.Blob wrote; the caller verifies them.
func (f *File) Blob(offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || n > maxFooterBytes || offset+n > f.size {
		return nil, fmt.Errorf("%w: %d bytes at %d of a file of %d", ErrCorrupt, n, offset, f.size)
	}
	b := make([]byte, n)
	return b, readAt(f.r, b, offset)
}

// MemoryBytes is about what the parsed footer and page directory take.
func (f *File) MemoryBytes() int64 {
	const column, chunk = 96, int64(unsafe.Sizeof(Chunk{}))
	n := int64(len(f.Columns)) * column
	for k, v := range f.Metadata {
		n += int64(len(k) + len(v))
	}
	for i := range f.Groups {
		for j := range f.Groups[i].Chunks {
			c := &f.Groups[i].Chunks[j]
			n += chunk + int64(len(c.MinStr)+len(c.MaxStr)) + int64(cap(c.Pages))*int64(unsafe.Sizeof(Page{})) + int64(cap(c.Frames))*int64(unsafe.Sizeof(Frame{}))
			for k := range c.Pages {
				n += int64(len(c.Pages[k].MinStr) + len(c.Pages[k].MaxStr))
			}
		}
	}
	return n
}

// Column returns the position of a column, -1 when there is none.
func (f *File) Column(name string) int {
	i, ok := f.byName[name]
	if !ok {
		return -1
	}
	return i
}

// Verify reads every page of a chunk and compares its checksum.
func (f *File) Verify(group, column int) error {
	c := &f.Groups[group].Chunks[column]
	if c.Dict != nil {
		if _, err := f.page(c.Dict, nil); err != nil {
			return err
		}
	}
	for i := range c.Pages {
		if _, err := f.page(&c.Pages[i], nil); err != nil {
			return err
		}
	}
	return nil
}

// page reads and verifies one page.
func (f *File) page(p *Page, mem *Memory) ([]byte, error) {
	b := mem.take(int(p.Size))
	if err := readAt(f.r, b, p.Offset); err != nil {
		return nil, err
	}
	if crc32.Checksum(b, Castagnoli) != p.CRC {
		return nil, fmt.Errorf("%w: checksum mismatch of the page at %d", ErrCorrupt, p.Offset)
	}
	return b, nil
}

// zstdSlack is how much longer a buffer has to be than what is unpacked into it, so
// that the decoder may copy in steps that end behind it, which is faster.
const zstdSlack = 16

// unpack returns the values of a page.
func (f *File) unpack(c *Chunk, p *Page, b []byte, mem *Memory) (values []byte, err error) {
	body := b[int(p.Header)+int(p.Levels):]
	switch {
	case !p.Packed:
		values = body
	case c.Codec == format.Snappy:
		if n, err := s2.DecodedLen(body); err != nil || n != int(p.Raw) {
			return nil, fmt.Errorf("%w: page at %d: length", ErrCorrupt, p.Offset)
		}
		values, err = s2.Decode(mem.take(int(p.Raw)), body)
	case c.Codec == format.Zstd:
		values, err = f.unpacker.DecodeAll(body, mem.take(int(p.Raw) + zstdSlack)[:0])
	default:
		err = fmt.Errorf("codec %d", c.Codec)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: page at %d: %w", ErrCorrupt, p.Offset, err)
	}
	if len(values) != int(p.Raw) {
		return nil, fmt.Errorf("%w: page at %d has %d bytes, want %d", ErrCorrupt, p.Offset, len(values), p.Raw)
	}
	return values, nil
}

// Dictionary returns the entries of a chunk's dictionary, nil when it has none.
func (f *File) Dictionary(group, column int, mem *Memory) ([]string, error) {
	c := &f.Groups[group].Chunks[column]
	if c.Dict == nil {
		return nil, nil
	}
	dict := make([]string, 0, c.DictLen)
	for i := range c.Frames {
		var err error
		if dict, err = f.frame(c, i, dict, mem); err != nil {
			return nil, err
		}
	}
	if len(dict) != int(c.DictLen) {
		return nil, fmt.Errorf("%w: dictionary has %d of %d entries", ErrCorrupt, len(dict), c.DictLen)
	}
	return dict, nil
}

// frame appends the entries of one frame of a dictionary.
func (f *File) frame(c *Chunk, i int, dict []string, mem *Memory) ([]string, error) {
	fr := &c.Frames[i]
	b := mem.take(int(fr.Size))
	if err := readAt(f.r, b, fr.Offset); err != nil {
		return nil, err
	}
	if crc32.Checksum(b, Castagnoli) != fr.CRC {
		return nil, fmt.Errorf("%w: checksum mismatch of the dictionary at %d", ErrCorrupt, fr.Offset)
	}
	values, err := f.unpack(c, &Page{Offset: fr.Offset, Raw: fr.Raw, Packed: true}, b, mem)
	if err != nil {
		return nil, err
	}
	mem.giveBack(b)
	for len(values) >= 4 {
		n := int(binary.LittleEndian.Uint32(values))
		if n > len(values)-4 {
			break
		}
		dict = append(dict, viewString(values[4:4+n]))
		values = values[4+n:]
	}
	if len(values) != 0 {
		return nil, fmt.Errorf("%w: dictionary at %d", ErrCorrupt, fr.Offset)
	}
	return dict, nil
}

// FrameOf returns the entries of one frame of a chunk's dictionary.
func (f *File) FrameOf(group, column, frame int, mem *Memory) ([]string, error) {
	c := &f.Groups[group].Chunks[column]
	return f.frame(c, frame, nil, mem)
}

// Texts looks up the codes of a chunk with a dictionary, of which only the frames
// that they need are asked for, each once. The vector is plain.
func (f *File) Texts(group, column int, coded *store.Vec, frame func(i int) ([]string, error)) (out *store.Vec, err error) {
	c := &f.Groups[group].Chunks[column]
	out = &store.Vec{Kind: coded.Kind, Valid: coded.Valid, Strs: make([]string, len(coded.Codes))}
	frames := make([][]string, len(c.Frames))
	for i, code := range coded.Codes {
		if coded.Valid != nil && !coded.Valid[i] {
			continue
		}
		at := sort.Search(len(c.Frames), func(k int) bool { return c.Frames[k].First > int32(code) }) - 1
		if frames[at] == nil {
			if frames[at], err = frame(at); err != nil {
				return nil, err
			}
		}
		k := int(code) - int(c.Frames[at].First)
		if k >= len(frames[at]) {
			return nil, fmt.Errorf("%w: dictionary has no entry %d", ErrCorrupt, code)
		}
		out.Strs[i] = frames[at][k]
	}
	return out, nil
}

// PagesOf returns the range of pages [from, to) that hold the rows [lo, hi).
func (c *Chunk) PagesOf(lo, hi int) (from, to int) {
	from = sort.Search(len(c.Pages), func(i int) bool { return int(c.Pages[i].First+c.Pages[i].Rows) > lo })
	to = sort.Search(len(c.Pages), func(i int) bool { return int(c.Pages[i].First) >= hi })
	return from, to
}

// PageData is the content of a page, verified and unpacked.
type PageData struct {
	levels, values []byte
	ends           []uint32 // of texts in values that were stored by their differences
}

// Bytes is how much memory it takes.
func (p PageData) Bytes() int { return len(p.levels) + len(p.values) + 4*len(p.ends) }

// Page reads one page of a chunk into buffers of mem, or with nil into ones of its own.
func (f *File) Page(group, column, page int, mem *Memory) (PageData, error) {
	c := &f.Groups[group].Chunks[column]
	p := &c.Pages[page]
	b, err := f.page(p, mem)
	if err != nil {
		return PageData{}, err
	}
	values, err := f.unpack(c, p, b, mem)
	if err != nil {
		return PageData{}, err
	}
	levels := b[p.Header : p.Header+p.Levels]
	if p.Packed {
		// The values are elsewhere: not to keep all of b for the levels.
		levels = append(mem.take(len(levels))[:0], levels...)
		mem.giveBack(b)
	}
	if p.Enc == format.DeltaByteArray {
		text, ends, err := expandTexts(p, values)
		return PageData{levels, text, ends}, err
	}
	return PageData{levels: levels, values: values}, nil
}

// Read decodes the rows [lo, hi) of a column. dict is what Dictionary returned.
// Strings are views into buffers of mem, or with nil into ones that the vector owns.
func (f *File) Read(group, column, lo, hi int, dict []string, mem *Memory) (*store.Vec, error) {
	c := &f.Groups[group].Chunks[column]
	from, to := c.PagesOf(lo, hi)
	pages := make([]PageData, 0, 8)
	for i := from; i < to; i++ {
		page, err := f.Page(group, column, i, mem)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return f.Decode(group, column, lo, hi, pages, dict, nil)
}

// Decode is Read for pages that are at hand: all that hold the rows. Without dict
// the codes of a chunk with a dictionary are of use alone. The vector's memory is
// of vecs, or with nil its own.
func (f *File) Decode(group, column, lo, hi int, pages []PageData, dict []string, vecs *Vectors) (v *store.Vec, err error) {
	defer func() {
		// The decoders trust the bytes, whose checksum was right: a panic is a
		// fault of whoever wrote them.
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("%w: decode column %q: %v", ErrCorrupt, f.Columns[column].Name, p)
		}
	}()
	c := &f.Groups[group].Chunks[column]
	from, to := c.PagesOf(lo, hi)
	if from >= to || len(pages) != to-from {
		return nil, fmt.Errorf("%w: no page has the rows %d to %d", ErrCorrupt, lo, hi)
	}
	first := int(c.Pages[from].First)
	last := int(c.Pages[to-1].First + c.Pages[to-1].Rows)
	d := decoder{kind: f.Columns[column].Kind, nulls: c.Nulls > 0, dict: dict, entries: uint32(c.DictLen), total: last - first, coded: c.Dict != nil, vecs: vecs}
	for i := range pages {
		if err := d.add(&c.Pages[from+i], pages[i]); err != nil {
			return nil, fmt.Errorf("%w: column %q: %w", ErrCorrupt, f.Columns[column].Name, err)
		}
	}
	if first == lo && last == hi {
		return &d.vec, nil
	}
	return Window(&d.vec, lo-first, hi-first), nil
}

// Window is the rows [lo, hi) of v.
func Window(v *store.Vec, lo, hi int) *store.Vec {
	out := &store.Vec{Kind: v.Kind, Dict: v.Dict, Same: v.Same}
	if v.Valid != nil {
		out.Valid = v.Valid[lo:hi]
	}
	switch {
	case v.Codes != nil:
		out.Codes = v.Codes[lo:hi]
	case v.Strs != nil:
		out.Strs = v.Strs[lo:hi]
	case v.Ints != nil:
		out.Ints = v.Ints[lo:hi]
	case v.Floats != nil:
		out.Floats = v.Floats[lo:hi]
	case v.Mixed != nil:
		out.Mixed = v.Mixed[lo:hi]
	}
	return out
}
