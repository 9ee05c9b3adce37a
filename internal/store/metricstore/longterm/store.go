package longterm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"

	"hinomi/internal/store/metricstore/downsample"
)

// Store is the open set of downsampled blocks. All methods may be called
// concurrently, apart from Step and Run, of which one may run at a time.
type Store struct {
	o       Options
	metrics *metrics
	pace    *pacer
	pages   *pageCache
	synced  time.Time // last look at the object store; of the job alone

	doneUntil    atomic.Int64
	rulesApplied int64 // of Step alone
	mu           sync.RWMutex
	blocks       []*block // by resolution, then time
	closed       bool
}

// block is one open block.
type block struct {
	resolution int64
	name       string // directory of its resolution
	reader     *tsdb.Block
	opened     tsdb.BlockMeta
	uploaded   bool          // it is in the object store; of the job alone
	remote     *remoteChunks // set when its chunks are only there
}

// meta is as it was when the block was opened: deletions by rules change the
// reader's, which queries must not read at the same time.
func (b *block) meta() tsdb.BlockMeta { return b.opened }

func newBlock(resolution int64, name string, r *tsdb.Block) *block {
	return &block{resolution: resolution, name: name, reader: r, opened: r.Meta()}
}

// Open loads the blocks below o.Dir and finishes or undoes what a crash left.
// A damaged block is left out, reported, and stays where it is.
func Open(o Options) (*Store, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := &Store{o: o, metrics: newMetrics(), pace: &pacer{share: o.CPUShare}}
	done, err := readProgress(o.Dir)
	if err != nil {
		s.metrics.damaged.Inc()
		o.Logger.Error("the progress of downsampling is taken from the blocks instead", "err", err)
	}
	s.doneUntil.Store(done)
	s.pages = newPageCache(o.CacheBytes)
	for _, r := range resolutions {
		if err := os.MkdirAll(filepath.Join(o.Dir, r.name), 0o750); err != nil {
			return nil, fmt.Errorf("create directory of downsampled metrics: %w", err)
		}
		if err := s.load(r.millis, r.name); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.learnProgress()
	// Without the object store, what is on disk is served; the job tries again.
	if err := s.syncBucket(context.Background()); err != nil {
		s.metrics.failures.Inc()
		s.o.Logger.Error("the object store of downsampled metrics cannot be read, answers lack what only it has", "err", err)
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(s.metrics.registry); err != nil {
			return nil, errors.Join(fmt.Errorf("register metrics of downsampling: %w", err), s.Close())
		}
	}
	s.metrics.set(s)
	return s, nil
}

// load opens the blocks of one resolution.
func (s *Store) load(resolution int64, name string) error {
	dir := filepath.Join(s.o.Dir, name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if leftovers, err := filepath.Glob(filepath.Join(s.cacheDir(name), "*.tmp*")); err == nil {
		for _, path := range leftovers {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove an unfinished index: %w", err)
			}
		}
	}
	var found []*block
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.Contains(e.Name(), ".tmp") {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove an unfinished block: %w", err)
			}
			continue
		}
		if _, err := ulid.ParseStrict(e.Name()); err != nil || !e.IsDir() {
			continue
		}
		b, err := tsdb.OpenBlock(s.o.Logger, path, nil, nil)
		if err != nil {
			s.metrics.damaged.Inc()
			s.o.Logger.Error("a block of downsampled metrics is damaged and left out of answers; its time is answered from other resolutions where they have it",
				"block", path, "err", err)
			continue
		}
		found = append(found, newBlock(resolution, name, b))
	}
	// A merged block and what it was merged from are both there when a crash
	// came between writing the one and removing the others.
	merged := map[ulid.ULID]bool{}
	for _, b := range found {
		for _, p := range b.meta().Compaction.Parents {
			merged[p.ULID] = true
		}
	}
	for _, b := range found {
		if merged[b.meta().ULID] {
			if err := s.remove(b); err != nil {
				return err
			}
			continue
		}
		s.blocks = append(s.blocks, b)
	}
	s.sort()
	return nil
}

func (s *Store) sort() {
	slices.SortFunc(s.blocks, func(a, b *block) int {
		return cmp.Or(cmp.Compare(a.resolution, b.resolution), cmp.Compare(a.meta().MinTime, b.meta().MinTime))
	})
}

// removeLocal closes a block and deletes its files on disk.
func (s *Store) removeLocal(b *block) error {
	// A block without its meta file is unfinished, so that goes first.
	dir := b.reader.Dir()
	err := b.reader.Close() // waits for its readers
	gone := dir + ".tmp-for-deletion"
	if renameErr := os.Rename(dir, gone); renameErr != nil && !errors.Is(renameErr, fs.ErrNotExist) {
		return errors.Join(err, renameErr)
	}
	return errors.Join(err, os.RemoveAll(gone))
}

// add opens a block that was written and takes it in instead of others.
func (s *Store) add(ctx context.Context, resolution int64, name string, id ulid.ULID, instead ...*block) error {
	dir := filepath.Join(s.o.Dir, name, id.String())
	r, err := tsdb.OpenBlock(s.o.Logger, dir, nil, nil)
	if err != nil {
		return fmt.Errorf("open the block that was just written: %w", err)
	}
	b := newBlock(resolution, name, r)
	if s.o.Bucket != nil {
		// A failure is not one of downsampling: the next run tries again, and
		// what this block was made of stays there until then.
		if err := (bucket{s.o.Bucket}).upload(ctx, name, dir); err != nil {
			s.metrics.failures.Inc()
			s.o.Logger.Error("a downsampled block could not be uploaded, it is tried again every minute", "block", id, "err", err)
		} else {
			b.uploaded = true
		}
	}
	s.replace(b, instead)
	for _, old := range instead {
		if s.o.Bucket != nil && !b.uploaded {
			err = errors.Join(err, s.removeLocal(old)) // adopt removes the other copy later
			continue
		}
		err = errors.Join(err, s.remove(old))
	}
	s.metrics.set(s)
	return err
}

func (s *Store) replace(b *block, instead []*block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(s.blocks), func(x *block) bool { return slices.Contains(instead, x) })
	if b != nil {
		kept = append(kept, b)
	}
	s.blocks = kept
	s.sort()
}

// of lists the blocks of one resolution by time.
func (s *Store) of(resolution int64) []*block {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*block
	for _, b := range s.blocks {
		if b.resolution == resolution {
			out = append(out, b)
		}
	}
	return out
}

// DoneUntil is the end of the last day that is downsampled, inclusive. Raw
// samples behind it must not be deleted.
func (s *Store) DoneUntil() int64 { return s.doneUntil.Load() }

// Run downsamples, merges and deletes until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := s.Step(ctx); err != nil && ctx.Err() == nil {
			s.metrics.failures.Inc()
			s.o.Logger.Error("downsampling metrics failed; raw samples are kept until it succeeds", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Close closes the blocks. Queriers must be closed before.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.o.Registerer != nil {
		s.o.Registerer.Unregister(s.metrics.registry)
	}
	var err error
	for _, b := range s.blocks {
		err = errors.Join(err, b.reader.Close())
	}
	return err
}

// overlapping are the blocks with samples in [mint, maxt], by resolution.
func (s *Store) overlapping(mint, maxt int64) []*block {
	var out []*block
	for _, b := range s.blocks {
		if m := b.meta(); m.MinTime <= maxt && m.MaxTime > mint {
			out = append(out, b)
		}
	}
	return out
}

func nameOf(resolution int64) string {
	if resolution == downsample.FiveMinutes {
		return "5m"
	}
	return "1h"
}
