package columnar

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"hinomi/internal/store"
)

// memo remembers, for the windows of one row group, which dictionary entries
// satisfy which leaves. It may be used by several workers.
type memo struct {
	mu     sync.Mutex
	known  []memoLeaf
	mapped map[store.ColumnRef]*mapping
}

// forget drops everything.
func (m *memo) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.known)
	m.mapped = nil
}

// mapping returns what fn makes of a dictionary's entries for a column, once for
// all windows. A nil memo remembers nothing.
func (m *memo) mapping(ref store.ColumnRef, dict []string, fn func(string) store.Value) *mapping {
	if m == nil {
		return newMapping(dict, fn)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if have := m.mapped[ref]; have != nil && len(have.from) == len(dict) && unsafe.SliceData(have.from) == unsafe.SliceData(dict) {
		return have
	}
	if m.mapped == nil {
		m.mapped = map[store.ColumnRef]*mapping{}
	}
	m.mapped[ref] = newMapping(dict, fn)
	return m.mapped[ref]
}

type memoLeaf struct {
	dict  []string
	known []atomic.Uint32
}

// of returns the memo of a leaf for a dictionary, a fresh one when it is not the
// dictionary of before.
func (m *memo) of(leaf int, dict []string) []atomic.Uint32 {
	if m == nil {
		return make([]atomic.Uint32, len(dict))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &m.known[leaf]
	if len(l.dict) != len(dict) || unsafe.SliceData(l.dict) != unsafe.SliceData(dict) {
		*l = memoLeaf{dict, make([]atomic.Uint32, len(dict))}
	}
	return l.known
}
