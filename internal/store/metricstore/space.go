package metricstore

import (
	"fmt"
	"math"
	"syscall"
)

// statfsFree is the space that an unprivileged writer may still use.
func statfsFree(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return product(st.Bavail, st.Bsize), nil
}

// product does not wrap: some file systems report absurd sizes.
func product(blocks uint64, size int64) int64 {
	return int64(min(float64(blocks)*float64(size), math.MaxInt64/2))
}

// defaultReserve is the space that stays free on the file system of dir.
func defaultReserve(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("read the size of the disk of %s: %w", dir, err)
	}
	return min(DefaultMinFreeBytes, product(st.Blocks, st.Bsize)/minFreeShare), nil
}
