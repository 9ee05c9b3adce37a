// Package config is the configuration file: structs, defaults, strict loading
// and validation. Sections that belong to another system (the Collector,
// Prometheus' scrape_configs, Alertmanager) are kept as they were written and
// parsed by the part that runs them.
package config

import (
	_ "embed"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/memory"
)

// Default is the configuration of a run without a file, in the same format.
//
//go:embed default.yaml
var Default []byte

// Config is a whole configuration file.
type Config struct {
	Server  Server  `yaml:"server"`
	Data    Data    `yaml:"data"`
	Limits  Limits  `yaml:"limits"`
	Logs    Logs    `yaml:"logs"`
	Traces  Traces  `yaml:"traces"`
	Metrics Metrics `yaml:"metrics"`
	Query   Query   `yaml:"query"`
	// Ingest is an OpenTelemetry Collector configuration, verbatim.
	Ingest map[string]any `yaml:"ingest"`
	// ScrapeInterval is for scrape_configs that do not say.
	ScrapeInterval Duration `yaml:"scrape_interval"`
	// ScrapeConfigs are Prometheus' scrape_configs, verbatim.
	ScrapeConfigs yaml.Node   `yaml:"scrape_configs"`
	HostMetrics   HostMetrics `yaml:"host_metrics"`
	Rules         Rules       `yaml:"rules"`
	// Alertmanager is an Alertmanager configuration (route, receivers,
	// inhibit_rules, time_intervals), verbatim.
	Alertmanager  yaml.Node     `yaml:"alertmanager"`
	Notifications Notifications `yaml:"notifications"`
	LogLevel      string        `yaml:"log_level"` // debug, info, warn or error

	// Dir is where the file is: relative names inside of it start there. Empty
	// for the defaults, which name no files.
	Dir string `yaml:"-"`
}

// Server is the port for the UI, the APIs and HTTP intake.
type Server struct {
	Listen string `yaml:"listen"` // host:port; loopback, because there is no access control yet
	// ExternalURL is how people reach the UI; links in notifications use it.
	ExternalURL string `yaml:"external_url"`
}

// Data says where everything is kept.
type Data struct {
	Dir string `yaml:"dir"` // made when it is missing; one process at a time
}

// Limits bound the process.
type Limits struct {
	// Memory of the whole process: rows that wait for a segment, requests under way,
	// merges, queries and caches get shares of it. Beyond it senders are told to send
	// again later, and queries fail. 0: half of the memory of the machine or of the
	// cgroup, and at least 256MiB. GOMEMLIMIT, where it is set, stays Go's own limit.
	Memory Bytes `yaml:"memory"`
}

// Validate checks that the parts of the program fit.
func (l *Limits) Validate() error {
	if l.Memory != 0 && l.Memory < memory.Least {
		least, _ := Bytes(memory.Least).MarshalYAML()
		return fmt.Errorf("limits.memory is %d bytes, the least is %v: the program, one request, one merge and one query need that; 0 means half of the machine's", int64(l.Memory), least)
	}
	return nil
}

// Bytes is the limit in force.
func (l *Limits) Bytes() int64 {
	if l.Memory == 0 {
		return memory.Default()
	}
	return int64(l.Memory)
}

// Logs configures the store of log records.
type Logs struct {
	Retention     Duration `yaml:"retention"`      // older rows are removed and refused
	MemtableBytes Bytes    `yaml:"memtable_bytes"` // rows wait here, durable in the WAL, until they are worth a segment
	CacheBytes    Bytes    `yaml:"cache_bytes"`    // unpacked pages, dictionaries and what searches found, kept for repeated queries
	// DuplicateWindow is how long an acknowledged request is remembered: a sender that
	// lost the answer and sends the same bytes again gets the same answer, and its rows
	// are stored once. It should cover how long senders retry; 0 stores every request.
	DuplicateWindow Duration `yaml:"duplicate_window"`
	// Tiers are where rows move when they are old, the youngest first: a list of
	// after, a duration, and either dir, a directory, or bucket, an object store.
	// They are queried all the same. Without tiers all stays in data.dir.
	Tiers          []Tier  `yaml:"tiers"`
	TierCacheBytes Bytes   `yaml:"tier_cache_bytes"` // local copies, on disk, of what queries read from buckets
	Archive        Archive `yaml:"archive"`
	// RetentionRules keep some records for a shorter time: the first that matches
	// a record counts. A reload applies them.
	RetentionRules []LogRule `yaml:"retention_rules"`
	// MaxBytes is how much disk the segments of the data directory may take, without
	// other tiers: beyond it the oldest days are removed, with a warning; 0 means no limit. A reload applies it.
	MaxBytes Bytes `yaml:"max_bytes"`
}

