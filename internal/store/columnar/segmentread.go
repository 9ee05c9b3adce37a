package columnar

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// errCorrupt is when bytes of a segment are not what was written.
var errCorrupt = parquetio.ErrCorrupt

// segmentMeta is what the manifest knows of a segment, so that pruning and
// starting need no file.
type segmentMeta struct {
	ID    uint64   `json:"id"`
	File  string   `json:"file"` // relative to its place
	Rows  int64    `json:"rows"`
	Bytes int64    `json:"bytes"`
	MinTs int64    `json:"min_ts"`
	MaxTs int64    `json:"max_ts"`
	Level int      `json:"level"`          // how many compactions its rows went through
	Attrs []string `json:"attrs"`          // dynamic columns
	Rest  []string `json:"rest,omitempty"` // keys that occur in rest objects
	// Sampled is when the sampler has decided about every row.
	Sampled bool `json:"sampled,omitempty"`
	// FooterCRC is the CRC-32C of the Parquet footer.
	FooterCRC uint32 `json:"footer_crc"`
	// Place is the tier that has the file; empty: the table's directory.
	Place string `json:"place,omitempty"`
}

// segment is an immutable Parquet file. It opens on first use and stays
// readable, even when compaction or retention removed it, until the last scan
// releases it.
type segment struct {
	segmentMeta
	schema *Schema
	fs     vfs.FS
	path   string
	place  *place // nil: the table's directory
	cache  *cache
	packer *packer
	damage func(*segment, int, error)
	files  *OpenFiles

	setMu sync.Mutex
	set   columnSet // nil: not found yet

	refs    atomic.Int32 // one of the table's list, one per scan
	removed atomic.Bool

	mu       sync.Mutex
	opened   bool
	openErr  error
	handle   handle
	file     *parquetio.File
	groups   []groupInfo
	pins     int          // uses between open and unpin
	bad      map[int]bool // damaged row groups of a segment that was closed
	adopting bool         // the manifest is rebuilt: nothing is known beforehand

	// listed and openBytes are guarded by files.
	listed    *list.Element
	openBytes int64

	// base and ctx are of a view of a segment for one query (forQuery).
	base *segment
	ctx  context.Context
	free func(*segment) // deletes a removed segment of another place
}

type groupInfo struct {
	rows         int
	minTs, maxTs int64
	restFull     bool // some row may have a rest object
	words        *wordIndex
	values       *filter
	bad          atomic.Bool
	mixed        atomic.Uint64 // columns, of the first 64, whose runs are known to be short
}

func (s *segment) acquire() { s.refs.Add(1) }

// release closes, and deletes when removed, the file after its last user.
func (s *segment) release() {
	if s.base != nil {
		s.endView()
		s.base.release()
		return
	}
	if s.refs.Add(-1) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle != nil {
		_ = s.handle.Close()
		s.handle, s.file = nil, nil
	}
	s.files.closed(s)
	s.cache.dropSegment(s.ID)
	switch {
	case !s.removed.Load():
	case s.place != nil:
		s.free(s)
	default:
		_ = s.fs.Remove(s.path)
	}
}

// open reads the footer, unless that is in memory. An error is remembered: the
// segment is quarantined. Without an error the segment stays open until unpin.
func (s *segment) open() error {
	if s.base != nil {
		return s.openView()
	}
	if s.place != nil && s.place.life != nil {
		return s.openFor(s.place.life)
	}
	return s.openFor(context.Background())
}

func (s *segment) openFor(ctx context.Context) error {
	err := s.pin(ctx)
	s.files.trim()
	return err
}

func (s *segment) pin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened {
		if s.openErr == nil {
			s.pins++
			s.files.used(s, 0)
		}
		return s.openErr
	}
	err := s.readFooter(ctx)
	if err != nil && s.handle != nil {
		_ = s.handle.Close()
		s.handle, s.file = nil, nil
	}
	if transient(err) {
		return err // The file may be as good as new; the next scan tries again.
	}
	s.opened, s.openErr = true, err
	if err != nil {
		s.damage(s, -1, err)
		return err
	}
	s.pins++
	s.files.used(s, s.file.MemoryBytes()+int64(len(s.groups))*groupInfoBytes)
	return nil
}

