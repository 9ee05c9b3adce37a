package columnar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/thanos-io/objstore"
)

// errUnreachable is when a place does not answer. It says nothing about the
// segments in it, which are missing from answers until it does.
var errUnreachable = errors.New("the place of the segment cannot be reached")

// errEnded is when a read ends because the query or the table that wants it does.
var errEnded = errors.New("the read was ended")

func ended(ctx context.Context) error { return fmt.Errorf("%w: %w", errEnded, context.Cause(ctx)) }

// Tier is a place that segments move to when they are old enough: a directory or
// a bucket of an object store.
type Tier struct {
	// Name is how the MANIFEST calls the place. It stays when the place is
	// mounted or addressed in another way. Empty: made from Dir or the bucket.
	Name   string
	After  time.Duration // age of a segment's newest row
	Dir    string
	Bucket objstore.Bucket // closed by its owner, after the table
}

// PlaceName is how the MANIFEST calls the tier's place.
func (t Tier) PlaceName() string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Bucket != nil:
		return fmt.Sprintf("bucket:%s/%s", t.Bucket.Provider(), t.Bucket.Name())
	}
	return "dir:" + t.Dir
}

// handle is an open segment file. The segment's size was compared with the file's
// where that is cheap; else the checksum of the footer, at the file's end, does.
type handle interface {
	io.ReaderAt
	io.Closer
	// bound is the file for one query, whose end ends pending reads. It is not closed.
	bound(ctx context.Context) io.ReaderAt
}

// storage is what a place is made of. Errors are errUnreachable unless the
// caller's context ended or the bytes are wrong.
type storage interface {
	// prepare makes the place ready for its first file.
	prepare() error
	// put stores a file of size bytes; it is durable, whole, and has its name
	// afterwards, or does not have it.
	put(ctx context.Context, name string, r io.Reader, size int64) error
	// get reads a file from its beginning.
	get(ctx context.Context, name string) (io.ReadCloser, error)
	// remove deletes a file and what an interrupted put left; one that is not
	// there is no error.
	remove(ctx context.Context, name string) error
	open(name string, size int64) (handle, error)
}

// place is a tier as the table uses it.
type place struct {
	Tier
	name    string
	storage storage
	known   bool            // it is configured
	life    context.Context // of the table, whose end ends reads; nil: they need none
	used    atomic.Int64    // segments of the table that are there
}

// notConfigured stands for a place that the MANIFEST names and the configuration
// does not.
type notConfigured struct{ name string }

func (n notConfigured) err() error {
	return fmt.Errorf("%w: no tier is called %q: put it back into the configuration", errUnreachable, n.name)
}
func (n notConfigured) prepare() error                                      { return n.err() }
func (n notConfigured) put(context.Context, string, io.Reader, int64) error { return n.err() }
func (n notConfigured) get(context.Context, string) (io.ReadCloser, error)  { return nil, n.err() }
func (n notConfigured) remove(context.Context, string) error                { return n.err() }
func (n notConfigured) open(string, int64) (handle, error)                  { return nil, n.err() }

// dirStorage is another local directory.
type dirStorage struct {
	fs   vfs.FS
	root string // of this table
	used *atomic.Int64
}

// mounted refuses a directory that is gone: a file system that is not mounted must
// not look like an empty place.
func (d dirStorage) mounted() error {
	if _, err := d.fs.Stat(d.root); err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return nil
}

// prepare makes the directory, before any file in it is noted in the manifest.
func (d dirStorage) prepare() error {
	_, err := d.fs.Stat(d.root)
	if err == nil {
		return nil
	}
	if !isNotExist(err) || d.used.Load() > 0 {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	if err := d.fs.MkdirAll(d.root, 0o755); err != nil {
		return diskError("make the directory of a tier", err)
	}
	return d.syncUp(d.root)
}

// syncUp makes the entries of dir and of the directories above it durable.
func (d dirStorage) syncUp(dir string) error {
	for n := range 4 {
		// One above that we may not read was not made by us.
		if err := syncDir(d.fs, dir); err != nil && (n == 0 || !errors.Is(err, fs.ErrPermission)) {
			return diskError("sync the directory of a tier", err)
		}
		parent := d.fs.PathDir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return nil
}

const unfinishedSuffix = ".tmp"

func (d dirStorage) put(ctx context.Context, name string, r io.Reader, size int64) (err error) {
	if err := d.mounted(); err != nil {
		return err
	}
	full := d.fs.PathJoin(d.root, name)
	dir := d.fs.PathDir(full)
	if err := d.fs.MkdirAll(dir, 0o755); err != nil {
		return diskError("make the directory of a tier", err)
	}
	tmp := full + unfinishedSuffix
	f, err := d.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return diskError("create a segment in a tier", err)
	}
	defer func() {
		if err != nil {
			_ = d.fs.Remove(tmp)
		}
	}()
	n, err := io.Copy(writerOnly{f}, readerOf(ctx, r))
	if err == nil && n != size {
		err = fmt.Errorf("%w: %d bytes, want %d", errCorrupt, n, size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return diskError("write a segment to a tier", err)
	}
	if err := d.fs.Rename(tmp, full); err != nil {
		return diskError("name a segment in a tier", err)
	}
	return d.syncUp(dir)
}

// writerOnly hides other methods of a vfs.File from io.Copy.
type writerOnly struct{ io.Writer }

func (d dirStorage) get(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := d.fs.Open(d.fs.PathJoin(d.root, name), vfs.SequentialReadsOption)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return f, nil
}

func (d dirStorage) remove(_ context.Context, name string) error {
	if err := d.mounted(); err != nil {
		return err
	}
	full := d.fs.PathJoin(d.root, name)
	for _, f := range []string{full + unfinishedSuffix, full} {
		if err := d.fs.Remove(f); err != nil && !isNotExist(err) {
			return fmt.Errorf("%w: %w", errUnreachable, err)
		}
	}
	// Whoever calls forgets the file: it must not come back after a crash.
	if err := syncDir(d.fs, d.fs.PathDir(full)); err != nil && !isNotExist(err) {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return nil
}

func (d dirStorage) open(name string, size int64) (handle, error) {
	f, err := d.fs.Open(d.fs.PathJoin(d.root, name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errUnreachable, err), f.Close())
	}
	if st.Size() != size {
		return nil, errors.Join(fmt.Errorf("%w: file has %d bytes, should have %d", errCorrupt, st.Size(), size), f.Close())
	}
	return dirFile{f}, nil
}

// dirFile is a segment in another directory, whose device may be gone.
type dirFile struct{ vfs.File }

func (f dirFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return n, err
}

func (f dirFile) bound(context.Context) io.ReaderAt { return f }

// readerOf is r until ctx ends.
func readerOf(ctx context.Context, r io.Reader) io.Reader { return ctxReader{ctx, r} }

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, ended(c.ctx)
	}
	return c.r.Read(p)
}

// placedName is a segment's name in every place but the table's own directory. The
// footer's checksum keeps apart what different tables, or one that was rebuilt,
// would call the same.
func placedName(m *segmentMeta) string {
	base := path.Base(m.File)
	if m.Place == "" {
		base = fmt.Sprintf("%s-%08x.parquet", base[:len(base)-len(".parquet")], m.FooterCRC)
	}
	return path.Join(path.Base(path.Dir(m.File)), base)
}
