package metricstore

import "sync"

// groupSync lets many commits share one sync. The first caller syncs at once;
// callers that come while a sync is under way wait for the next one, which one
// of them leads, because the running sync may have started before their bytes
// were written.
type groupSync struct {
	do func() error

	mu            sync.Mutex
	running, next *syncRound
}

type syncRound struct {
	done chan struct{}
	err  error
}

// Sync returns after a sync that started after the call was made.
func (g *groupSync) Sync() error {
	g.mu.Lock()
	if g.running == nil && g.next == nil {
		r := &syncRound{done: make(chan struct{})}
		g.running = r
		g.mu.Unlock()
		return g.lead(r)
	}
	if g.next != nil {
		r := g.next
		g.mu.Unlock()
		<-r.done
		return r.err
	}
	prev, r := g.running, &syncRound{done: make(chan struct{})}
	g.next = r
	g.mu.Unlock()
	<-prev.done

	g.mu.Lock()
	g.running, g.next = r, nil
	g.mu.Unlock()
	return g.lead(r)
}

func (g *groupSync) lead(r *syncRound) error {
	r.err = g.do()
	g.mu.Lock()
	g.running = nil
	g.mu.Unlock()
	close(r.done)
	return r.err
}
