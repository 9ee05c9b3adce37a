package parquetio

import "unsafe"

// Memory lends buffers to reads whose vectors are used only until Reset, such as
// those of a merge. A nil Memory makes every buffer anew. It is not safe for
// concurrent use.
type Memory struct {
	free, lent [][]byte
}

// maxKept bounds the buffers that are kept.
const maxKept = 64

func (m *Memory) take(n int) []byte {
	if m == nil {
		return make([]byte, n)
	}
	// The smallest that is large enough, so that large ones stay for large pages.
	best := -1
	for i, b := range m.free {
		if cap(b) >= n && (best < 0 || cap(b) < cap(m.free[best])) {
			best = i
		}
	}
	if best >= 0 {
		b := m.free[best]
		last := len(m.free) - 1
		m.free[best], m.free[last] = m.free[last], nil
		m.free = m.free[:last]
		m.lent = append(m.lent, b)
		return b[:n]
	}
	// A little more than asked for serves the next page too.
	b := make([]byte, n, n+n/8)
	m.lent = append(m.lent, b)
	return b
}

// giveBack ends the use of a buffer before the others'.
func (m *Memory) giveBack(b []byte) {
	if m == nil {
		return
	}
	for i := len(m.lent) - 1; i >= 0; i-- {
		if unsafe.SliceData(m.lent[i]) == unsafe.SliceData(b) {
			last := len(m.lent) - 1
			m.lent[i], m.lent[last] = m.lent[last], nil
			m.lent = m.lent[:last]
			m.free = append(m.free, b)
			return
		}
	}
}

// Release is Reset for whoever needs less from now on: nothing is kept.
func (m *Memory) Release() { *m = Memory{} }

// Reset takes all buffers back: what was read into them is overwritten later.
func (m *Memory) Reset() {
	if Poisoned {
		for _, b := range m.lent {
			b = b[:cap(b)]
			for i := range b {
				b[i] = '!'
			}
		}
	}
	m.free = append(m.free, m.lent...)
	clear(m.lent)
	m.lent = m.lent[:0]
	if len(m.free) > maxKept {
		clear(m.free[maxKept:])
		m.free = m.free[:maxKept]
	}
}
