package columnar

import (
	"container/list"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	cacheDir = "cache"
	// rangeBytes is what is fetched from an object store at least: one request
	// costs as much time as a megabyte, and neighbouring pages of a column come
	// with it.
	rangeBytes = 1 << 20
	// maxFetch is how many ranges one request brings at most, aheadRanges how many
	// when ranges are read one after the other.
	maxFetch    = 8
	aheadRanges = 4
	// cachedBlock is the unit of the cache files' checksums.
	cachedBlock = 64 << 10
	// cacheReserve is what the cache leaves free on the disk, which the WAL needs.
	cacheReserve = 256 << 20
	// DefaultRangeCacheBytes is the budget of the local cache of object stores.
	DefaultRangeCacheBytes = 1 << 30
)

// rangeCache keeps ranges of objects as files, least recently used out first,
// within a budget of bytes. It survives restarts: a file carries its checksums,
// and what it is a range of cannot change. A file is
//
//	CRC-32C of each block of 64 KiB, u32… | the range's bytes
type rangeCache struct {
	fs     vfs.FS
	dir    string
	budget int64

	mu      sync.Mutex
	used    int64
	entries map[rangeKey]*list.Element
	lru     list.List // of cachedRange
	flights map[rangeKey]*flight
}

// rangeKey is a range of an object: bytes [number·rangeBytes, …).
type rangeKey struct {
	object string
	number int64
}

type cachedRange struct {
	key   rangeKey
	bytes int64 // of the range
}

// flight is a range on its way from the object store.
type flight struct {
	done    chan struct{}
	data    []byte
	err     error
	aborted bool // the query that fetched it ended
}

// objectKey is what the cache calls an object. Names of segments are unique.
func objectKey(name string) string {
	return strings.TrimSuffix(path.Base(name), ".parquet")
}

func (k rangeKey) file() string { return fmt.Sprintf("%s-%06d.range", k.object, k.number) }

func newRangeCache(fs vfs.FS, dir string, budget int64) *rangeCache {
	return &rangeCache{fs: fs, dir: dir, budget: budget, entries: map[rangeKey]*list.Element{}, flights: map[rangeKey]*flight{}}
}

// load takes over the files in dir that are ranges of known objects; others are
// removed.
func (c *rangeCache) load(known map[string]bool) {
	names, err := c.fs.List(c.dir)
	if err != nil {
		return // No cache yet.
	}
	for _, name := range names {
		base, ok := strings.CutSuffix(name, ".range")
		at := strings.LastIndexByte(base, '-')
		number, err := strconv.ParseInt(base[at+1:], 10, 64)
		st, serr := c.fs.Stat(c.fs.PathJoin(c.dir, name))
		if !ok || at < 0 || err != nil || serr != nil || !known[base[:at]] {
			_ = c.fs.Remove(c.fs.PathJoin(c.dir, name))
			continue
		}
		c.mu.Lock()
		c.add(rangeKey{base[:at], number}, st.Size())
		c.mu.Unlock()
	}
}

