package columnar

import "math/bits"

// bitWriter appends codes of a few bits, the lowest first.
type bitWriter struct {
	buf  []byte
	word uint64
	n    uint // bits in word
}

func (w *bitWriter) reset() { w.buf, w.word, w.n = w.buf[:0], 0, 0 }

// put appends the low n bits of x, at most 57.
func (w *bitWriter) put(x uint64, n uint) {
	w.word |= x << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.buf = append(w.buf, byte(w.word))
		w.word >>= 8
	}
}

// bytes returns what was written, padded; valid until the next reset.
func (w *bitWriter) bytes() []byte {
	if w.n > 0 {
		w.buf = append(w.buf, byte(w.word))
		w.word, w.n = 0, 0
	}
	return w.buf
}

// gamma appends x < 2^32 in Elias' γ code of x+1.
func (w *bitWriter) gamma(x uint64) {
	n := uint(bits.Len64(x+1)) - 1
	w.put(1<<n, n+1)
	w.put((x+1)&(1<<n-1), n)
}

// rice appends x in a Golomb-Rice code: its high bits unary, k low ones plain.
func (w *bitWriter) rice(x uint64, k uint) {
	q := x >> k
	for ; q >= 32; q -= 32 {
		w.put(0, 32)
	}
	w.put(1<<q, uint(q)+1)
	w.put(x&(1<<k-1), k)
}

// granules appends a set of at least one of total granules: one in 1+6 bits, few
// in 2+3+6 each, more as a bit for each.
func (w *bitWriter) granules(set uint64, total int) {
	const few = 8
	switch n := bits.OnesCount64(set); {
	case n == 1:
		w.put(0, 1)
		w.put(uint64(bits.TrailingZeros64(set)), granuleBits)
	case n <= few+1 && n*granuleBits < total:
		w.put(0b01, 2)
		w.put(uint64(n-2), 3)
		for ; set != 0; set &= set - 1 {
			w.put(uint64(bits.TrailingZeros64(set)), granuleBits)
		}
	default:
		w.put(0b11, 2)
		w.put(set&(1<<32-1), 32)
		w.put(set>>32, 32)
	}
}

// bitReader reads what a bitWriter wrote. Reading beyond the end sets bad.
type bitReader struct {
	data []byte
	word uint64
	n    uint
	bad  bool
}

func (r *bitReader) get(n uint) uint64 {
	for r.n < n {
		if len(r.data) == 0 {
			r.bad = true
			return 0
		}
		r.word |= uint64(r.data[0]) << r.n
		r.data = r.data[1:]
		r.n += 8
	}
	x := r.word & (1<<n - 1)
	r.word >>= n
	r.n -= n
	return x
}

// zeros reads up to and including the next 1 and returns the zeros before it.
func (r *bitReader) zeros() uint {
	n := uint(0)
	for !r.bad && r.get(1) == 0 {
		n++
	}
	return n
}

func (r *bitReader) gamma() uint64 {
	n := r.zeros()
	if r.bad || n > 32 {
		r.bad = true
		return 0
	}
	return (1<<n | r.get(n)) - 1
}

func (r *bitReader) rice(k uint) uint64 {
	q := uint64(r.zeros())
	return q<<k | r.get(k)
}

func (r *bitReader) granules() uint64 {
	if r.get(1) == 0 {
		return 1 << r.get(granuleBits)
	}
	if r.get(1) == 1 {
		return r.get(32) | r.get(32)<<32
	}
	set := uint64(0)
	for range r.get(3) + 2 {
		set |= 1 << r.get(granuleBits)
	}
	return set
}
