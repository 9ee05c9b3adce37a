package longterm

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/thanos-io/objstore"

	"hinomi/internal/store/metricstore/downsample"
)

// Defaults.
const (
	DefaultRetention5m = 90 * 24 * time.Hour
	DefaultRetention1h = 456 * 24 * time.Hour // 15 months
	// DefaultCPUShare is the part of one core that the background job takes.
	DefaultCPUShare = 0.5
	// DefaultLocalBytes is what stays on disk of blocks that an object store has.
	DefaultLocalBytes = 10 << 30
	// interval is how often the background job looks for work.
	interval = time.Minute
	day      = 24 * downsample.OneHour
)

// Source is the store of raw samples.
type Source struct {
	// Querier reads raw samples of [mint, maxt].
	Querier func(mint, maxt int64) (storage.Querier, error)
	// Oldest is the time of the oldest raw sample; false when there is none.
	Oldest func() (int64, bool)
	// Settled is the time up to which (inclusive) no raw sample can come any more.
	Settled func() int64
	// Delete removes raw samples up to maxt of the series that match.
	Delete func(maxt int64, matchers ...*labels.Matcher) error
}

// Rule limits how long the series that match are kept, at every resolution.
type Rule struct {
	Matchers []*labels.Matcher
	Keep     time.Duration
}

// Options configures Open. Dir and Source are required.
type Options struct {
	Dir                      string
	Source                   Source
	Retention5m, Retention1h time.Duration
	Rules                    []Rule  // of those that match a series, the shortest counts
	CPUShare                 float64 // of one core, at most 1
	// Bucket is an object store that has all blocks; nil: none. Then the local
	// disk keeps what LocalBytes allows, and of the other blocks their indexes.
	// CacheBytes bounds the chunks in memory that were read from it.
	Bucket                 objstore.Bucket
	LocalBytes, CacheBytes int64
	// IsCounter tells whether a series with this name is a counter, as far as
	// that is known; names with a counter's suffix are counters anyway.
	IsCounter func(name string) bool

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

func (o *Options) setDefaults() error {
	if o.Dir == "" || o.Source.Querier == nil || o.Source.Oldest == nil || o.Source.Settled == nil {
		return errors.New("long-term metrics need a directory and a source")
	}
	if o.Retention5m == 0 {
		o.Retention5m = DefaultRetention5m
	}
	if o.Retention1h == 0 {
		o.Retention1h = DefaultRetention1h
	}
	if o.Retention5m < 0 || o.Retention1h < 0 {
		return fmt.Errorf("the retentions of downsampled metrics are %s and %s: write positive durations", o.Retention5m, o.Retention1h)
	}
	if o.CPUShare == 0 {
		o.CPUShare = DefaultCPUShare
	}
	if o.CPUShare < 0 || o.CPUShare > 1 {
		return fmt.Errorf("the CPU share of downsampling is %v: write more than 0 and at most 1", o.CPUShare)
	}
	if o.LocalBytes <= 0 {
		o.LocalBytes = DefaultLocalBytes
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.IsCounter == nil {
		o.IsCounter = func(string) bool { return false }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// resolutions from fine to coarse, with the names of their directories.
var resolutions = [...]struct {
	millis int64
	name   string
	// group is the number of days that are merged into one block.
	group int64
}{{downsample.FiveMinutes, "5m", 7}, {downsample.OneHour, "1h", 28}}

func (o *Options) retention(resolution int64) int64 {
	if resolution == downsample.FiveMinutes {
		return o.Retention5m.Milliseconds()
	}
	return o.Retention1h.Milliseconds()
}
