package parquetio

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
	for i := len(m.free) - 1; i >= 0; i-- {
		if b := m.free[i]; cap(b) >= n {
			last := len(m.free) - 1
			m.free[i] = m.free[last]
			m.free = m.free[:last]
			m.lent = append(m.lent, b)
			return b[:n]
		}
	}
	// A little more than asked for serves the next page too.
	b := make([]byte, n, n+n/8)
	m.lent = append(m.lent, b)
	return b
}

// Reset takes all buffers back: what was read into them is overwritten later.
func (m *Memory) Reset() {
	m.free = append(m.free, m.lent...)
	clear(m.lent)
	m.lent = m.lent[:0]
	if len(m.free) > maxKept {
		clear(m.free[maxKept:])
		m.free = m.free[:maxKept]
	}
}
