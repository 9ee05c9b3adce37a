package columnar

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"hinomi/internal/store"
)

// Defaults of Options.
const (
	DefaultMemtableBytes = 32 << 20
	DefaultCacheBytes    = 64 << 20
	DefaultFlushAge      = 15 * time.Minute
	DefaultPartition     = 24 * time.Hour
	DefaultMaxFuture     = 10 * time.Minute
	DefaultRetention     = 30 * 24 * time.Hour
	DefaultMergeAfter    = 20
	// DefaultMaxRowBytes bounds one row: a log line of a megabyte is accepted,
	// one of four is a mistake.
	DefaultMaxRowBytes = 4 << 20
)

// Options configure a Table. Zero values mean the defaults above.
type Options struct {
	FS         vfs.FS // nil: the operating system's
	Dir        string
	Schema     *Schema
	Retention  time.Duration // rows older than this are refused and removed
	Partition  time.Duration // no segment spans two partitions
	MaxFuture  time.Duration // rows further ahead of Now are refused
	FlushAge   time.Duration // a memtable older than this is flushed
	CacheBytes int64         // what is kept for queries: unpacked pages, dictionaries, what searches found
	// MemtableBytes is when the memtable is flushed; at three times as much
	// (the disk does not keep up, or is full) appends are refused.
	MemtableBytes int
	MaxRowBytes   int
	// MergeAfter is how many segments of the memtable a partition collects before
	// they are merged, indexed and densely compressed.
	MergeAfter int
	// Tiers are where segments move when they are old, the youngest first.
	Tiers []Tier
	// Archive, if set, gets a copy of every segment that is final.
	Archive *Archive
	// RangeCacheBytes bounds the local copies of what is read from buckets.
	RangeCacheBytes int64
	// OpenFiles bounds the segments that stay open; nil: the defaults, for this table.
	OpenFiles *OpenFiles
	// Memory is shared with others, besides the table's own bounds.
	Memory Memory
	// ReceiptWindow is how long an acknowledged request is remembered (see
	// AppendRequest); 0: not at all.
	ReceiptWindow time.Duration
	Logger        *slog.Logger
	Registerer    prometheus.Registerer
	Now           func() time.Time
}

// Memory is what a table takes from memory that others use too. Nil is no bound.
type Memory struct {
	Rows    store.Room // rows that are not in a segment yet
	Merges  store.Room // merges wait for it
	Queries store.Room // what scans decode; a scan that gets none ends with store.ErrMemory
	Cache   store.Room // decoded pages; only counted, because CacheBytes bounds them
	// MergeBytes is how much text a merge keeps at once; 0: as much as a row group may have.
	MergeBytes int64
}

