package metricstore

import (
	"math"
	"syscall"
)

// statfsFree is the space that an unprivileged writer may still use.
func statfsFree(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	// Some file systems report absurd sizes; the product must not wrap.
	free := float64(st.Bavail) * float64(st.Bsize)
	return int64(min(free, math.MaxInt64/2)), nil
}
