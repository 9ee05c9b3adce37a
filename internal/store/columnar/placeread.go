package columnar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/store"
)

// hotFile is a segment in the table's own directory.
type hotFile struct{ vfs.File }

func (f hotFile) bound(context.Context) io.ReaderAt { return f }

// openHandle opens the file where it is.
func (s *segment) openHandle() (handle, error) {
	if s.place != nil {
		return s.place.storage.open(s.File, s.Bytes)
	}
	f, err := s.fs.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	st, err := f.Stat()
	if err == nil && st.Size() != s.Bytes {
		err = fmt.Errorf("file has %d bytes, should have %d", st.Size(), s.Bytes)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errCorrupt, err), f.Close())
	}
	return hotFile{f}, nil
}

// openers is how many segments of buckets a query opens at once: each costs a
// request or two.
const openers = 8

// bind makes reads from buckets end with ctx. The footers that the query needs are
// read side by side; who fails is asked again by the scan, which counts it.
func (s *snapshot) bind(ctx context.Context, wanted func(minTs, maxTs int64) bool) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, openers)
	for i, seg := range s.segments {
		if seg.place == nil || seg.place.Bucket == nil {
			continue
		}
		view := seg.forQuery(ctx)
		s.segments[i] = view
		if wanted(seg.MinTs, seg.MaxTs) {
			slots <- struct{}{}
			wg.Go(func() {
				_ = view.open()
				<-slots
			})
		}
	}
}

// forQuery is a view of the segment that reads as long as ctx allows. The caller's
// reference to the segment becomes the view's.
func (s *segment) forQuery(ctx context.Context) *segment {
	return &segment{segmentMeta: s.segmentMeta, schema: s.schema, fs: s.fs, path: s.path, place: s.place,
		cache: s.cache, packer: s.packer, damage: s.damage, files: s.files, base: s, ctx: ctx}
}

// endView ends the view's use of its segment.
func (s *segment) endView() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened {
		s.opened = false
		s.base.unpin()
	}
}

func (s *segment) openView() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened {
		return nil
	}
	if err := s.base.openFor(s.ctx); err != nil {
		return err
	}
	file := s.base.file.With(s.base.handle.bound(s.ctx))
	s.groups = make([]groupInfo, len(s.base.groups))
	for i := range s.groups {
		from, to := &s.base.groups[i], &s.groups[i]
		to.rows, to.minTs, to.maxTs, to.restFull = from.rows, from.minTs, from.maxTs, from.restFull
		words, values := *from.words, *from.values
		words.file, values.file = file, file
		to.words, to.values = &words, &values
		to.bad.Store(from.bad.Load())
	}
	s.file, s.opened = file, true
	return nil
}

// columnsFor is columnSet for a query. Of a segment that is damaged or cannot be
// reached, which scans count, it has the columns that the manifest names.
func (s *segment) columnsFor(ctx context.Context) (columnSet, error) {
	from := s
	if s.place != nil && s.place.Bucket != nil {
		s.setMu.Lock()
		set := s.set
		s.setMu.Unlock()
		if set != nil {
			return set, nil
		}
		from = s.forQuery(ctx)
	}
	var set columnSet
	err := from.open()
	switch {
	case err == nil:
		set, err = from.columnSet()
		if from != s {
			from.endView()
		} else {
			s.unpin()
		}
	case s.place == nil:
		return nil, nil // Scans count it.
	default:
		set = s.namedColumns()
	}
	if err == nil && from != s {
		s.setMu.Lock()
		s.set = set
		s.setMu.Unlock()
	}
	if errors.Is(err, errCorrupt) || errors.Is(err, errUnreachable) {
		err = nil
	}
	return set, err
}

// namedColumns are the attributes that the manifest names. Which of them have
// arrays is in the footer, where one that can be read says so.
func (s *segment) namedColumns() columnSet {
	lists := s.listKeys()
	set := columnSet{}
	for _, name := range s.Attrs {
		set.attr(name, lists)
	}
	for _, key := range s.Rest {
		set.add(store.ColumnRef{Scope: store.Attr, Name: key}, store.KindMixed, lists(key))
	}
	return set
}

// listKeys tells which attributes have a text that may be that of an array: any,
// where the footer does not say.
func (s *segment) listKeys() func(key string) bool {
	s.mu.Lock()
	file := s.file
	s.mu.Unlock()
	var keys []string
	if file == nil || json.Unmarshal([]byte(file.Metadata[keyLists]), &keys) != nil {
		return func(string) bool { return true }
	}
	return func(key string) bool { return slices.Contains(keys, key) }
}

// where names the file for people.
func (s *segment) where() string {
	if s.Place == "" {
		return s.File
	}
	return s.Place + ": " + s.File
}