func (m Memory) withDefaults() Memory {
	for _, r := range []*store.Room{&m.Rows, &m.Merges, &m.Queries, &m.Cache} {
		if *r == nil {
			*r = store.Unbounded{}
		}
	}
	if m.MergeBytes <= 0 || m.MergeBytes > rowGroupBytes {
		m.MergeBytes = rowGroupBytes
	}
	return m
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&o.Retention, DefaultRetention)
	set(&o.Partition, DefaultPartition)
	set(&o.MaxFuture, DefaultMaxFuture)
	set(&o.FlushAge, DefaultFlushAge)
	if o.MemtableBytes == 0 {
		o.MemtableBytes = DefaultMemtableBytes
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.MaxRowBytes == 0 {
		o.MaxRowBytes = DefaultMaxRowBytes
	}
	if o.MergeAfter == 0 {
		o.MergeAfter = DefaultMergeAfter
	}
	if o.RangeCacheBytes == 0 {
		o.RangeCacheBytes = DefaultRangeCacheBytes
	}
	if o.OpenFiles == nil {
		o.OpenFiles = NewOpenFiles(0, 0, nil)
	}
	o.Memory = o.Memory.withDefaults()
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Table is one kind of records on disk. All methods may be called concurrently.
type Table struct {
	opts    Options
	schema  *Schema
	fs      vfs.FS
	log     *slog.Logger
	wal     *wal
	cache   *cache
	metrics *metrics
	packer  *packer

	builders sync.Pool // *Builder
	frames   sync.Pool // *[]byte
	workers  sync.Pool // *worker

	// gate is held shared for the whole of an append and exclusively to swap
	// the memtable, so that a WAL file is only dropped when every row in it is
	// in the frozen memtable.
	gate sync.RWMutex

	mu       sync.RWMutex // guards what follows; never held during I/O
	mem      *memtable
	frozen   *memtable // being flushed, nil when none
	segments map[uint64]*segment
	state    manifestState
	damage   []Damage
	closed   bool
	appended time.Time // when rows came last
	life     lifecycle

	flushing   sync.Mutex // one flush at a time
	leaving    sync.Mutex // one application of the policy at a time; taken before the others
	compacting sync.Mutex // one merge, rewrite or removal of segments at a time
	committing sync.Mutex // guards manifest; taken after the two above
	manifest   *manifest
	deleting   sync.Mutex // guards deletions; taken before committing
	deletions  *deletionLog

	wake, wakeCompaction chan struct{}
	stop                 chan struct{}
	done                 chan struct{}

	tiers    tiers
	receipts *receipts
}

// Open recovers the table in opts.Dir, which it creates. Damage to a segment
// never prevents opening: it is reported by Damages and missing from answers,
// which say so.
func Open(opts Options) (*Table, error) {
	opts = opts.withDefaults()
	if err := opts.Schema.validate(); err != nil {
		return nil, err
	}
	packer, err := newPacker()
	if err != nil {
		return nil, err
	}
	t := &Table{
		opts: opts, schema: opts.Schema, fs: opts.FS,
		log:      opts.Logger.With("table", opts.Schema.Name),
		cache:    newCache(opts.CacheBytes, opts.Memory.Cache),
		packer:   packer,
		mem:      newMemtable(opts.Now(), opts.Memory.Rows),
		segments: map[uint64]*segment{},
		wake:     make(chan struct{}, 1),
		receipts: newReceipts(opts.ReceiptWindow),

		wakeCompaction: make(chan struct{}, 1),
		stop:           make(chan struct{}),
		done:           make(chan struct{}),
	}
	t.frames.New = func() any { return new([]byte) }
	if err := t.openTiers(); err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", t.schema.Name, opts.Dir, err)
	}
	t.metrics = newMetrics(opts.Registerer, t)
	if err := t.recover(); err != nil {
		t.metrics.unregister(opts.Registerer)
		return nil, fmt.Errorf("open %s in %s: %w", t.schema.Name, opts.Dir, err)
	}
	t.startTiers()
	go t.maintenance()
	return t, nil
}

// Close flushes the memtable and waits for maintenance to end. If the flush
// fails the rows are still in the WAL. Safe to call twice.
func (t *Table) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.mu.Unlock()
	close(t.stop)
	t.stopTiers()
	<-t.done
	// Appends that began before closed was set end here.
	t.gate.Lock()
	t.gate.Unlock() //nolint:staticcheck // Waiting is the purpose.
	err := t.flush()
	t.wal.close()
	t.compacting.Lock()
	defer t.compacting.Unlock()
	t.committing.Lock()
	defer t.committing.Unlock()
	err = errors.Join(err, t.manifest.close())
	t.deleting.Lock()
	t.deletions.close()
	t.deleting.Unlock()
	t.mu.Lock()
	segs := t.segments
	t.segments = nil
	for _, m := range []*memtable{t.mem, t.frozen} {
		if m != nil {
			m.free() // Of a flush that failed.
		}
	}
	t.mu.Unlock()
	for _, s := range segs {
		s.release()
	}
	t.metrics.unregister(t.opts.Registerer)
	return err
}

// Append makes the builder's rows durable and then visible to scans. The
// builder must not be used afterwards. Errors are retryable (store.Retryable)
// and mean that none of the rows is acknowledged.
func (t *Table) Append(b *Builder) error { return t.append(b, nil) }

