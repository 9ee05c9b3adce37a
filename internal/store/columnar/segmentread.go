package columnar

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/parquet-go/parquet-go"

	"hinomi/internal/store"
)

var errCorrupt = errors.New("segment is damaged")

// segmentMeta is what the manifest knows of a segment, so that pruning and
// starting need no file.
type segmentMeta struct {
	ID    uint64 `json:"id"`
	File  string `json:"file"` // relative to the table's directory
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	// Memory is about how many bytes the rows take when they are decoded.
	Memory int64    `json:"memory"`
	MinTs  int64    `json:"min_ts"`
	MaxTs  int64    `json:"max_ts"`
	Level  int      `json:"level"`          // how many compactions its rows went through
	Attrs  []string `json:"attrs"`          // dynamic columns
	Rest   []string `json:"rest,omitempty"` // keys that occur in rest objects
	// FooterCRC is the CRC-32C of the Parquet footer.
	FooterCRC uint32 `json:"footer_crc"`
}

// segment is an immutable Parquet file. It opens on first use and stays
// readable, even when compaction or retention removed it, until the last scan
// releases it.
type segment struct {
	segmentMeta
	schema *Schema
	fs     vfs.FS
	path   string
	cache  *cache
	damage func(*segment, int, error)

	refs    atomic.Int32 // one of the table's list, one per scan
	removed atomic.Bool

	mu       sync.Mutex
	opened   bool
	openErr  error
	file     vfs.File
	pf       *parquet.File
	groups   []groupInfo
	columns  map[string]columnInfo
	checked  [][]atomic.Bool // by row group and column: checksum verified
	sums     []uint32
	restFull bool // some row may have a rest object
	counted  bool // Rows is not known beforehand
}

type columnInfo struct {
	index    int
	kind     store.Kind
	optional bool
}

type groupInfo struct {
	rows         int
	minTs, maxTs int64
	bad          atomic.Bool
}

func (s *segment) acquire() { s.refs.Add(1) }

// release closes, and deletes when removed, the file after its last user.
func (s *segment) release() {
	if s.refs.Add(-1) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		_ = s.file.Close()
		s.file, s.pf = nil, nil
	}
	s.cache.dropSegment(s.ID)
	if s.removed.Load() {
		_ = s.fs.Remove(s.path)
	}
}

// open reads the footer. An error is remembered: the segment is quarantined.
func (s *segment) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened {
		return s.openErr
	}
	err := s.readFooter()
	if transient(err) {
		// The file may be as good as new; the next scan tries again.
		if s.file != nil {
			_ = s.file.Close()
			s.file = nil
		}
		return err
	}
	s.opened, s.openErr = true, err
	if err != nil {
		s.damage(s, -1, err)
	}
	return err
}

// transient tells of a process or system that is out of files or memory, which
// says nothing about the segment.
func transient(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

func (s *segment) readFooter() (err error) {
	defer func() {
		// The Parquet reader indexes into what it read; a damaged footer can
		// make it panic.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: footer: %v", errCorrupt, p)
		}
	}()
	f, err := s.fs.Open(s.path)
	if err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	s.file = f
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if st.Size() != s.Bytes {
		return fmt.Errorf("%w: file has %d bytes, should have %d", errCorrupt, st.Size(), s.Bytes)
	}
	if err := s.checkFooter(); err != nil {
		return err
	}
	pf, err := parquet.OpenFile(f, st.Size(), parquet.SkipBloomFilters(false), parquet.PrefetchBloomFilters(false))
	if err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if v, _ := pf.Lookup(keyVersion); v != formatVersion {
		return fmt.Errorf("segment format version %q is not %q: it was written by another version of Hinomi", v, formatVersion)
	}
	if err := s.readSchema(pf); err != nil {
		return err
	}
	s.pf = pf
	return nil
}

func (s *segment) readSchema(pf *parquet.File) error {
	s.columns = map[string]columnInfo{}
	for _, f := range pf.Schema().Fields() {
		leaf, ok := pf.Schema().Lookup(f.Name())
		if !ok {
			return fmt.Errorf("%w: column %q is not a leaf", errCorrupt, f.Name())
		}
		info := columnInfo{index: leaf.ColumnIndex, optional: f.Optional()}
		if i := s.schema.Index(f.Name()); i >= 0 {
			info.kind = s.schema.Fields[i].Kind
		} else if _, kind, ok := parseAttrColumn(f.Name()); ok {
			info.kind = kind
		} else {
			info.kind = store.KindString
		}
		s.columns[f.Name()] = info
	}
	text, _ := pf.Lookup(keyChunkCRC)
	sums, err := base64.StdEncoding.DecodeString(text)
	groups := pf.RowGroups()
	width := len(s.columns)
	if err != nil || len(sums) != 4*width*len(groups)+4 {
		return fmt.Errorf("%w: chunk checksums are missing", errCorrupt)
	}
	s.sums = make([]uint32, width*len(groups))
	for i := range s.sums {
		s.sums[i] = binary.LittleEndian.Uint32(sums[4*i:])
	}
	if err := s.checkGaps(pf, binary.LittleEndian.Uint32(sums[len(sums)-4:])); err != nil {
		return err
	}
	timeCol := s.columns[s.schema.Time].index
	s.groups = make([]groupInfo, len(groups))
	s.checked = make([][]atomic.Bool, len(groups))
	rows := int64(0)
	for i, g := range groups {
		lo, hi, ok := g.ColumnChunks()[timeCol].(*parquet.FileColumnChunk).Bounds()
		if !ok {
			return fmt.Errorf("%w: row group %d has no time bounds", errCorrupt, i)
		}
		s.groups[i].rows = int(g.NumRows())
		s.groups[i].minTs, s.groups[i].maxTs = lo.Int64(), hi.Int64()
		s.checked[i] = make([]atomic.Bool, width)
		rows += g.NumRows()
		if rest, ok := s.columns[restColumn]; ok {
			chunk := g.ColumnChunks()[rest.index].(*parquet.FileColumnChunk)
			if chunk.NullCount() != g.NumRows() {
				s.restFull = true
			}
		}
	}
	if rows != s.Rows && !s.counted {
		return fmt.Errorf("%w: footer counts %d rows, should be %d", errCorrupt, rows, s.Rows)
	}
	return nil
}