// groupInfoBytes is about what a row group takes besides its directory.
const groupInfoBytes = 512

// transient tells of a process or system that is out of files or memory, which
// says nothing about the segment; as of a place that does not answer.
func transient(err error) bool {
	return errors.Is(err, errUnreachable) || errors.Is(err, errEnded) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

func (s *segment) readFooter(ctx context.Context) (err error) {
	defer func() {
		// A footer whose checksum was not known beforehand may be anything.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: footer: %v", errCorrupt, p)
		}
	}()
	if s.handle, err = s.openHandle(); err != nil {
		return err
	}
	if s.file, err = parquetio.Open(s.handle.bound(ctx), s.Bytes, s.FooterCRC, !s.adopting, s.packer.unzstd); err != nil {
		return err
	}
	s.file = s.file.With(s.handle)
	if v := s.file.Metadata[keyVersion]; v != formatVersion {
		return fmt.Errorf("segment format version %q is not %q: it was written by another version of Hinomi", v, formatVersion)
	}
	return s.readGroups()
}

func (s *segment) readGroups() error {
	for i := range s.schema.Fields {
		f := &s.schema.Fields[i]
		if c := s.file.Column(f.Name); c >= 0 && (s.file.Columns[c].Kind != f.Kind || s.file.Columns[c].Optional) {
			return fmt.Errorf("%w: column %q is of another type", errCorrupt, f.Name)
		}
	}
	timeCol := s.file.Column(s.schema.Time)
	if timeCol < 0 {
		return fmt.Errorf("%w: no column %q", errCorrupt, s.schema.Time)
	}
	var indexes []groupIndexMeta
	if err := json.Unmarshal([]byte(s.file.Metadata[keyIndexes]), &indexes); err != nil || len(indexes) != len(s.file.Groups) {
		return fmt.Errorf("%w: indexes of %d of %d row groups", errCorrupt, len(indexes), len(s.file.Groups))
	}
	rest := s.file.Column(restColumn)
	s.groups = make([]groupInfo, len(s.file.Groups))
	rows := int64(0)
	for i := range s.groups {
		g, info := &s.file.Groups[i], &s.groups[i]
		bounds := &g.Chunks[timeCol]
		if !bounds.Bounded {
			return fmt.Errorf("%w: row group %d has no time bounds", errCorrupt, i)
		}
		info.rows, info.minTs, info.maxTs = g.Rows, bounds.MinInt, bounds.MaxInt
		info.restFull = rest >= 0 && g.Chunks[rest].Nulls < int64(g.Rows)
		granules := (g.Rows + granuleRows - 1) / granuleRows
		if granules > maxGranules || g.Rows == 0 {
			return fmt.Errorf("%w: row group of %d rows", errCorrupt, g.Rows)
		}
		info.words = &wordIndex{file: s.file, meta: indexes[i].Words, granules: granules}
		info.values = &filter{file: s.file, meta: indexes[i].Values, granules: granules}
		info.bad.Store(s.bad[i])
		rows += int64(g.Rows)
	}
	if rows != s.Rows && !s.adopting {
		return fmt.Errorf("%w: footer counts %d rows, should be %d", errCorrupt, rows, s.Rows)
	}
	return nil
}

// verifyGroup compares the checksums of everything in a row group.
func (s *segment) verifyGroup(group int) error {
	if s.groups[group].bad.Load() {
		return fmt.Errorf("%w: row group %d", errCorrupt, group)
	}
	for i := range s.file.Columns {
		if err := s.file.Verify(group, i); err != nil {
			return fmt.Errorf("row group %d column %q: %w", group, s.file.Columns[i].Name, err)
		}
	}
	return errors.Join(s.groups[group].words.verify(), s.groups[group].values.verify())
}

// dictionaries gives whole dictionaries to a reader of a row group.
type dictionaries func(group, col int) ([]string, error)

// reading is how a column is read.
type reading struct {
	// whole, unless nil, has whole dictionaries decoded even for few rows.
	whole dictionaries
	// vecs lends the memory of vectors.
	vecs *parquetio.Vectors
	// bytes counts what was decoded, before compression.
	bytes int64
}

