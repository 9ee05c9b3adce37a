package parquetio

// Vectors lends the memory of vectors that are used only until Reset, such as
// those of one window of a scan. A nil Vectors makes it anew. It is not safe for
// concurrent use.
type Vectors struct {
	codes  slab[uint32]
	ints   slab[int64]
	floats slab[float64]
	bools  slab[bool]
	strs   slab[string]

	bytes []uint8 // for what a page is decoded into on its way
	small []int32
	large []int64
}

// slab lends slices of one type.
type slab[T any] struct{ free, lent [][]T }

// take returns n elements of any value.
func (s *slab[T]) take(n int) []T {
	for i := len(s.free) - 1; i >= 0; i-- {
		if b := s.free[i]; cap(b) >= n {
			last := len(s.free) - 1
			s.free[i] = s.free[last]
			s.free = s.free[:last]
			s.lent = append(s.lent, b)
			return b[:n]
		}
	}
	b := make([]T, n)
	s.lent = append(s.lent, b)
	return b
}

func (s *slab[T]) reset(poison T) {
	if Poisoned {
		for _, b := range s.lent {
			b = b[:cap(b)]
			for i := range b {
				b[i] = poison
			}
		}
	}
	s.free = append(s.free, s.lent...)
	clear(s.lent)
	s.lent = s.lent[:0]
	if len(s.free) > maxKept {
		clear(s.free[maxKept:])
		s.free = s.free[:maxKept]
	}
}

// Reset takes everything back: it is overwritten later.
func (v *Vectors) Reset() {
	v.codes.reset(1 << 31)
	v.ints.reset(-1 << 62)
	v.floats.reset(-1e300)
	v.bools.reset(true)
	v.strs.reset("used after Reset")
}

// Codes, Ints, Floats, Bools and Strs lend a slice whose elements may be anything.
func (v *Vectors) Codes(n int) []uint32 {
	if v == nil {
		return make([]uint32, n)
	}
	return v.codes.take(n)
}

// Ints is as Codes.
func (v *Vectors) Ints(n int) []int64 {
	if v == nil {
		return make([]int64, n)
	}
	return v.ints.take(n)
}

// Floats is as Codes.
func (v *Vectors) Floats(n int) []float64 {
	if v == nil {
		return make([]float64, n)
	}
	return v.floats.take(n)
}

// Bools is as Codes.
func (v *Vectors) Bools(n int) []bool {
	if v == nil {
		return make([]bool, n)
	}
	return v.bools.take(n)
}

// Strs is as Codes.
func (v *Vectors) Strs(n int) []string {
	if v == nil {
		return make([]string, n)
	}
	return v.strs.take(n)
}

// scratch8, scratch32 and scratch64 lend an empty slice with room for n until the
// next call.
func (v *Vectors) scratch8(n int) []uint8 {
	if v == nil {
		return make([]uint8, 0, n)
	}
	if cap(v.bytes) < n {
		v.bytes = make([]uint8, 0, n)
	}
	return v.bytes
}

func (v *Vectors) scratch32(n int) []int32 {
	if v == nil {
		return make([]int32, 0, n)
	}
	if cap(v.small) < n {
		v.small = make([]int32, 0, n)
	}
	return v.small
}

func (v *Vectors) scratch64(n int) []int64 {
	if v == nil {
		return make([]int64, 0, n)
	}
	if cap(v.large) < n {
		v.large = make([]int64, 0, n)
	}
	return v.large
}
