package metricstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"hinomi/internal/store"
	"hinomi/internal/store/metricstore/longterm"
)

// Store is an open metric store. All methods may be called concurrently.
type Store struct {
	opts     Options
	db       *tsdb.DB
	stats    *tsdb.DBStats
	counters *captureRegisterer
	lock     *dirLock
	sync     *groupSync
	logs     []*logSyncer
	meta     *metadataIndex
	recipes  *recipes
	long     *longterm.Store // nil when it is off
	opened   atomic.Pointer[tsdb.DB]
	// freeBytes tells the free space of the file system that holds dir.
	freeBytes func(dir string) (int64, error)

	failure   atomic.Pointer[error]
	closed    atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

// Open opens or creates the store in opts.Dir and replays its logs. It refuses
// a directory that another process has open. When a log is damaged the store
// opens with what is readable, and the damaged files are kept in a folder
// "quarantine" that is named in the log.
func Open(opts Options) (_ *Store, err error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("create metric store directory: %w", err)
	}
	if opts.MinFreeBytes == 0 {
		if opts.MinFreeBytes, err = defaultReserve(opts.Dir); err != nil {
			return nil, err
		}
	}
	lock, err := lockDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.release())
		}
	}()
	aside, err := keepAside(opts.Dir, opts.Now())
	if err != nil {
		return nil, err
	}

	s := &Store{
		opts:      opts,
		stats:     tsdb.NewDBStats(),
		counters:  newCaptureRegisterer(wblFailuresMetric, walCorruptionsMetric, mmapCorruptionsMetric),
		lock:      lock,
		meta:      newMetadataIndex(),
		recipes:   newRecipes(maxRecipeSeries),
		freeBytes: statfsFree,
	}
	if err := s.openLongTerm(); err != nil {
		return nil, errors.Join(fmt.Errorf("open downsampled metrics: %w", err), aside.discard())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeLongTerm())
		}
	}()
	s.db, err = tsdb.Open(opts.Dir, opts.Logger, s.counters, s.tsdbOptions(), s.stats)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open metric store %s: %w", opts.Dir, err), aside.discard())
	}
	s.opened.Store(s.db)
	if n := s.counters.value(walCorruptionsMetric); n > 0 {
		opts.Logger.Error("a metric log was damaged and has been repaired; samples after the damage are only in the files kept aside",
			"quarantine", aside.dir, "directory", opts.Dir)
		err = aside.keep()
	} else {
		err = aside.discard()
	}
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}

	s.logs = []*logSyncer{
		newLogSyncer(filepath.Join(opts.Dir, "wal")),
		newLogSyncer(filepath.Join(opts.Dir, wlog.WblDirName)),
	}
	s.sync = &groupSync{do: s.syncLogs}
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(s.counters.registry); err != nil {
			return nil, errors.Join(fmt.Errorf("register metric store metrics: %w", err), s.db.Close())
		}
	}
	return s, nil
}

func (s *Store) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = max(0, s.opts.Retention.Milliseconds())
	o.MaxBytes = s.opts.MaxBytes
	o.OutOfOrderTimeWindow = max(0, s.opts.OutOfOrderWindow.Milliseconds())
	o.MinBlockDuration = s.opts.BlockDuration.Milliseconds()
	o.MaxBlockDuration = max(o.MinBlockDuration, maxBlockDuration(s.opts.Retention).Milliseconds())
	o.WALSegmentSize = s.opts.SegmentBytes
	o.WALCompression = compression.Snappy
	o.StripeSize = stripeSize
	if s.long != nil {
		o.BlocksToDelete = s.blocksToDelete
	}
	o.EnableExemplarStorage = true
	o.MaxExemplars = s.opts.MaxExemplars
	o.EnableMetadataWALRecords = true
	// Start timestamps are stored with their samples; only the XOR2 encoding has room for them.
	o.EnableSTStorage = true
	o.FloatChunkEncoding = chunkenc.EncXOR2
	return o
}

// maxBlockDuration is Prometheus' rule: a tenth of the retention, at most 31 days.
func maxBlockDuration(retention time.Duration) time.Duration {
	const limit = 31 * 24 * time.Hour
	if retention <= 0 {
		return limit
	}
	return min(retention/10, limit)
}

// Close flushes and closes the store. Queriers must be closed before.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.closed.Store(true)
		if s.opts.Registerer != nil {
			// The TSDB unregisters parts of its metrics on Close, after which
			// the registry would no longer be recognised.
			s.opts.Registerer.Unregister(s.counters.registry)
		}
		s.closeErr = errors.Join(s.closeLongTerm(), s.db.Close())
		for _, l := range s.logs {
			s.closeErr = errors.Join(s.closeErr, l.close())
		}
		s.closeErr = errors.Join(s.closeErr, s.lock.release())
	})
	return s.closeErr
}

// writable tells whether a commit can be acknowledged at the moment.
func (s *Store) writable() error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := s.failure.Load(); err != nil {
		return *err
	}
	if s.opts.MinFreeBytes > 0 {
		free, err := s.freeBytes(s.opts.Dir)
		if err != nil {
			return fmt.Errorf("%w: read free disk space: %w", store.ErrStorage, err)
		}
		if free < s.opts.MinFreeBytes {
			return fmt.Errorf("%w: %d bytes are free and %d must stay free for the metric store",
				store.ErrNoSpace, free, s.opts.MinFreeBytes)
		}
	}
	return nil
}

// fail makes every later write fail. After a failed write or sync the log may
// be torn, and whatever were appended behind the tear would be dropped by the
// next start; so nothing is acknowledged until then.
func (s *Store) fail(err error) error {
	s.failure.CompareAndSwap(nil, &err)
	s.opts.Logger.Error("metric store refuses writes until it is reopened: a log write or sync failed", "err", err)
	return err
}
