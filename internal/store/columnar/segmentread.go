package columnar

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