// column decodes the rows [lo, hi) of one column, page by page through the
// cache. nil when the segment has no such attribute; a fixed column that an older
// version did not write is all zero values.
func (s *segment) column(group int, name string, lo, hi int, how *reading) (*store.Vec, error) {
	col := s.file.Column(name)
	if col < 0 {
		return s.absent(name, hi-lo), nil
	}
	if v := s.same(group, col, hi-lo); v != nil {
		return v, nil
	}
	v, err := s.pages(group, col, lo, hi, how)
	if err != nil {
		return nil, fmt.Errorf("row group %d column %q: %w", group, name, err)
	}
	return v, nil
}

func (s *segment) absent(name string, n int) *store.Vec {
	if i := s.schema.Index(name); i >= 0 {
		if s.schema.Fields[i].Kind == store.KindFloat {
			return s.cache.repeated.float(0, n)
		}
		empty := colBuilder{kind: s.schema.Fields[i].Kind}
		return empty.finish(n)
	}
	return nil
}

func (s *segment) pages(group, col, lo, hi int, how *reading) (*store.Vec, error) {
	dict, err := s.dictionaryFor(group, col, hi-lo, how)
	if err != nil {
		return nil, err
	}
	c := &s.file.Groups[group].Chunks[col]
	var few [8]parquetio.PageData
	data := few[:0]
	from, to := c.PagesOf(lo, hi)
	for i := from; i < to; i++ {
		// Texts of several pages: what they take together is not worth the cache.
		page, err := s.page(group, col, i, to-from == 1)
		if err != nil {
			return nil, err
		}
		how.bytes += int64(page.Bytes())
		data = append(data, page)
	}
	v, err := s.file.Decode(group, col, lo, hi, data, dict, how.vecs)
	if err != nil {
		return nil, err
	}
	return s.texts(group, col, v, how)
}

// pick decodes few rows of a column, ascending.
func (s *segment) pick(group, col int, rows []uint32, how *reading) (*store.Vec, error) {
	dict, err := s.dictionaryFor(group, col, len(rows), how)
	if err != nil {
		return nil, err
	}
	c := &s.file.Groups[group].Chunks[col]
	var out *store.Vec
	for len(rows) > 0 {
		i, _ := c.PagesOf(int(rows[0]), int(rows[0])+1)
		n := len(rows)
		if end := uint32(c.Pages[i].First + c.Pages[i].Rows); rows[n-1] >= end {
			n, _ = slices.BinarySearch(rows, end)
		}
		page, err := s.page(group, col, i, true)
		if err != nil {
			return nil, err
		}
		how.bytes += int64(page.Bytes())
		v, err := s.file.Pick(group, col, i, page, rows[:n], dict, how.vecs)
		if err != nil {
			return nil, err
		}
		if rows = rows[n:]; out == nil {
			out = v
			continue
		}
		out.Valid, out.Codes, out.Strs = append(out.Valid, v.Valid...), append(out.Codes, v.Codes...), append(out.Strs, v.Strs...)
		out.Ints, out.Floats = append(out.Ints, v.Ints...), append(out.Floats, v.Floats...)
	}
	return s.texts(group, col, out, how)
}

// dictionaryFor returns the dictionary of a column of which n rows are read, nil
// when it has none or texts does better.
func (s *segment) dictionaryFor(group, col, n int, how *reading) ([]string, error) {
	c := &s.file.Groups[group].Chunks[col]
	switch {
	case c.Dict == nil:
		return nil, nil
	case how.whole != nil:
		return how.whole(group, col)
	case !s.worthDictionary(c, group, col, n):
		return nil, nil
	}
	return s.dictionary(group, col, nil)
}

// texts looks up codes that were read without their dictionary, in the frames
// that they need.
func (s *segment) texts(group, col int, v *store.Vec, how *reading) (*store.Vec, error) {
	if v.Codes == nil || v.Dict != nil {
		return v, nil
	}
	return s.file.Texts(group, col, v, func(i int) ([]string, error) {
		how.bytes += int64(s.file.Groups[group].Chunks[col].Frames[i].Raw)
		return s.frame(group, col, i)
	})
}

// page returns the content of a page, kept by the cache if asked to.
func (s *segment) page(group, col, i int, keep bool) (parquetio.PageData, error) {
	key := cacheKey{s.ID, int32(group), int32(col), int32(i)}
	if e := s.cache.entry(key); e != nil {
		return e.page, nil
	}
	page, err := s.file.Page(group, col, i, nil)
	if err == nil && keep {
		s.cache.putPage(key, page)
	}
	return page, err
}

