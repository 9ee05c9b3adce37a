package longterm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"

	"hinomi/internal/store/metricstore/downsample"
)

// cacheSuffix ends the name of the directory that has the indexes of blocks
// whose chunks are in the object store.
const cacheSuffix = ".cache"

func (s *Store) cacheDir(resolution string) string {
	return filepath.Join(s.o.Dir, resolution+cacheSuffix)
}

// source is what queries read.
func (b *block) source() tsdb.BlockReader {
	if b.remote != nil {
		return remoteBlock{b.reader, b.remote}
	}
	return b.reader
}

func (s *Store) openRemote(resolution int64, name string, id ulid.ULID) (*block, error) {
	dir := filepath.Join(s.cacheDir(name), id.String())
	r, err := tsdb.OpenBlock(s.o.Logger, dir, nil, nil)
	if err != nil {
		return nil, err
	}
	b := newBlock(resolution, name, r)
	b.uploaded = true
	b.remote = &remoteChunks{bucket: bucket{s.o.Bucket}, prefix: path.Join(name, id.String(), "chunks"), cache: s.pages}
	return b, nil
}

// syncBucket brings both sides together: uploads blocks that the object store
// lacks, takes in those that only it has, and forgets those that it lost.
func (s *Store) syncBucket(ctx context.Context) error {
	if s.o.Bucket == nil {
		return nil
	}
	if !s.syncDue() {
		return s.offload()
	}
	s.synced = s.o.Now()
	for _, r := range resolutions {
		there, err := bucket{s.o.Bucket}.list(ctx, r.name)
		if err != nil {
			return err
		}
		for _, b := range s.of(r.millis) {
			id := b.meta().ULID
			switch {
			case there[id]:
				b.uploaded = true
			case b.remote != nil:
				s.o.Logger.Error("a downsampled block is not in the object store any more and left out of answers", "block", id, "resolution", r.name)
				s.replace(nil, []*block{b})
				if err := s.removeLocal(b); err != nil {
					return err
				}
			default:
				if err := (bucket{s.o.Bucket}).upload(ctx, r.name, b.reader.Dir()); err != nil {
					return err
				}
				b.uploaded = true
			}
			delete(there, id)
		}
		if err := s.adopt(ctx, r.millis, r.name, there); err != nil {
			return err
		}
	}
	s.learnProgress()
	return s.offload()
}

// learnProgress takes from the blocks how far downsampling is at least: the
// progress file may be lost. Days are done in their order, and 1 hour comes
// last of each.
func (s *Store) learnProgress() {
	for _, b := range s.of(downsample.OneHour) {
		if until := b.meta().MaxTime - 1; until > s.DoneUntil() {
			s.doneUntil.Store(until)
		}
	}
}

// syncInterval is how often both sides are compared when nothing is known to
// differ: that lists all blocks.
const syncInterval = 10 * time.Minute

func (s *Store) syncDue() bool {
	for _, r := range resolutions {
		for _, b := range s.of(r.millis) {
			if !b.uploaded {
				return true
			}
		}
	}
	return s.o.Now().Sub(s.synced) >= syncInterval
}

// adopt takes blocks in that only the object store has: the local directory is
// new, or another process made them. What was merged into a block that is there
// as well is a leftover.
func (s *Store) adopt(ctx context.Context, resolution int64, name string, ids map[ulid.ULID]bool) error {
	var found []*block
	merged := map[ulid.ULID]bool{}
	note := func(b *block) {
		for _, p := range b.meta().Compaction.Parents {
			merged[p.ULID] = true
		}
	}
	for _, b := range s.of(resolution) {
		note(b)
	}
	for id := range ids {
		dir := filepath.Join(s.cacheDir(name), id.String())
		if _, err := os.Stat(dir); err != nil {
			if err := os.MkdirAll(s.cacheDir(name), 0o750); err != nil {
				return err
			}
			if err := (bucket{s.o.Bucket}).download(ctx, name, id, dir, func(f string) bool { return !strings.HasPrefix(f, "chunks/") }); err != nil {
				return err
			}
		}
		b, err := s.openRemote(resolution, name, id)
		if err != nil {
			s.metrics.damaged.Inc()
			s.o.Logger.Error("a block in the object store is damaged and left out of answers", "block", id, "resolution", name, "err", err)
			continue
		}
		note(b)
		found = append(found, b)
	}
	for _, b := range found {
		if merged[b.meta().ULID] {
			if err := s.remove(b); err != nil {
				return err
			}
			continue
		}
		s.replace(b, nil)
	}
	return nil
}

// offload removes the chunks of the oldest blocks from the local disk until the
// rest fits. Blocks that are still to be merged stay, because that reads them.
func (s *Store) offload() error {
	use := int64(0)
	var candidates []*block
	for _, r := range resolutions {
		for _, b := range s.of(r.millis) {
			if b.remote != nil {
				continue
			}
			use += b.reader.Size()
			m := b.meta()
			if b.uploaded && m.MaxTime-1 <= s.DoneUntil()/(r.group*day)*(r.group*day) {
				candidates = append(candidates, b)
			}
		}
	}
	for _, b := range candidates {
		if use <= s.o.LocalBytes {
			return nil
		}
		use -= b.reader.Size()
		if err := s.makeRemote(b); err != nil {
			return fmt.Errorf("leave block %s to the object store: %w", b.meta().ULID, err)
		}
	}
	return nil
}

// makeRemote keeps a second name of the block's index, opens the block with it
// and removes the first directory once no query reads there.
func (s *Store) makeRemote(b *block) error {
	id := b.meta().ULID
	dir := filepath.Join(s.cacheDir(b.name), id.String())
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "chunks"), 0o750); err != nil {
		return err
	}
	for _, f := range []string{"index", metaFile} {
		if err := os.Link(filepath.Join(b.reader.Dir(), f), filepath.Join(dir, f)); err != nil {
			return err
		}
	}
	remote, err := s.openRemote(b.resolution, b.name, id)
	if err != nil {
		return err
	}
	s.replace(remote, []*block{b})
	return s.removeLocal(b)
}

// local is b with its chunks on disk, for what has to rewrite it.
func (s *Store) local(ctx context.Context, b *block) (*block, error) {
	if b.remote == nil {
		return b, nil
	}
	id := b.meta().ULID
	dir := filepath.Join(s.o.Dir, b.name, id.String())
	if err := (bucket{s.o.Bucket}).download(ctx, b.name, id, dir, func(string) bool { return true }); err != nil {
		return nil, err
	}
	r, err := tsdb.OpenBlock(s.o.Logger, dir, nil, nil)
	if err != nil {
		return nil, err
	}
	out := newBlock(b.resolution, b.name, r)
	out.uploaded = true
	s.replace(out, []*block{b})
	return out, s.removeLocal(b)
}

// remove closes a block and deletes its files everywhere. It must not be in
// s.blocks any more.
func (s *Store) remove(b *block) error {
	err := s.removeLocal(b)
	if s.o.Bucket != nil {
		err = errors.Join(err, bucket{s.o.Bucket}.remove(context.Background(), b.name, b.meta().ULID))
	}
	return err
}