// Tier is a place for old rows.
type Tier struct {
	// Name is how the store remembers the place, so that it can be mounted or
	// addressed in another way later. Default: made of dir or bucket.
	Name   string   `yaml:"name"`
	After  Duration `yaml:"after"` // age at which rows move
	Dir    string   `yaml:"dir"`   // relative to the configuration file
	Bucket *Bucket  `yaml:"bucket"`
}

// Archive gets a copy of every day that is over, as Parquet files in hive
// partitions (signal, year, month, day) that DuckDB, Athena and Spark read. What
// the retention removes stays there.
type Archive struct {
	// Bucket is the object store: type (S3 or FILESYSTEM), config (as Thanos
	// writes it) and prefix. None: there is no archive.
	Bucket *Bucket  `yaml:"bucket"`
	After  Duration `yaml:"after"` // how long a day must be over, because late rows come until then
}

// Bucket is an object store. Without access_key, S3 takes the credentials of the
// environment, so that they stay out of the file.
type Bucket struct {
	Type   string         `yaml:"type"`   // S3 or FILESYSTEM
	Config map[string]any `yaml:"config"` // as Thanos writes it; FILESYSTEM has directory
	Prefix string         `yaml:"prefix"` // of the names of all objects
}

// Traces configures the store of spans.
type Traces struct {
	Retention     Duration `yaml:"retention"`      // older rows are removed and refused
	MemtableBytes Bytes    `yaml:"memtable_bytes"` // rows wait here, durable in the WAL, until they are worth a segment
	CacheBytes    Bytes    `yaml:"cache_bytes"`    // unpacked pages and dictionaries kept for repeated queries
	// DuplicateWindow is how long an acknowledged request is remembered: a sender that
	// lost the answer and sends the same bytes again gets the same answer, and its rows
	// are stored once. It should cover how long senders retry; 0 stores every request.
	DuplicateWindow Duration `yaml:"duplicate_window"`
	// RetentionRules keep some spans for a shorter time: the first that matches a
	// span counts. A reload applies them.
	RetentionRules []SpanRule `yaml:"retention_rules"`
	// MaxBytes is how much disk the segments of the data directory may take, without
	// other tiers: beyond it the oldest days are removed, with a warning; 0 means no limit. A reload applies it.
	MaxBytes Bytes    `yaml:"max_bytes"`
	Sampling Sampling `yaml:"sampling"`
	// Tiers are where rows move when they are old, the youngest first: a list of
	// after, a duration, and either dir, a directory, or bucket, an object store.
	// They are queried all the same. Without tiers all stays in data.dir.
	Tiers          []Tier  `yaml:"tiers"`
	TierCacheBytes Bytes   `yaml:"tier_cache_bytes"` // local copies, on disk, of what queries read from buckets
	Archive        Archive `yaml:"archive"`
}

// Metrics configures the metric store.
type Metrics struct {
	Retention        Duration `yaml:"retention"`           // older samples are removed
	OutOfOrderWindow Duration `yaml:"out_of_order_window"` // how late a sample may arrive
	// Downsample keeps 5-minute and 1-hour aggregates of older samples. Raw
	// samples then stay until they are aggregated.
	Downsample  bool     `yaml:"downsample"`
	Retention5m Duration `yaml:"retention_5m"` // older 5-minute aggregates are removed
	Retention1h Duration `yaml:"retention_1h"` // older 1-hour aggregates are removed
	// RetentionRules delete some series earlier: a list of match, a selector, and
	// keep, a duration. Of several rules that match a series, the shortest counts.
	RetentionRules []RetentionRule `yaml:"retention_rules"`
	// ObjectStoreFile names a file with an object store (type: S3 or FILESYSTEM,
	// config, prefix; as Thanos writes it) that keeps all aggregates; relative to
	// the configuration file. Secrets stay out of the configuration that way.
	ObjectStoreFile string `yaml:"object_store_file"`
	LocalBytes      Bytes  `yaml:"local_bytes"` // of aggregates that stay on the local disk when an object store has them
}

// RetentionRule says how long the series that match are kept, at every resolution.
type RetentionRule struct {
	Match string   `yaml:"match"` // a PromQL selector, for example {__name__=~"go_.*"}
	Keep  Duration `yaml:"keep"`  // older samples of these series are deleted
}

