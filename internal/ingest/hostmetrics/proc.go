package hostmetrics

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

func (c *Collector) cpu(b *batch) error {
	fs, err := procfs.NewFS(c.o.ProcPath)
	if err != nil {
		return err
	}
	stat, err := fs.Stat()
	if err != nil {
		return err
	}
	const seconds, guest = "Seconds the CPUs spent in each mode.", "Seconds the CPUs spent in guests for each mode."
	for id, s := range stat.CPU {
		cpu := strconv.FormatInt(id, 10)
		for _, m := range []struct {
			mode string
			v    float64
		}{
			{"user", s.User}, {"nice", s.Nice}, {"system", s.System}, {"idle", s.Idle},
			{"iowait", s.Iowait}, {"irq", s.IRQ}, {"softirq", s.SoftIRQ}, {"steal", s.Steal},
		} {
			b.counter("node_cpu_seconds_total", seconds, m.v, "cpu", cpu, "mode", m.mode)
		}
		b.counter("node_cpu_guest_seconds_total", guest, s.Guest, "cpu", cpu, "mode", "user")
		b.counter("node_cpu_guest_seconds_total", guest, s.GuestNice, "cpu", cpu, "mode", "nice")
	}
	b.gauge("node_boot_time_seconds", "Node boot time, in unixtime.", float64(stat.BootTime))
	b.counter("node_context_switches_total", "Total number of context switches.", float64(stat.ContextSwitches))
	b.counter("node_forks_total", "Total number of forks.", float64(stat.ProcessCreated))
	b.counter("node_intr_total", "Total number of interrupts serviced.", float64(stat.IRQTotal))
	b.gauge("node_procs_running", "Number of processes in runnable state.", float64(stat.ProcessesRunning))
	b.gauge("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.", float64(stat.ProcessesBlocked))
	return nil
}

func (c *Collector) load(b *batch) error {
	fs, err := procfs.NewFS(c.o.ProcPath)
	if err != nil {
		return err
	}
	l, err := fs.LoadAvg()
	if err != nil {
		return err
	}
	b.gauge("node_load1", "1m load average.", l.Load1)
	b.gauge("node_load5", "5m load average.", l.Load5)
	b.gauge("node_load15", "15m load average.", l.Load15)
	return nil
}

// memory reads the file itself: node_exporter has a metric for every line,
// also for those that a library of another age does not know.
func (c *Collector) memory(b *batch) error {
	content, err := os.ReadFile(filepath.Join(c.o.ProcPath, "meminfo"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		parts := strings.Fields(line)
		if len(parts) < 2 {
			continue
		}
		v, err := strconv.ParseFloat(parts[1], 64)
		if err != nil {
			return fmt.Errorf("meminfo line %q: %w", strings.TrimSpace(line), err)
		}
		key := strings.TrimSuffix(parts[0], ":")
		key = strings.ReplaceAll(strings.TrimSuffix(key, ")"), "(", "_") // Active(anon) is Active_anon
		if len(parts) > 2 && parts[2] == "kB" {
			key, v = key+"_bytes", v*1024
		}
		b.gauge("node_memory_"+key, "Memory information field "+key+".", v)
	}
	return nil
}

func (c *Collector) fileDescriptors(b *batch) error {
	content, err := os.ReadFile(filepath.Join(c.o.ProcPath, "sys/fs/file-nr"))
	if err != nil {
		return err
	}
	parts := strings.Fields(string(content))
	if len(parts) < 3 {
		return fmt.Errorf("file-nr has %d fields instead of 3", len(parts))
	}
	allocated, err := strconv.ParseFloat(parts[0], 64)
	if err != nil {
		return err
	}
	maximum, err := strconv.ParseFloat(parts[2], 64)
	if err != nil {
		return err
	}
	b.gauge("node_filefd_allocated", "File descriptor statistics: allocated.", allocated)
	b.gauge("node_filefd_maximum", "File descriptor statistics: maximum.", maximum)
	return nil
}

func (c *Collector) uname(b *batch) error {
	u, err := c.o.Uname()
	if err != nil {
		return err
	}
	b.gauge("node_uname_info", "Labeled system information as provided by the uname system call.", 1,
		"sysname", unix.ByteSliceToString(u.Sysname[:]), "release", unix.ByteSliceToString(u.Release[:]),
		"version", unix.ByteSliceToString(u.Version[:]), "machine", unix.ByteSliceToString(u.Machine[:]),
		"nodename", unix.ByteSliceToString(u.Nodename[:]), "domainname", unix.ByteSliceToString(u.Domainname[:]))
	return nil
}

func (c *Collector) time(b *batch) error {
	b.gauge("node_time_seconds", "System time in seconds since epoch (1970).", float64(b.at.UnixNano())/1e9)
	return nil
}
