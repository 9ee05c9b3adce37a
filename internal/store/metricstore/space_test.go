package metricstore

import (
	"math"
	"testing"
)

func TestReserveFitsTheDisk(t *testing.T) {
	s := openTest(t, t.TempDir(), func(o *Options) { o.MinFreeBytes = 0 })
	if r := s.opts.MinFreeBytes; r <= 0 || r > DefaultMinFreeBytes {
		t.Errorf("reserve %d", r)
	}
	if got := product(math.MaxUint64, 1<<20); got <= 0 {
		t.Errorf("absurd disk size wraps to %d", got)
	}
}
