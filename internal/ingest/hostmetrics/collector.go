// Package hostmetrics measures this machine and stores the result under the
// names of Prometheus' node_exporter, so that the dashboards and rules that
// people have for it work without it.
package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"golang.org/x/sys/unix"

	hmodel "hinomi/internal/model"
	"hinomi/internal/store"
)

// Source names this intake in ledgers.
const Source = "host_metrics"

// DefaultInterval is how often the machine is measured.
const DefaultInterval = 15 * time.Second

// Job is the job label of every series, as in the usual scrape configuration.
const Job = "node"

// Options configures New. Appendable is required.
type Options struct {
	Appendable storage.AppendableV2
	Interval   time.Duration // 0: DefaultInterval
	Instance   string        // instance label; empty: the host name
	ProcPath   string        // empty: /proc
	SysPath    string        // empty: /sys
	// Report receives the count of every measurement.
	Report func(source string, signal hmodel.Signal, received, stored int, rejected map[store.RejectReason]int)

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	// Statfs reads the usage of a mounted file system.
	Statfs func(path string) (unix.Statfs_t, error)
	// Uname reads the kernel's identity.
	Uname func() (unix.Utsname, error)
}

// Collector measures the machine.
type Collector struct {
	o        Options
	areas    []area
	failures prometheus.Counter
}

// area is one part of the machine; its name is node_exporter's.
type area struct {
	name    string
	collect func(*Collector, *batch) error
}

func areas() []area {
	return []area{
		{"cpu", (*Collector).cpu}, {"loadavg", (*Collector).load}, {"meminfo", (*Collector).memory},
		{"filesystem", (*Collector).filesystems}, {"diskstats", (*Collector).disks}, {"netdev", (*Collector).network},
		{"filefd", (*Collector).fileDescriptors}, {"uname", (*Collector).uname}, {"time", (*Collector).time},
	}
}

// New checks that the machine can be measured.
func New(o Options) (*Collector, error) {
	if o.Appendable == nil {
		return nil, errors.New("host metrics need an Appendable")
	}
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Instance == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("host metrics: read the host name, or set one: %w", err)
		}
		o.Instance = name
	}
	if o.ProcPath == "" {
		o.ProcPath = "/proc"
	}
	if o.SysPath == "" {
		o.SysPath = "/sys"
	}
	if o.Report == nil {
		o.Report = func(string, hmodel.Signal, int, int, map[store.RejectReason]int) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Statfs == nil {
		o.Statfs = func(path string) (st unix.Statfs_t, err error) { return st, unix.Statfs(path, &st) }
	}
	if o.Uname == nil {
		o.Uname = func() (u unix.Utsname, err error) { return u, unix.Uname(&u) }
	}
	if _, err := os.Stat(o.ProcPath + "/stat"); err != nil {
		return nil, fmt.Errorf("host metrics need procfs, turn them off on this system: %w", err)
	}
	c := &Collector{o: o, areas: areas(), failures: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "hinomi_host_metrics_failures_total", Help: "Measurements of this machine that could not be stored.",
	})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(c.failures); err != nil {
			return nil, fmt.Errorf("register host metrics: %w", err)
		}
	}
	return c, nil
}

// Run measures at once and then at every interval until ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.o.Interval)
	defer ticker.Stop()
	if c.o.Registerer != nil {
		defer c.o.Registerer.Unregister(c.failures)
	}
	for {
		if err := c.Collect(ctx); err != nil && ctx.Err() == nil {
			c.failures.Inc()
			c.o.Logger.Warn("host metrics are not stored", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Collect measures once and stores it.
func (c *Collector) Collect(ctx context.Context) error {
	b := &batch{app: c.o.Appendable.AppenderV2(ctx), at: c.o.Now(), instance: c.o.Instance, builder: labels.NewScratchBuilder(8)}
	for _, a := range c.areas {
		success := 1.0
		if err := a.collect(c, b); err != nil {
			success = 0
			c.o.Logger.Warn("a part of the host cannot be measured", "part", a.name, "err", err)
		}
		b.gauge("node_scrape_collector_success", "Whether a part of the host could be measured.", success, "collector", a.name)
	}
	b.gauge("up", "Whether the host is measured.", 1)
	if b.err != nil {
		c.o.Report(Source, hmodel.Metrics, b.n, 0, nil)
		return errors.Join(b.err, b.app.Rollback())
	}
	if err := b.app.Commit(); err != nil {
		c.o.Report(Source, hmodel.Metrics, b.n, 0, nil)
		return err
	}
	c.o.Report(Source, hmodel.Metrics, b.n, b.n, nil)
	return nil
}

// batch is one measurement.
type batch struct {
	app      storage.AppenderV2
	at       time.Time
	instance string
	builder  labels.ScratchBuilder
	n        int
	err      error // the first that stops the measurement from being stored
}

func (b *batch) counter(name, help string, v float64, kv ...string) {
	b.add(model.MetricTypeCounter, name, help, v, kv)
}

func (b *batch) gauge(name, help string, v float64, kv ...string) {
	b.add(model.MetricTypeGauge, name, help, v, kv)
}

func (b *batch) add(t model.MetricType, name, help string, v float64, kv []string) {
	if b.err != nil {
		return
	}
	b.builder.Reset()
	b.builder.Add(labels.MetricName, name)
	b.builder.Add("instance", b.instance)
	b.builder.Add("job", Job)
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			b.builder.Add(kv[i], kv[i+1])
		}
	}
	b.builder.Sort()
	b.n++
	_, b.err = b.app.Append(0, b.builder.Labels(), 0, b.at.UnixMilli(), v, nil, nil, storage.AOptions{
		MetricFamilyName: name, Metadata: metadata.Metadata{Type: t, Help: help},
	})
}
