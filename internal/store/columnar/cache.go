package columnar

import (
	"container/list"
	"sync"

	"hinomi/internal/store"
)

// cache keeps decoded pages and dictionaries, least recently used out first,
// within a byte budget.
type cache struct {
	mu      sync.Mutex
	budget  int64
	used    int64
	entries map[cacheKey]*list.Element
	lru     list.List

	repeated repeated
}

type cacheKey struct {
	segment             uint64
	group, column, page int32
}

type cacheEntry struct {
	key   cacheKey
	vec   *store.Vec
	bytes int64
}

func newCache(budget int64) *cache {
	return &cache{budget: budget, entries: map[cacheKey]*list.Element{}}
}

func (c *cache) get(k cacheKey) *store.Vec {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		return nil
	}
	c.lru.MoveToFront(e)
	return e.Value.(*cacheEntry).vec
}

func (c *cache) put(k cacheKey, v *store.Vec) {
	size := int64(vecBytes(v))
	// One column must not push out everything else.
	if size > c.budget/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[k]; ok {
		return
	}
	c.entries[k] = c.lru.PushFront(&cacheEntry{k, v, size})
	c.used += size
	for c.used > c.budget {
		c.remove(c.lru.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	entry := e.Value.(*cacheEntry)
	c.lru.Remove(e)
	delete(c.entries, entry.key)
	c.used -= entry.bytes
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