// Validate checks the retentions against each other.
func (m *Metrics) Validate() error {
	if m.Downsample {
		switch {
		case m.Retention5m < m.Retention:
			return fmt.Errorf("metrics.retention_5m is shorter than metrics.retention: 5-minute aggregates follow raw samples, so keep them at least as long, or set metrics.downsample to false")
		case m.Retention1h < m.Retention5m:
			return fmt.Errorf("metrics.retention_1h is shorter than metrics.retention_5m: 1-hour aggregates follow 5-minute ones, so keep them at least as long")
		}
	}
	if m.ObjectStoreFile != "" && !m.Downsample {
		return fmt.Errorf("metrics.object_store_file needs metrics.downsample: it keeps aggregates")
	}
	if len(m.RetentionRules) > 0 && !m.Downsample {
		return fmt.Errorf("metrics.retention_rules need metrics.downsample: its job applies them")
	}
	for i, r := range m.RetentionRules {
		if _, err := r.Matchers(); err != nil {
			return fmt.Errorf("metrics.retention_rules[%d].match %q: %w", i, r.Match, err)
		}
		if r.Keep <= 0 || r.Keep > m.Retention1h {
			return fmt.Errorf("metrics.retention_rules[%d].keep must be more than 0 and at most metrics.retention_1h: a rule can only shorten how long series are kept", i)
		}
	}
	return nil
}

// Matchers parses Match.
func (r RetentionRule) Matchers() ([]*labels.Matcher, error) {
	return parser.NewParser(parser.Options{}).ParseMetricSelector(r.Match)
}

// Query bounds every query.
type Query struct {
	Timeout  Duration `yaml:"timeout"`   // of any query
	MaxRows  int64    `yaml:"max_rows"`  // rows a log or trace query may examine
	MaxBytes Bytes    `yaml:"max_bytes"` // decoded bytes it may read
}

// HostMetrics reads this machine's metrics under node_exporter's names.
type HostMetrics struct {
	Enabled  bool     `yaml:"enabled"`  // read /proc of this machine
	Interval Duration `yaml:"interval"` // between two readings
}

// Rules are Prometheus rule files.
type Rules struct {
	Shipped  bool     `yaml:"shipped"`  // the rules that come with Hinomi
	Files    []string `yaml:"files"`    // globs, relative to the configuration file
	Interval Duration `yaml:"interval"` // of groups that do not say
}

// Notifications are messages to the receivers of alerts.
type Notifications struct {
	// GiveUpAfter is the age at which a notification that nobody accepts is
	// given up; it is tried again until then.
	GiveUpAfter Duration `yaml:"give_up_after"`
}

// Validate checks what can be checked without starting anything.
func (c *Config) Validate() error {
	host, _, err := net.SplitHostPort(c.Server.Listen)
	if err != nil {
		return fmt.Errorf("server.listen %q: write host:port, for example 127.0.0.1:4300", c.Server.Listen)
	}
	_ = host
	if c.Data.Dir == "" {
		return fmt.Errorf("data.dir is empty: name a directory, for example ./data")
	}
	for name, d := range map[string]Duration{
		"logs.retention": c.Logs.Retention, "traces.retention": c.Traces.Retention, "metrics.retention": c.Metrics.Retention,
		"metrics.retention_5m": c.Metrics.Retention5m, "metrics.retention_1h": c.Metrics.Retention1h,
		"query.timeout": c.Query.Timeout, "rules.interval": c.Rules.Interval, "host_metrics.interval": c.HostMetrics.Interval,
		"scrape_interval": c.ScrapeInterval, "notifications.give_up_after": c.Notifications.GiveUpAfter,
	} {
		if time.Duration(d) <= 0 {
			return fmt.Errorf("%s must be more than 0, for example 30d or 15s", name)
		}
	}
	if err := c.Limits.Validate(); err != nil {
		return err
	}
	if c.Logs.DuplicateWindow < 0 || c.Traces.DuplicateWindow < 0 {
		return fmt.Errorf("duplicate_window of logs and traces must not be negative: 0 turns it off, 10m is the default")
	}
	if err := c.Metrics.Validate(); err != nil {
		return err
	}
	if err := validatePlaces("logs", c.Logs.Retention, c.Logs.Tiers, c.Logs.Archive); err != nil {
		return err
	}
	if err := validatePlaces("traces", c.Traces.Retention, c.Traces.Tiers, c.Traces.Archive); err != nil {
		return err
	}
	const least = 1 << 20
	for name, b := range map[string]Bytes{
		"logs.memtable_bytes": c.Logs.MemtableBytes, "traces.memtable_bytes": c.Traces.MemtableBytes,
		"metrics.local_bytes": c.Metrics.LocalBytes,
		"logs.cache_bytes":    c.Logs.CacheBytes, "traces.cache_bytes": c.Traces.CacheBytes,
		"logs.tier_cache_bytes": c.Logs.TierCacheBytes, "traces.tier_cache_bytes": c.Traces.TierCacheBytes,
	} {
		if b < least {
			return fmt.Errorf("%s is %d, the least is 1MiB", name, int64(b))
		}
	}
	if err := c.Logs.validate(); err != nil {
		return err
	}
	if err := c.Traces.validate(); err != nil {
		return err
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log_level %q: use debug, info, warn or error", c.LogLevel)
	}
	return nil
}
