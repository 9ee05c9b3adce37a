package hostmetrics

import (
	"regexp"

	"github.com/prometheus/procfs"
)

var (
	// pseudo file systems have no space of their own. Network file systems are
	// left out too: asking an unreachable server for its space blocks for ever.
	pseudo = regexp.MustCompile(`^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|` +
		`mqueue|nsfs|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs|` +
		`nfs4?|cifs|smb3|9p|ceph|fuse\..*)$`)
	// systemMounts are left out as in node_exporter.
	systemMounts = regexp.MustCompile(`^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`)
)

func (c *Collector) filesystems(b *batch) error {
	fs, err := procfs.NewFS(c.o.ProcPath)
	if err != nil {
		return err
	}
	mounts, err := fs.GetMounts()
	if err != nil {
		return err
	}
	seen := map[[3]string]bool{}
	for _, m := range mounts {
		key := [3]string{m.Source, m.MountPoint, m.FSType}
		// An overlay is what a container's root is on; elsewhere it repeats the disk below.
		if pseudo.MatchString(m.FSType) || systemMounts.MatchString(m.MountPoint) ||
			m.FSType == "overlay" && m.MountPoint != "/" || seen[key] {
			continue
		}
		seen[key] = true
		kv := []string{"device", m.Source, "fstype", m.FSType, "mountpoint", m.MountPoint}
		st, err := c.o.Statfs(m.MountPoint)
		failed := 0.0
		if err != nil {
			failed = 1
		}
		b.gauge("node_filesystem_device_error", "Whether an error occurred while getting statistics for the given device.", failed, kv...)
		if err != nil {
			continue
		}
		_, readonly := m.Options["ro"]
		size := float64(st.Bsize)
		b.gauge("node_filesystem_size_bytes", "Filesystem size in bytes.", float64(st.Blocks)*size, kv...)
		b.gauge("node_filesystem_free_bytes", "Filesystem free space in bytes.", float64(st.Bfree)*size, kv...)
		b.gauge("node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.", float64(st.Bavail)*size, kv...)
		b.gauge("node_filesystem_files", "Filesystem total file nodes.", float64(st.Files), kv...)
		b.gauge("node_filesystem_files_free", "Filesystem total free file nodes.", float64(st.Ffree), kv...)
		b.gauge("node_filesystem_readonly", "Filesystem read-only status.", boolValue(readonly), kv...)
	}
	return nil
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
