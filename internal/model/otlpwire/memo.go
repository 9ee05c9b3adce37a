package otlpwire

import "sync"

const (
	// maxKnown bounds a Memo; when it is full it starts anew.
	maxKnown = 8192
	// maxKnownBytes is the largest encoded message that is remembered.
	maxKnownBytes = 64 << 10
)

// Memo remembers what encoded messages became, such as resources, of which
// senders send the same few with every request. The zero value is ready.
type Memo[T any] struct {
	mu    sync.RWMutex
	known map[string]*T
}

// Get returns what decode makes of raw, from memory where it can. A nil of
// decode is not remembered.
func (m *Memo[T]) Get(raw []byte, decode func([]byte) *T) *T {
	m.mu.RLock()
	v := m.known[string(raw)]
	m.mu.RUnlock()
	if v != nil {
		return v
	}
	if v = decode(raw); v == nil || len(raw) > maxKnownBytes {
		return v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxKnown {
		m.known = map[string]*T{}
	}
	m.known[string(raw)] = v
	return v
}
