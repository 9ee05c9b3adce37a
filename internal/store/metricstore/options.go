package metricstore

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/thanos-io/objstore"
)

// Defaults and limits of the store.
const (
	// DefaultRetention is how long samples are kept when Options says nothing.
	DefaultRetention = 15 * 24 * time.Hour
	// DefaultOutOfOrderWindow is how much older than a series' newest sample a
	// sample may be: long enough for a collector that retries through a restart.
	DefaultOutOfOrderWindow = 30 * time.Minute
	// DefaultMinFreeBytes is the free disk space below which writes are
	// refused. A write-ahead log that hits the end of the disk in the middle of
	// a record is torn, so the end is never reached: the reserve covers a few
	// of the largest possible requests and what compaction writes meanwhile.
	DefaultMinFreeBytes = 64 << 20
	// minFreeShare is the divisor of a small disk's size that gives its reserve.
	minFreeShare = 16
	// DefaultMaxExemplars bounds the in-memory ring of exemplars (about 10 MB).
	DefaultMaxExemplars = 100_000
	// DefaultBlockDuration is the span of the youngest blocks, as in Prometheus.
	DefaultBlockDuration = 2 * time.Hour
	// MaxFuture is how far ahead of the clock a sample may be. One sample from
	// the far future would make all present ones out of bounds.
	MaxFuture = 10 * time.Minute
	// stripeSize is the number of hash buckets for series, as in Prometheus. It
	// costs 3 MB before the first series; with a quarter of it, a sample of 100 k
	// series costs a third more CPU time, because each bucket is a larger map.
	stripeSize = 16384
	// defaultSegmentBytes is the size of a write-ahead log segment.
	defaultSegmentBytes = 32 << 20
)

// Options configures Open. Dir is required, everything else has a default.
type Options struct {
	Dir       string
	Retention time.Duration // 0: DefaultRetention; negative: keep forever
	MaxBytes  int64         // bound on the size of all blocks; 0: none
	// OutOfOrderWindow is how late a sample may be; 0: the default, negative: off.
	OutOfOrderWindow time.Duration
	BlockDuration    time.Duration // span of the youngest blocks; 0: DefaultBlockDuration
	SegmentBytes     int           // size of a log segment, a multiple of 32 KiB; 0: 32 MiB
	MaxExemplars     int64         // 0: DefaultMaxExemplars
	// MinFreeBytes is the disk space that stays free; 0: DefaultMinFreeBytes or
	// a sixteenth of a small disk, negative: no check.
	MinFreeBytes int64

	// LongTerm keeps downsampled metrics longer than Retention; nil: off. With
	// it, raw samples that are not downsampled yet are never deleted.
	LongTerm *LongTerm

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// LongTerm configures downsampled metrics.
type LongTerm struct {
	Retention5m time.Duration // of 5-minute aggregates; 0: 90 days
	Retention1h time.Duration // of 1-hour aggregates; 0: 15 months
	Rules       []RetentionRule
	CPUShare    float64 // of one core that downsampling may take; 0: a half
	// Bucket is an object store for all aggregates, which the store closes; nil:
	// they are on disk alone. LocalBytes of them stay on disk as well.
	Bucket     objstore.Bucket
	LocalBytes int64
}

// RetentionRule deletes samples older than Keep of the series that match, at
// every resolution. Of several rules that match, the shortest counts.
type RetentionRule struct {
	Matchers []*labels.Matcher
	Keep     time.Duration
}

func (o *Options) setDefaults() error {
	if o.Dir == "" {
		return errors.New("metric store needs a directory: set Options.Dir")
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.OutOfOrderWindow == 0 {
		o.OutOfOrderWindow = DefaultOutOfOrderWindow
	}
	if o.BlockDuration == 0 {
		o.BlockDuration = DefaultBlockDuration
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.MaxExemplars == 0 {
		o.MaxExemplars = DefaultMaxExemplars
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}