// checkFooter compares the footer with the manifest before it is parsed.
func (s *segment) checkFooter() error {
	if s.Bytes < 12 {
		return fmt.Errorf("%w: file of %d bytes", errCorrupt, s.Bytes)
	}
	var tail [8]byte
	if _, err := s.file.ReadAt(tail[:], s.Bytes-8); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:])) + 8
	if n > s.Bytes {
		return fmt.Errorf("%w: footer of %d bytes", errCorrupt, n)
	}
	sum, err := s.checksum(0, s.Bytes-n, s.Bytes)
	if err == nil && sum != s.FooterCRC {
		err = fmt.Errorf("%w: footer checksum mismatch", errCorrupt)
	}
	return err
}

// checkGaps verifies page indexes and filters, which prune row groups: damage
// there would make answers silently incomplete.
func (s *segment) checkGaps(pf *parquet.File, want uint32) error {
	var tail [4]byte
	if _, err := s.file.ReadAt(tail[:], s.Bytes-8); err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	sum := uint32(0)
	for _, g := range gapRanges(pf.Metadata(), s.Bytes-8-int64(binary.LittleEndian.Uint32(tail[:]))) {
		var err error
		if sum, err = s.checksum(sum, g[0], g[1]); err != nil {
			return err
		}
	}
	if sum != want {
		return fmt.Errorf("%w: index checksum mismatch", errCorrupt)
	}
	return nil
}

// checksum continues sum over the bytes [from, to) of the file.
func (s *segment) checksum(sum uint32, from, to int64) (uint32, error) {
	buf := make([]byte, min(to-from, 1<<20))
	for from < to {
		n := min(int64(len(buf)), to-from)
		if _, err := s.file.ReadAt(buf[:n], from); err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("%w: %w", errCorrupt, err)
		}
		sum = crc32.Update(sum, castagnoli, buf[:n])
		from += n
	}
	return sum, nil
}

func (s *segment) chunk(group, index int) *parquet.FileColumnChunk {
	return s.pf.RowGroups()[group].ColumnChunks()[index].(*parquet.FileColumnChunk)
}

// verify compares the checksum of a column chunk, once per process.
func (s *segment) verify(group, index int) error {
	if s.checked[group][index].Load() {
		return nil
	}
	meta := s.pf.Metadata().RowGroups[group].Columns[index].MetaData
	from, to := chunkRange(&meta)
	if from < 0 || to < from || to > s.Bytes {
		return fmt.Errorf("%w: row group %d column %d: chunk bounds", errCorrupt, group, index)
	}
	sum, err := s.checksum(0, from, to)
	if err != nil {
		return err
	}
	if sum != s.sums[group*len(s.columns)+index] {
		return fmt.Errorf("%w: row group %d column %d: checksum mismatch", errCorrupt, group, index)
	}
	s.checked[group][index].Store(true)
	return nil
}

// column decodes the rows [lo, hi) of one column. A whole row group's column
// comes from, and goes to, the cache.
func (s *segment) column(group int, name string, lo, hi int) (*store.Vec, error) {
	info, ok := s.columns[name]
	if !ok {
		return nil, nil
	}
	whole := lo == 0 && hi == s.groups[group].rows
	key := cacheKey{s.ID, int32(group), int32(info.index)}
	if v := s.cache.get(key); v != nil {
		if whole {
			return v, nil
		}
		return window(v, lo, hi), nil
	}
	if err := s.verify(group, info.index); err != nil {
		return nil, err
	}
	v, err := s.decode(group, info, lo, hi)
	if err != nil {
		return nil, fmt.Errorf("%w: row group %d column %q: %w", errCorrupt, group, name, err)
	}
	if whole {
		s.cache.put(key, v)
	}
	return v, nil
}

func (s *segment) decode(group int, info columnInfo, lo, hi int) (v *store.Vec, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("decode: %v", p)
		}
	}()
	pages := s.chunk(group, info.index).PagesFrom(s.file)
	defer pages.Close()
	if lo > 0 {
		if err := pages.SeekToRow(int64(lo)); err != nil {
			return nil, err
		}
	}
	d := newPageDecoder(info, hi-lo)
	for d.rows < hi-lo {
		page, err := pages.ReadPage()
		if err != nil {
			return nil, err
		}
		if rest := int64(hi - lo - d.rows); page.NumRows() > rest {
			page = page.Slice(0, rest)
		}
		if err := d.add(page); err != nil {
			return nil, err
		}
	}
	return d.finish(), nil
}

// window is the rows [lo, hi) of v.
func window(v *store.Vec, lo, hi int) *store.Vec {
	out := &store.Vec{Kind: v.Kind, Dict: v.Dict}
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
