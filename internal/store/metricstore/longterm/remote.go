package longterm

import (
	"container/list"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// Reading chunks from the object store.
const (
	// pageBytes is what is fetched at a time: chunks of neighbouring series lie
	// side by side, so that one request brings many.
	pageBytes = 256 << 10
	// DefaultCacheBytes bounds the pages that are kept in memory.
	DefaultCacheBytes = 64 << 20
	// fetchTimeout bounds one request; a query has no way to end it earlier.
	fetchTimeout = 30 * time.Second
	// maxChunkBytes is more than any chunk of at most 120 samples takes.
	maxChunkBytes = 16 << 20
)

// remoteBlock has its index on disk and its chunks in the object store.
type remoteBlock struct {
	*tsdb.Block
	chunks *remoteChunks
}

// Chunks implements tsdb.BlockReader.
func (b remoteBlock) Chunks() (tsdb.ChunkReader, error) { return b.chunks, nil }

// remoteChunks implements tsdb.ChunkReader.
type remoteChunks struct {
	bucket bucket
	prefix string // of the segments' names
	cache  *pageCache
}

// Close implements tsdb.ChunkReader; the cache belongs to the store.
func (*remoteChunks) Close() error { return nil }

// ChunkOrIterable implements tsdb.ChunkReader.
func (r *remoteChunks) ChunkOrIterable(m chunks.Meta) (chunkenc.Chunk, chunkenc.Iterable, error) {
	segment, offset := chunks.BlockChunkRef(m.Ref).Unpack()
	name := path.Join(r.prefix, fmt.Sprintf("%06d", segment+1))
	// A chunk is its length (a varint), its encoding, its data, and a checksum.
	head, err := r.read(name, int64(offset), binary.MaxVarintLen32)
	if err != nil {
		return nil, nil, err
	}
	length, n := binary.Uvarint(head)
	if n <= 0 || length > maxChunkBytes {
		return nil, nil, fmt.Errorf("chunk at %d of %s is damaged: it has no valid length", offset, name)
	}
	whole, err := r.read(name, int64(offset)+int64(n), 1+int(length)+crc32.Size)
	if err != nil {
		return nil, nil, err
	}
	if len(whole) < 1+int(length)+crc32.Size {
		return nil, nil, fmt.Errorf("chunk at %d of %s is damaged: the object ends inside of it", offset, name)
	}
	data, sum := whole[:1+length], whole[1+length:]
	if crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(sum) {
		return nil, nil, fmt.Errorf("chunk at %d of %s is damaged: its checksum does not match", offset, name)
	}
	c, err := chunkenc.FromData(chunkenc.Encoding(data[0]), data[1:])
	return c, nil, err
}

// read returns n bytes at offset, fewer at the end of the object, in memory of
// the caller's own.
func (r *remoteChunks) read(name string, offset int64, n int) ([]byte, error) {
	out := make([]byte, 0, n)
	for n > 0 {
		page, err := r.page(name, offset/pageBytes)
		if err != nil {
			return nil, err
		}
		from := int(offset % pageBytes)
		if from >= len(page) {
			break
		}
		part := page[from:min(len(page), from+n)]
		out = append(out, part...)
		offset, n = offset+int64(len(part)), n-len(part)
	}
	return out, nil
}

func (r *remoteChunks) page(name string, number int64) ([]byte, error) {
	key := pageKey{name, number}
	if page, ok := r.cache.get(key); ok {
		return page, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	attrs, err := r.bucket.Attributes(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read %s in the object store: %w", name, err)
	}
	length := min(pageBytes, attrs.Size-number*pageBytes)
	if length <= 0 {
		return nil, nil
	}
	body, err := r.bucket.GetRange(ctx, name, number*pageBytes, length)
	if err != nil {
		return nil, fmt.Errorf("read %s in the object store: %w", name, err)
	}
	page, err := io.ReadAll(io.LimitReader(body, length))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, fmt.Errorf("read %s in the object store: %w", name, err)
	}
	r.cache.put(key, page)
	return page, nil
}

type pageKey struct {
	name   string
	number int64
}

// pageCache keeps the pages that were used last, within a number of bytes.
type pageCache struct {
	mu         sync.Mutex
	limit, use int64
	order      *list.List // of cachedPage, the last used one in front
	pages      map[pageKey]*list.Element
	fetched    int64
}

type cachedPage struct {
	key  pageKey
	data []byte
}

func newPageCache(limit int64) *pageCache {
	return &pageCache{limit: limit, order: list.New(), pages: map[pageKey]*list.Element{}}
}

func (c *pageCache) get(k pageKey) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.pages[k]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedPage).data, true
}

func (c *pageCache) put(k pageKey, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetched++
	if _, ok := c.pages[k]; ok {
		return
	}
	c.pages[k] = c.order.PushFront(&cachedPage{k, data})
	for c.use += int64(len(data)); c.use > c.limit && c.order.Len() > 1; {
		last := c.order.Remove(c.order.Back()).(*cachedPage)
		delete(c.pages, last.key)
		c.use -= int64(len(last.data))
	}
}