// sparseDictionary is how many entries of a dictionary for each wanted row make
// it better to decode only the frames of these rows.
const sparseDictionary = 2

func (s *segment) worthDictionary(c *parquetio.Chunk, group, col, rows int) bool {
	return len(c.Frames) == 1 || rows*sparseDictionary > int(c.DictLen) || s.cache.get(cacheKey{s.ID, int32(group), int32(col), dictionaryPage}) != nil
}

// dictionaryPage and runsPage are the page numbers under which a dictionary and
// the runs of a column are cached, and firstFrame that of a dictionary's first
// part; the others follow downwards.
const (
	dictionaryPage = -1
	runsPage       = -2
	firstFrame     = -3
)

// maxCachedDictionary is the size of dictionaries that scans of everything leave to
// the cache. Those of long texts would push out what many small questions need.
const maxCachedDictionary = 1 << 20

// dictionary decodes a dictionary through the cache, or with mem, when it is large,
// into buffers of it.
func (s *segment) dictionary(group, col int, mem *parquetio.Memory) ([]string, error) {
	key := cacheKey{s.ID, int32(group), int32(col), dictionaryPage}
	if v := s.cache.get(key); v != nil {
		return v.Dict, nil
	}
	if mem != nil && s.file.Groups[group].Chunks[col].DictBytes() > maxCachedDictionary {
		return s.file.Dictionary(group, col, mem)
	}
	dict, err := s.file.Dictionary(group, col, nil)
	if err != nil {
		return nil, err
	}
	s.cache.put(key, &store.Vec{Dict: dict})
	return dict, nil
}

// frame returns a part of a large dictionary through the cache, where parts that
// searches keep coming back to stay.
func (s *segment) frame(group, col, i int) ([]string, error) {
	key := cacheKey{s.ID, int32(group), int32(col), firstFrame - int32(i)}
	if v := s.cache.get(key); v != nil {
		return v.Dict, nil
	}
	entries, err := s.file.FrameOf(group, col, i, nil)
	if err != nil {
		return nil, err
	}
	s.cache.put(key, &store.Vec{Dict: entries})
	return entries, nil
}

// load is column without the cache, for merges, whose memory it uses.
func (s *segment) load(group int, name string, lo, hi int, mem *parquetio.Memory) (*store.Vec, error) {
	col := s.file.Column(name)
	if col < 0 {
		return s.absent(name, hi-lo), nil
	}
	c := &s.file.Groups[group].Chunks[col]
	var dict []string
	if c.Dict != nil {
		if len(c.Frames) > 1 && (hi-lo)*sparseDictionary < int(c.DictLen) {
			coded, err := s.file.Read(group, col, lo, hi, nil, mem)
			if err != nil {
				return nil, err
			}
			return s.file.Texts(group, col, coded, func(i int) ([]string, error) { return s.file.FrameOf(group, col, i, mem) })
		}
		var err error
		if dict, err = s.file.Dictionary(group, col, mem); err != nil {
			return nil, err
		}
	}
	return s.file.Read(group, col, lo, hi, dict, mem)
}

// wanted tells whether a column can hold anything in the row group.
func (s *segment) wanted(group int, name string) bool {
	if name == restColumn {
		return s.groups[group].restFull
	}
	return s.file.Column(name) >= 0 || s.schema.Index(name) >= 0
}

// window is the rows [lo, hi) of v.
func window(v *store.Vec, lo, hi int) *store.Vec { return parquetio.Window(v, lo, hi) }

// soleProduct returns the product that all rows of the segment have. It reads
// the directory's exact bounds.
func (s *segment) soleProduct() (string, bool) {
	if s.open() != nil {
		return "", false
	}
	defer s.unpin()
	col := s.file.Column(store.ColProduct)
	if col < 0 {
		return "", true
	}
	product := ""
	for g := range s.groups {
		c := &s.file.Groups[g].Chunks[col]
		if !c.Bounded || c.MinStr != c.MaxStr {
			return "", false
		}
		if g == 0 {
			product = c.MinStr
		} else if c.MinStr != product {
			return "", false
		}
	}
	return product, len(s.groups) > 0
}
