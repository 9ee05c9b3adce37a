package hostmetrics

import (
	"regexp"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
)

// sectorBytes is the unit of the kernel's disk statistics, whatever the disk.
const sectorBytes = 512

// partitions are left out as in node_exporter: the whole disk is counted.
var partitions = regexp.MustCompile(`^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`)

func (c *Collector) disks(b *batch) error {
	fs, err := blockdevice.NewFS(c.o.ProcPath, c.o.SysPath)
	if err != nil {
		return err
	}
	stats, err := fs.ProcDiskstats()
	if err != nil {
		return err
	}
	for _, d := range stats {
		if partitions.MatchString(d.DeviceName) {
			continue
		}
		count := func(name, help string, v float64) {
			b.counter("node_disk_"+name, help, v, "device", d.DeviceName)
		}
		seconds := func(ms uint64) float64 { return float64(ms) / 1000 }
		count("reads_completed_total", "The total number of reads completed successfully.", float64(d.ReadIOs))
		count("reads_merged_total", "The total number of reads merged.", float64(d.ReadMerges))
		count("read_bytes_total", "The total number of bytes read successfully.", float64(d.ReadSectors)*sectorBytes)
		count("read_time_seconds_total", "The total number of seconds spent by all reads.", seconds(d.ReadTicks))
		count("writes_completed_total", "The total number of writes completed successfully.", float64(d.WriteIOs))
		count("writes_merged_total", "The number of writes merged.", float64(d.WriteMerges))
		count("written_bytes_total", "The total number of bytes written successfully.", float64(d.WriteSectors)*sectorBytes)
		count("write_time_seconds_total", "This is the total number of seconds spent by all writes.", seconds(d.WriteTicks))
		b.gauge("node_disk_io_now", "The number of I/Os currently in progress.", float64(d.IOsInProgress), "device", d.DeviceName)
		count("io_time_seconds_total", "Total seconds spent doing I/Os.", seconds(d.IOsTotalTicks))
		count("io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.", seconds(d.WeightedIOTicks))
		if d.IoStatsCount >= 18 {
			count("discards_completed_total", "The total number of discards completed successfully.", float64(d.DiscardIOs))
			count("discards_merged_total", "The total number of discards merged.", float64(d.DiscardMerges))
			count("discarded_sectors_total", "The total number of sectors discarded successfully.", float64(d.DiscardSectors))
			count("discard_time_seconds_total", "This is the total number of seconds spent by all discards.", seconds(d.DiscardTicks))
		}
		if d.IoStatsCount >= 20 {
			count("flush_requests_total", "The total number of flush requests completed successfully.", float64(d.FlushRequestsCompleted))
			count("flush_requests_time_seconds_total", "This is the total number of seconds spent by all flush requests.", seconds(d.TimeSpentFlushing))
		}
	}
	return nil
}

func (c *Collector) network(b *batch) error {
	fs, err := procfs.NewFS(c.o.ProcPath)
	if err != nil {
		return err
	}
	devices, err := fs.NetDev()
	if err != nil {
		return err
	}
	for name, d := range devices {
		for _, s := range []struct {
			direction, what string
			v               uint64
		}{
			{"receive", "bytes", d.RxBytes}, {"receive", "packets", d.RxPackets}, {"receive", "errs", d.RxErrors},
			{"receive", "drop", d.RxDropped}, {"receive", "fifo", d.RxFIFO}, {"receive", "frame", d.RxFrame},
			{"receive", "compressed", d.RxCompressed}, {"receive", "multicast", d.RxMulticast},
			{"transmit", "bytes", d.TxBytes}, {"transmit", "packets", d.TxPackets}, {"transmit", "errs", d.TxErrors},
			{"transmit", "drop", d.TxDropped}, {"transmit", "fifo", d.TxFIFO}, {"transmit", "colls", d.TxCollisions},
			{"transmit", "carrier", d.TxCarrier}, {"transmit", "compressed", d.TxCompressed},
		} {
			b.counter("node_network_"+s.direction+"_"+s.what+"_total", "Network device statistic "+s.direction+"_"+s.what+".",
				float64(s.v), "device", name)
		}
	}
	return nil
}
