package columnar

import (
	"container/list"
	"sync"

	"hinomi/internal/store"
)

// Defaults of OpenFiles: descriptors are scarce where a process may have 1,024,
// and the directory of a segment with a million rows takes about 300 KB.
const (
	DefaultOpenFiles     = 512
	DefaultOpenFileBytes = 64 << 20
)

// OpenFiles bounds the segments that stay open after their last use: their
// descriptors, and the memory of their footers and page directories. The least
// recently used are closed first; those in use stay, even beyond the bounds. It
// may be shared by tables.
type OpenFiles struct {
	maxFiles int
	maxBytes int64
	room     store.Room

	mu      sync.Mutex
	lru     list.List // of *segment, the most recently used in front
	bytes   int64
	evicted int64
}

// NewOpenFiles returns bounds; 0 means the default, room may be nil.
func NewOpenFiles(maxFiles int, maxBytes int64, room store.Room) *OpenFiles {
	if maxFiles <= 0 {
		maxFiles = DefaultOpenFiles
	}
	if maxBytes <= 0 {
		maxBytes = DefaultOpenFileBytes
	}
	if room == nil {
		room = store.Unbounded{}
	}
	return &OpenFiles{maxFiles: maxFiles, maxBytes: maxBytes, room: room}
}

// Stats returns how many segments are open, what they take, and how many were
// closed to make room.
func (o *OpenFiles) Stats() (files int, bytes, evicted int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lru.Len(), o.bytes, o.evicted
}

// opened notes a segment that was just opened or used. Its lock is held.
func (o *OpenFiles) used(s *segment, bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.listed != nil {
		o.lru.MoveToFront(s.listed)
		return
	}
	s.listed, s.openBytes = o.lru.PushFront(s), bytes
	o.bytes += bytes
	o.room.Hold(bytes)
}

// closed forgets a segment. Its lock is held.
func (o *OpenFiles) closed(s *segment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget(s)
}

func (o *OpenFiles) forget(s *segment) {
	if s.listed == nil {
		return
	}
	o.lru.Remove(s.listed)
	s.listed = nil
	o.bytes -= s.openBytes
	o.room.Give(s.openBytes)
}

// trim closes segments until the bounds hold or only used ones are left. No
// segment's lock is held.
func (o *OpenFiles) trim() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := o.lru.Back(); e != nil && (o.lru.Len() > o.maxFiles || o.bytes > o.maxBytes); {
		s, before := e.Value.(*segment), e.Prev()
		if s.evict() {
			o.forget(s)
			o.evicted++
		}
		e = before
	}
}

// evict closes a segment that nobody uses. It does not wait: whoever has the lock
// of the segment is about to use it.
func (s *segment) evict() bool {
	if !s.mu.TryLock() {
		return false
	}
	defer s.mu.Unlock()
	if s.pins > 0 || s.file == nil {
		return false
	}
	s.shut()
	return true
}

// shut closes the file of a segment whose lock is held, and forgets what was read
// of it but which row groups are damaged.
func (s *segment) shut() {
	for i := range s.groups {
		if s.groups[i].bad.Load() {
			if s.bad == nil {
				s.bad = map[int]bool{}
			}
			s.bad[i] = true
		}
	}
	if s.handle != nil {
		_ = s.handle.Close()
	}
	s.handle, s.file, s.groups, s.opened = nil, nil, nil, false
	if s.place == nil || s.place.Bucket == nil {
		// That of a segment in a bucket is worth more than it takes.
		s.setMu.Lock()
		s.set = nil
		s.setMu.Unlock()
	}
}

// unpin ends a use that began with open.
func (s *segment) unpin() {
	if s.base != nil {
		return // A view is in use until it is released.
	}
	s.mu.Lock()
	s.pins--
	s.mu.Unlock()
	s.files.trim()
}
