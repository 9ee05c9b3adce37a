package columnar

import (
	"container/list"
	"strings"
	"sync"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// cache keeps unpacked pages, decoded dictionaries and runs, and apart from these what
// searches for few rows found, least recently used out first, within a byte budget. One
// search reads more pages than there is room for: they do not push out what it found.
type cache struct {
	mu      sync.Mutex
	budget  int64
	used    int64
	room    store.Room // has used
	entries map[cacheKey]*list.Element
	pages   recent
	found   recent

	repeated repeated
}

// recent are entries, the last used first.
type recent struct {
	list.List
	bytes int64
}

type cacheKey struct {
	segment             uint64
	group, column, page int32
}

type cacheEntry struct {
	key   cacheKey
	in    *recent
	vec   *store.Vec
	ends  []uint32 // of runs
	page  parquetio.PageData
	value store.Value // of one row
	found *found
	bytes int64
}

func newCache(budget int64, room store.Room) *cache {
	return &cache{budget: budget, room: room, entries: map[cacheKey]*list.Element{}}
}

func (c *cache) get(k cacheKey) *store.Vec {
	if e := c.entry(k); e != nil {
		return e.vec
	}
	return nil
}

// runs returns the runs of a column.
func (c *cache) runs(k cacheKey) runs {
	if e := c.entry(k); e != nil {
		return runs{e.ends, e.vec}
	}
	return runs{}
}

func (c *cache) entry(k cacheKey) *cacheEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		return nil
	}
	entry := e.Value.(*cacheEntry)
	entry.in.MoveToFront(e)
	return entry
}

func (c *cache) put(k cacheKey, v *store.Vec) { c.add(cacheEntry{key: k, vec: v, in: &c.pages}) }

func (c *cache) putPage(k cacheKey, p parquetio.PageData) {
	c.add(cacheEntry{key: k, page: p, in: &c.pages})
}

func (c *cache) putRuns(k cacheKey, r runs) {
	c.add(cacheEntry{key: k, vec: r.vec, ends: r.ends, in: &c.pages})
}

func (c *cache) putValue(k cacheKey, v store.Value) {
	if len(v.Str) > longText {
		return // It is worth hundreds of others.
	}
	v.Str = strings.Clone(v.Str) // not with its page
	c.add(cacheEntry{key: k, value: v, in: &c.found})
}

func (c *cache) putFound(k cacheKey, f *found) { c.add(cacheEntry{key: k, found: f, in: &c.found}) }

const (
	// entryBytes is what an entry takes besides its values.
	entryBytes = 256
	// foundShare is the part of the budget that what searches found may have.
	foundShare = 8
)

func (c *cache) add(e cacheEntry) {
	size := entryBytes + int64(4*len(e.ends)+e.page.Bytes())
	if e.vec != nil {
		size += int64(vecBytes(e.vec))
	}
	if e.found != nil {
		size += int64(len(e.found.filter) + 4*len(e.found.rows))
	}
	size += int64(len(e.value.Str))
	// One column must not push out everything else.
	if size > c.budget/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[e.key]; ok {
		return
	}
	e.bytes = size
	c.entries[e.key] = e.in.PushFront(&e)
	e.in.bytes += size
	c.used += size
	c.room.Hold(size)
	for c.found.bytes > c.budget/foundShare {
		c.remove(c.found.Back())
	}
	for c.used > c.budget {
		c.remove(c.pages.Back()) // What was found alone is within the budget.
	}
}

func (c *cache) remove(e *list.Element) {
	entry := e.Value.(*cacheEntry)
	entry.in.Remove(e)
	entry.in.bytes -= entry.bytes
	delete(c.entries, entry.key)
	c.used -= entry.bytes
	c.room.Give(entry.bytes)
}

func (c *cache) dropSegment(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		if k.segment == id {
			c.remove(e)
		}
	}
}

func (c *cache) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}
