package columnar

import (
	"math"
	"sync"
	"unsafe"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// same is n rows of a column of which the page directory says that every row of the
// row group has one value, without reading a page; nil when it does not say so.
// Only of floats and of texts with a dictionary, as the weights of sampling and
// the states of traces are.
func (s *segment) same(group, col, n int) *store.Vec {
	c := &s.file.Groups[group].Chunks[col]
	if !c.Bounded || c.Nulls > 0 {
		return nil
	}
	kind := s.file.Columns[col].Kind
	switch {
	case kind == store.KindFloat && c.MinInt == c.MaxInt:
		return s.cache.repeated.float(math.Float64frombits(uint64(c.MinInt)), n)
	case c.Dict != nil && c.MinStr == c.MaxStr:
		// The dictionary is the bound itself, which every window shares.
		return &store.Vec{Kind: kind, Codes: s.cache.repeated.zeroCodes(n), Dict: unsafe.Slice(&c.MinStr, 1), Same: true}
	}
	return nil
}

// repeated hands out vectors of one value that share their memory, which nobody
// may change.
type repeated struct {
	mu     sync.Mutex
	floats map[uint64][]float64 // by bits: parquetio.WindowRows of them
	codes  []uint32
}

// maxRepeated bounds the floats that are kept; they take 128 KiB each.
const maxRepeated = 16

func (r *repeated) float(x float64, n int) *store.Vec {
	return &store.Vec{Kind: store.KindFloat, Floats: r.floatsOf(x, n), Same: true}
}

func (r *repeated) floatsOf(x float64, n int) []float64 {
	bits := math.Float64bits(x)
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.floats[bits]; n <= len(have) {
		return have[:n:n]
	}
	out := make([]float64, max(n, parquetio.WindowRows))
	if bits != 0 {
		for i := range out {
			out[i] = x
		}
	}
	if len(out) > parquetio.WindowRows {
		return out
	}
	if r.floats == nil || len(r.floats) >= maxRepeated {
		r.floats = map[uint64][]float64{}
	}
	r.floats[bits] = out
	return out[:n:n]
}

func (r *repeated) zeroCodes(n int) []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > parquetio.WindowRows {
		return make([]uint32, n)
	}
	if r.codes == nil {
		r.codes = make([]uint32, parquetio.WindowRows)
	}
	return r.codes[:n:n]
}