func (c *rangeCache) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// read fills p from the object at off, all of which lies inside of it.
func (c *rangeCache) read(o *objectFile, p []byte, off int64) error {
	for len(p) > 0 {
		number := off / rangeBytes
		in := off - number*rangeBytes
		n := min(int64(len(p)), rangeLength(o.size, number)-in)
		// The last range that this read needs tells how much to fetch at once.
		last := (off + int64(len(p)) - 1) / rangeBytes
		if err := c.part(o, number, last, p[:n], in); err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

func rangeLength(size, number int64) int64 { return min(rangeBytes, size-number*rangeBytes) }

// part copies bytes of one range, from the cache or the object store.
func (c *rangeCache) part(o *objectFile, number, last int64, p []byte, in int64) error {
	key := rangeKey{objectKey(o.name), number}
	for {
		if o.ctx.Err() != nil {
			return ended(o.ctx)
		}
		c.mu.Lock()
		if e := c.entries[key]; e != nil {
			c.lru.MoveToFront(e)
			c.mu.Unlock()
			if c.cached(key, rangeLength(o.size, number), p, in) {
				return nil
			}
			c.forget(key) // Torn by a crash, or damaged: fetched anew.
			continue
		}
		f := c.flights[key]
		if f == nil {
			flights := c.begin(o, key, last)
			c.mu.Unlock()
			return c.fetch(o, key, flights, p, in)
		}
		c.mu.Unlock()
		select {
		case <-o.ctx.Done():
			return ended(o.ctx)
		case <-f.done:
		}
		if f.err == nil {
			copy(p, f.data[in:])
			return nil
		}
		if !f.aborted {
			return f.err
		}
		// The query that fetched it ended; this one goes on.
	}
}

// begin reserves the ranges of one request, from key on. c.mu is held.
func (c *rangeCache) begin(o *objectFile, key rangeKey, last int64) []*flight {
	count := min(last-key.number+1, maxFetch)
	if o.ahead.follows(key.number) {
		// What is fetched ahead must not push out itself.
		count = max(count, min(aheadRanges, c.budget/rangeBytes/4))
	}
	var out []*flight
	for k := key; int64(len(out)) < count && rangeLength(o.size, k.number) > 0; k.number++ {
		if len(out) > 0 && (c.entries[k] != nil || c.flights[k] != nil) {
			break
		}
		f := &flight{done: make(chan struct{})}
		c.flights[k] = f
		out = append(out, f)
	}
	o.ahead.fetched(key.number + int64(len(out)))
	return out
}

func (c *rangeCache) fetch(o *objectFile, key rangeKey, flights []*flight, p []byte, in int64) error {
	from := key.number * rangeBytes
	to := min(from+int64(len(flights))*rangeBytes, o.size)
	data, err := o.bucket.fetch(o.ctx, o.name, o.size, from, to-from)
	for i, f := range flights {
		k := rangeKey{key.object, key.number + int64(i)}
		f.err, f.aborted = err, err != nil && o.ctx.Err() != nil
		if err == nil {
			at := int64(i) * rangeBytes
			f.data = data[at : at+rangeLength(o.size, k.number)]
			c.store(k, f.data)
		}
		c.mu.Lock()
		delete(c.flights, k)
		c.mu.Unlock()
		close(f.done)
	}
	if err != nil {
		return err
	}
	copy(p, data[in:])
	return nil
}

// cached reads and verifies a part of a cached range.
func (c *rangeCache) cached(key rangeKey, length int64, p []byte, in int64) bool {
	f, err := c.fs.Open(c.fs.PathJoin(c.dir, key.file()))
	if err != nil {
		return false
	}
	defer f.Close()
	blocks := (length + cachedBlock - 1) / cachedBlock
	head := make([]byte, blocks*4)
	if _, err := f.ReadAt(head, 0); err != nil {
		return false
	}
	first, end := in/cachedBlock, (in+int64(len(p))+cachedBlock-1)/cachedBlock
	buf := make([]byte, min(end*cachedBlock, length)-first*cachedBlock)
	if n, err := f.ReadAt(buf, int64(len(head))+first*cachedBlock); n < len(buf) && err != nil {
		return false
	}
	for b := first; b < end; b++ {
		at := (b - first) * cachedBlock
		block := buf[at:min(at+cachedBlock, int64(len(buf)))]
		if crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(head[b*4:]) {
			return false
		}
	}
	copy(p, buf[in-first*cachedBlock:])
	return true
}

// store writes a range to the cache. When that fails it is not cached; what a
// crash leaves half written fails its checksum.
func (c *rangeCache) store(key rangeKey, data []byte) {
	blocks := (len(data) + cachedBlock - 1) / cachedBlock
	size := int64(blocks*4 + len(data))
	if size > c.budget || c.diskLow() {
		return
	}
	head := make([]byte, 0, blocks*4)
	for at := 0; at < len(data); at += cachedBlock {
		head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(data[at:min(at+cachedBlock, len(data))], castagnoli))
	}
	name := c.fs.PathJoin(c.dir, key.file())
	f, err := c.fs.Create(name, vfs.WriteCategoryUnspecified)
	if isNotExist(err) && c.fs.MkdirAll(c.dir, 0o755) == nil {
		f, err = c.fs.Create(name, vfs.WriteCategoryUnspecified)
	}
	if err != nil {
		return
	}
	_, err = f.Write(head)
	if err == nil {
		// A vfs.File may change what it is given to write.
		_, err = io.Copy(writerOnly{f}, strings.NewReader(string(data)))
	}
	if cerr := f.Close(); err != nil || cerr != nil {
		_ = c.fs.Remove(name)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, size)
}

func (c *rangeCache) diskLow() bool {
	u, err := c.fs.GetDiskUsage(c.fs.PathDir(c.dir))
	return err == nil && u.AvailBytes < cacheReserve
}

// add notes a file and removes others until all fit. c.mu is held.
func (c *rangeCache) add(key rangeKey, size int64) {
	if c.entries[key] != nil {
		return
	}
	c.entries[key] = c.lru.PushFront(&cachedRange{key, size})
	for c.used += size; c.used > c.budget; {
		c.evict(c.lru.Back())
	}
}

func (c *rangeCache) evict(e *list.Element) {
	r := c.lru.Remove(e).(*cachedRange)
	delete(c.entries, r.key)
	c.used -= r.bytes
	_ = c.fs.Remove(c.fs.PathJoin(c.dir, r.key.file()))
}

func (c *rangeCache) forget(key rangeKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		c.evict(e)
	}
}

// drop removes all ranges of an object.
func (c *rangeCache) drop(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if key.object == object {
			c.evict(e)
		}
	}
}

// readAhead remembers where fetches of one file ended. Columns are read side by
// side, so there are several places.
type readAhead struct {
	mu   sync.Mutex
	ends [16]int64
	next int
}

// follows tells whether a fetch ended where range number begins.
func (a *readAhead) follows(number int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.ends {
		if e == number && number > 0 {
			return true
		}
	}
	return false
}

func (a *readAhead) fetched(end int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ends[a.next] = end
	a.next = (a.next + 1) % len(a.ends)
}
