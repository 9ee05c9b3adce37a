package longterm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"

	"hinomi/internal/store/metricstore/downsample"
)

// objectTimeout bounds one operation on the object store; an upload of the
// largest blocks at a few MB/s takes minutes.
const objectTimeout = 10 * time.Minute

// bucket is the object store's side of blocks. An object's name is
// <resolution>/<ULID>/<file>, as on disk. The meta file is written last and
// removed first: a block without it is not one.
type bucket struct{ objstore.Bucket }

const metaFile = "meta.json"

// list are the ids of the complete blocks of one resolution.
func (b bucket) list(ctx context.Context, resolution string) (map[ulid.ULID]bool, error) {
	out := map[ulid.ULID]bool{}
	err := b.Iter(ctx, resolution+"/", func(name string) error {
		id, err := ulid.ParseStrict(path.Base(strings.TrimSuffix(name, "/")))
		if err != nil {
			return nil // not a block, so not ours
		}
		ok, err := b.Exists(ctx, path.Join(resolution, id.String(), metaFile))
		if ok {
			out[id] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the blocks in the object store: %w", err)
	}
	return out, nil
}

// upload copies a block directory, the meta file last.
func (b bucket) upload(ctx context.Context, resolution, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	var files []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != metaFile {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range append(files, filepath.Join(dir, metaFile)) {
		rel, err := filepath.Rel(filepath.Dir(dir), p)
		if err != nil {
			return err
		}
		if err := b.put(ctx, path.Join(resolution, filepath.ToSlash(rel)), p); err != nil {
			return fmt.Errorf("upload %s to the object store: %w", rel, err)
		}
	}
	return nil
}

func (b bucket) put(ctx context.Context, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return errors.Join(b.Upload(ctx, name, f), f.Close())
}

// download copies objects of a block to a directory that appears whole.
func (b bucket) download(ctx context.Context, resolution string, id ulid.ULID, dir string, want func(name string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	tmp := dir + downsample.TempSuffix
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(tmp, "chunks"), 0o750); err != nil {
		return err
	}
	prefix := path.Join(resolution, id.String()) + "/"
	err := b.Iter(ctx, prefix, func(name string) error {
		rel := strings.TrimPrefix(name, prefix)
		if !want(rel) {
			return nil
		}
		// The name comes from outside: it must not lead out of the directory.
		if !filepath.IsLocal(filepath.FromSlash(rel)) {
			return fmt.Errorf("object %q has no place in a block", name)
		}
		return b.get(ctx, name, filepath.Join(tmp, filepath.FromSlash(rel)))
	}, objstore.WithRecursiveIter())
	if err != nil {
		return errors.Join(fmt.Errorf("download block %s from the object store: %w", id, err), os.RemoveAll(tmp))
	}
	if err := downsample.SyncTree(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

func (b bucket) get(ctx context.Context, name, file string) error {
	r, err := b.Get(ctx, name)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close(), r.Close())
}

// remove deletes a block, the meta file first.
func (b bucket) remove(ctx context.Context, resolution string, id ulid.ULID) error {
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	prefix := path.Join(resolution, id.String()) + "/"
	ok, err := b.Exists(ctx, prefix+metaFile)
	if err != nil {
		return err
	}
	if ok {
		if err := b.Delete(ctx, prefix+metaFile); err != nil {
			return err
		}
	}
	var names []string
	err = b.Iter(ctx, prefix, func(name string) error {
		names = append(names, name)
		return nil
	}, objstore.WithRecursiveIter())
	for _, name := range names {
		err = errors.Join(err, b.Delete(ctx, name))
	}
	return err
}