// append is Append with the receipt of the request that had these rows, or nil.
func (t *Table) append(b *Builder, rc *receipt) error {
	if b.Len() == 0 {
		return nil
	}
	t.gate.RLock()
	defer t.gate.RUnlock()
	t.mu.RLock()
	closed, used := t.closed, t.mem.bytes
	if t.frozen != nil {
		used += t.frozen.bytes
	}
	t.mu.RUnlock()
	if closed {
		return store.ErrClosed
	}
	if used > 3*t.opts.MemtableBytes {
		t.poke()
		return fmt.Errorf("%s: %w", t.schema.Name, store.ErrOverloaded)
	}
	var tail []byte
	if rc != nil {
		tail = appendReceipts(make([]byte, 0, 32), rc)
	}
	frame := b.finish(tail)
	b.reset()
	t.builders.Put(b)
	// What is remembered is what is written: the payload is the block.
	blk, _, err := parsePayload(t.schema, frame[frameHead:])
	if err != nil {
		return fmt.Errorf("%s: encode rows: %w", t.schema.Name, err)
	}
	size := int64(blk.bytes())
	if !t.opts.Memory.Rows.Take(size) {
		t.poke()
		return fmt.Errorf("%s: rows of all kinds wait for the disk: %w", t.schema.Name, store.ErrOverloaded)
	}
	failures := t.wal.failures()
	// A vfs.File may change what it is given to write, so it gets a copy.
	buf := t.frames.Get().(*[]byte)
	*buf = append((*buf)[:0], frame...)
	err = t.wal.append(*buf)
	if cap(*buf) <= maxPooledFrame {
		t.frames.Put(buf)
	}
	if err != nil {
		t.opts.Memory.Rows.Give(size)
		t.metrics.appendErrors.Inc()
		t.poke()
		return err
	}
	t.mu.Lock()
	t.mem.add(t.schema, blk)
	t.appended = t.opts.Now()
	full := t.mem.bytes >= t.opts.MemtableBytes
	t.mu.Unlock()
	if rc != nil {
		t.receipts.add(rc)
	}
	t.metrics.rows.Add(float64(blk.n))
	if full || t.wal.failures() != failures {
		t.poke()
	}
	return nil
}

// maxPooledFrame is the largest frame whose memory is used again.
const maxPooledFrame = 8 << 20

// NewBuilder returns a builder for Append.
func (t *Table) NewBuilder() *Builder {
	if b, ok := t.builders.Get().(*Builder); ok {
		return b
	}
	return NewBuilder(t.schema)
}

// Discard gives back a builder whose rows are not appended.
func (t *Table) Discard(b *Builder) {
	b.reset()
	t.builders.Put(b)
}

// Accept tells whether a row with this time may be stored, and why not.
func (t *Table) Accept(tsNanos int64, now time.Time) (store.RejectReason, bool) {
	switch {
	case tsNanos < now.Add(-t.opts.Retention).UnixNano():
		return store.RejectTooOld, false
	case tsNanos > now.Add(t.opts.MaxFuture).UnixNano():
		return store.RejectTooNew, false
	}
	return "", true
}

// Options returns the options in force.
func (t *Table) Options() Options { return t.opts }

// poke asks for maintenance soon.
func (t *Table) poke() { poke(t.wake) }

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// snapshot is a consistent view for one scan.
type snapshot struct {
	blocks   []*block
	segments []*segment
}

func (t *Table) snapshot() (*snapshot, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed || t.segments == nil {
		return nil, store.ErrClosed
	}
	s := &snapshot{blocks: append([]*block(nil), t.mem.blocks...)}
	if t.frozen != nil {
		s.blocks = append(s.blocks, t.frozen.blocks...)
	}
	for _, seg := range t.segments {
		seg.acquire()
		s.segments = append(s.segments, seg)
	}
	return s, nil
}

func (s *snapshot) release() {
	for _, seg := range s.segments {
		seg.release()
	}
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
