package columnar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/thanos-io/objstore"
)

const (
	// objectTimeout bounds the copy of one segment: the largest have some hundred
	// MB.
	objectTimeout = 30 * time.Minute
	// rangeTimeout bounds one try of one range of a query.
	rangeTimeout = 20 * time.Second
	rangeTries   = 2
	rangePause   = 50 * time.Millisecond
	// downFor is how long a bucket that did not answer is not asked again: a query
	// over a thousand segments must not wait for each of them.
	downFor = 5 * time.Second
)

// bucketStorage is a bucket of an object store.
type bucketStorage struct {
	life     context.Context // of the table: reads that belong to no query end with it
	bucket   objstore.Bucket
	prefix   string // of this table
	cache    *rangeCache
	failures prometheus.Counter // ranges that were not answered
	// down is until when the bucket counts as not reachable (Unix ns), pause for
	// how long after a failure.
	down  atomic.Int64
	pause time.Duration
}

func newBucketStorage(life context.Context, b objstore.Bucket, prefix string, cache *rangeCache, failures prometheus.Counter) *bucketStorage {
	return &bucketStorage{life: life, bucket: b, prefix: prefix, cache: cache, failures: failures, pause: downFor}
}

func (b *bucketStorage) prepare() error { return nil }

func (b *bucketStorage) object(name string) string { return path.Join(b.prefix, name) }

// failed is what becomes of an error of the object store.
func (b *bucketStorage) failed(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	// Not wrapped: an io.EOF of a connection must not look like the end of a file.
	return fmt.Errorf("%w: %s in bucket %s: %v", errUnreachable, what, b.bucket.Name(), err)
}

func (b *bucketStorage) put(ctx context.Context, name string, r io.Reader, size int64) error {
	limited, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	if err := b.bucket.Upload(limited, b.object(name), sizedReader{readerOf(limited, r), size}); err != nil {
		return b.failed(ctx, "write "+b.object(name), err)
	}
	return nil
}

// sizedReader tells the object store's client how much comes, so that it does not
// collect everything first.
type sizedReader struct {
	io.Reader
	size int64
}

// ObjectSize implements objstore.ObjectSizer.
func (s sizedReader) ObjectSize() (int64, error) { return s.size, nil }

func (b *bucketStorage) get(ctx context.Context, name string) (io.ReadCloser, error) {
	limited, cancel := context.WithTimeout(ctx, objectTimeout)
	r, err := b.bucket.Get(limited, b.object(name))
	if err != nil {
		cancel()
		return nil, b.failed(ctx, "read "+b.object(name), err)
	}
	return cancelReader{readerOf(limited, r), r, cancel}, nil
}

type cancelReader struct {
	io.Reader
	io.Closer
	cancel context.CancelFunc
}

func (c cancelReader) Close() error {
	defer c.cancel()
	return c.Closer.Close()
}

func (b *bucketStorage) remove(ctx context.Context, name string) error {
	limited, cancel := context.WithTimeout(ctx, rangeTimeout)
	defer cancel()
	there, err := b.bucket.Exists(limited, b.object(name))
	if err == nil && there {
		err = b.bucket.Delete(limited, b.object(name))
	}
	if err != nil && !b.bucket.IsObjNotFoundErr(err) {
		return b.failed(ctx, "delete "+b.object(name), err)
	}
	if b.cache != nil {
		b.cache.drop(objectKey(name))
	}
	return nil
}

func (b *bucketStorage) open(name string, size int64) (handle, error) {
	return &objectFile{bucket: b, name: name, size: size, ctx: b.life, ahead: &readAhead{}}, nil
}

// fetch reads a range. It tries again, because single requests fail.
func (b *bucketStorage) fetch(ctx context.Context, name string, size, off, n int64) ([]byte, error) {
	if time.Now().UnixNano() < b.down.Load() {
		return nil, fmt.Errorf("%w: bucket %s did not answer a moment ago", errUnreachable, b.bucket.Name())
	}
	var last error
	for try := range rangeTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return nil, ended(ctx)
			case <-time.After(rangePause):
			}
		}
		data, err := b.fetchOnce(ctx, name, off, n)
		if err == nil {
			return data, nil
		}
		if ctx.Err() != nil {
			return nil, ended(ctx)
		}
		last = err
		if b.bucket.IsObjNotFoundErr(err) {
			return nil, b.failed(ctx, "read "+b.object(name), err)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			if err := b.compareSize(ctx, name, size); err != nil {
				return nil, err
			}
		}
	}
	b.failures.Inc()
	b.down.Store(time.Now().Add(b.pause).UnixNano())
	return nil, b.failed(ctx, "read "+b.object(name), last)
}

func (b *bucketStorage) fetchOnce(ctx context.Context, name string, off, n int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, rangeTimeout)
	defer cancel()
	r, err := b.bucket.GetRange(ctx, b.object(name), off, n)
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	_, err = io.ReadFull(readerOf(ctx, r), data)
	return data, errors.Join(err, r.Close())
}

// compareSize tells an object that is too short, which is damage, from an answer
// that was cut.
func (b *bucketStorage) compareSize(ctx context.Context, name string, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, rangeTimeout)
	defer cancel()
	if a, err := b.bucket.Attributes(ctx, b.object(name)); err == nil && a.Size != size {
		return fmt.Errorf("%w: object has %d bytes, should have %d", errCorrupt, a.Size, size)
	}
	return nil
}

// objectFile is a segment in a bucket.
type objectFile struct {
	bucket *bucketStorage
	name   string
	size   int64
	ctx    context.Context
	ahead  *readAhead
}

func (o *objectFile) bound(ctx context.Context) io.ReaderAt {
	c := *o
	c.ctx = ctx
	return &c
}

func (o *objectFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= o.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), o.size-off)]
	if err := o.bucket.cache.read(o, want, off); err != nil {
		return 0, err
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

func (o *objectFile) Close() error { return nil }
