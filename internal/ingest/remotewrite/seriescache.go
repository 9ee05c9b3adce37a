package remotewrite

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// Limits of the series cache.
const (
	// DefaultCachedSeries bounds the series cache. An entry takes some 90 bytes,
	// so a full cache takes 90 MB, beside a head block of several GB.
	DefaultCachedSeries = 1 << 20
	// cachePage is the number of entries that are allocated at a time.
	cachePage = 1024
)

// seriesKey stands for the label bytes of a series as they are in a request:
// two 64-bit hashes with random seeds of this process. Among ten million series
// the probability that any two share a key is below 1e-24, and a sender cannot
// look for such a pair without knowing the seeds.
type seriesKey [2]uint64

// knownSeries is a series of the store. labels share the store's memory.
type knownSeries struct {
	ref    storage.SeriesRef
	labels labels.Labels
}

// seriesCache finds the store's reference of a series without building its
// labels. An entry may be out of date: the store does not use a reference
// twice and falls back to the labels when it no longer knows one.
//
// Senders send their series in the same order again and again, so entries lie
// in the order in which they came, and the entry behind the last one found is
// tried first, without a lock: reading forward is what a processor does best,
// while a map of this size misses its caches at every look-up.
//
// There are two generations. When the young one is full, the old one is dropped
// and the young one becomes old; an entry of the old one that is used goes to
// the young one. So memory is bounded, and series that nobody sends any more
// leave without bookkeeping.
type seriesCache struct {
	seeds [2]maphash.Seed
	limit int // entries of a generation

	mu    sync.Mutex // guards old, index and growing young
	young atomic.Pointer[generation]
	old   *generation
}

type generation struct {
	pages []*page // as many as limit needs; a page is set before its entries are used
	used  atomic.Int64
	index map[seriesKey]int32
}

type page [cachePage]cacheEntry

type cacheEntry struct {
	key   seriesKey
	known knownSeries
	// gone is set when the store no longer knew the reference.
	gone atomic.Bool
}

// place is where an entry was found: the next one is likely behind it. The zero
// place is nowhere.
type place struct {
	in *generation
	at int64
}

func newSeriesCache(maxSeries int) *seriesCache {
	c := &seriesCache{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		limit: max(1, maxSeries/2),
	}
	c.young.Store(c.generation())
	return c
}

func (c *seriesCache) generation() *generation {
	return &generation{pages: make([]*page, (c.limit+cachePage-1)/cachePage), index: map[seriesKey]int32{}}
}

func (c *seriesCache) key(raw []byte) seriesKey {
	return seriesKey{maphash.Bytes(c.seeds[0], raw), maphash.Bytes(c.seeds[1], raw)}
}

func (g *generation) entry(at int64) *cacheEntry { return &g.pages[at/cachePage][at%cachePage] }

// get looks a series up and moves p to its entry.
func (c *seriesCache) get(k seriesKey, p *place) (knownSeries, bool) {
	// Entries below used are never written again, apart from gone.
	if next := p.at + 1; p.in != nil && next < p.in.used.Load() {
		if e := p.in.entry(next); e.key == k && !e.gone.Load() {
			p.at = next
			return e.known, true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	young := c.young.Load()
	if at, ok := young.index[k]; ok {
		*p = place{young, int64(at)}
		return young.entry(int64(at)).known, true
	}
	if c.old != nil {
		if at, ok := c.old.index[k]; ok {
			v := c.old.entry(int64(at)).known
			delete(c.old.index, k)
			*p = c.add(k, v)
			return v, true
		}
	}
	*p = place{}
	return knownSeries{}, false
}

func (c *seriesCache) put(k seriesKey, v knownSeries, p *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*p = c.add(k, v)
}

// add appends an entry. The caller holds the lock.
func (c *seriesCache) add(k seriesKey, v knownSeries) place {
	g := c.young.Load()
	at := g.used.Load()
	if at >= int64(c.limit) {
		c.old, g, at = g, c.generation(), 0
		c.young.Store(g)
	}
	if g.pages[at/cachePage] == nil {
		g.pages[at/cachePage] = new(page)
	}
	e := g.entry(at)
	e.key, e.known = k, v
	if before, ok := g.index[k]; ok {
		g.entry(int64(before)).gone.Store(true)
	}
	g.index[k] = int32(at)
	g.used.Store(at + 1)
	return place{g, at}
}

// drop forgets a series whose reference the store did not know any more.
func (c *seriesCache) drop(k seriesKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range []*generation{c.young.Load(), c.old} {
		if g == nil {
			continue
		}
		if at, ok := g.index[k]; ok {
			g.entry(int64(at)).gone.Store(true)
			delete(g.index, k)
		}
	}
}

// size is the number of series that can be found.
func (c *seriesCache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.young.Load().index)
	if c.old != nil {
		n += len(c.old.index)
	}
	return n
}
