package columnar

import (
	"container/list"
	"sync"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// cache keeps unpacked pages, decoded dictionaries and runs, least recently used out
// first, within a byte budget. What searches for few rows found is kept apart, within
// a part of it: one search reads more pages than there is room for.
type cache struct {
	mu      sync.Mutex
	budget  int64
	used    int64
	room    store.Room // has used
	entries map[cacheKey]*list.Element
	lru     list.List

	repeated repeated
	found    *cache // nil: this is one
}

type cacheKey struct {
	segment             uint64
	group, column, page int32
}

type cacheEntry struct {
	key   cacheKey
	vec   *store.Vec
	ends  []uint32 // of runs
	page  parquetio.PageData
	value store.Value // of one row
	found *found
	bytes int64
}

func newCache(budget int64, room store.Room) *cache {
	const foundShare = 8
	c := &cache{budget: budget - budget/foundShare, room: room, entries: map[cacheKey]*list.Element{}}
	c.found = &cache{budget: budget / foundShare, room: room, entries: map[cacheKey]*list.Element{}}
	return c
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
	c.lru.MoveToFront(e)
	return e.Value.(*cacheEntry)
}

func (c *cache) put(k cacheKey, v *store.Vec) { c.add(cacheEntry{key: k, vec: v}) }

func (c *cache) putPage(k cacheKey, p parquetio.PageData) { c.add(cacheEntry{key: k, page: p}) }

func (c *cache) putRuns(k cacheKey, r runs) { c.add(cacheEntry{key: k, vec: r.vec, ends: r.ends}) }

// entryBytes is what an entry takes besides its values.
const entryBytes = 256

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
	c.entries[e.key] = c.lru.PushFront(&e)
	c.used += size
	c.room.Hold(size)
	for c.used > c.budget {
		c.remove(c.lru.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	entry := e.Value.(*cacheEntry)
	c.lru.Remove(e)
	delete(c.entries, entry.key)
	c.used -= entry.bytes
	c.room.Give(entry.bytes)
}

func (c *cache) dropSegment(id uint64) {
	if c.found != nil {
		c.found.dropSegment(id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		if k.segment == id {
			c.remove(e)
		}
	}
}

func (c *cache) size() int64 {
	n := int64(0)
	if c.found != nil {
		n = c.found.size()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return n + c.used
}
