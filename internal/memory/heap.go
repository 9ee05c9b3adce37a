package memory

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// programBytes is what a limit keeps for memory that is not Go's: the pages of
	// the binary that are in use.
	programBytes = 64 << 20
	// pressedPercent of the heap's limit is when requests and queries are refused,
	// measured in live bytes: beyond it the collector hardly does anything else.
	pressedPercent = 85
	watchEvery     = 200 * time.Millisecond
	// staleAfter is how old the count of live bytes may be while it refuses others.
	staleAfter = time.Second
	// garbageBytes is how much garbage there may be before it is collected. As a share
	// of what is alive (Go's GOGC) it would be too little while the heap is small, where
	// a collection costs as much, and too much while merges make it large.
	garbageBytes              = 80 << 20
	leastPercent, mostPercent = 50, 75
)

// percentOf is GOGC for a heap with so much alive.
func percentOf(live int64) int {
	return int(min(max(100*garbageBytes/max(live, 1), leastPercent), mostPercent))
}

// HeapLimit is what Go may use of the limit.
func (b *Budget) HeapLimit() int64 { return b.limit - max(programBytes, b.limit/10) }

// Pressed tells that the live heap is near the limit.
func (b *Budget) Pressed() bool { return b.pressed.Load() }

// Run makes the budget that of the whole process: it sets Go's soft memory limit,
// unless GOMEMLIMIT did, and how much garbage there may be, unless GOGC did, and
// watches the heap until ctx ends.
func (b *Budget) Run(ctx context.Context) error {
	limit := b.HeapLimit()
	if os.Getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	} else {
		limit = min(limit, debug.SetMemoryLimit(-1))
	}
	w := watcher{limit: limit, sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}}
	percent := 0
	if os.Getenv("GOGC") == "" {
		percent = leastPercent
		defer debug.SetGCPercent(debug.SetGCPercent(percent))
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	defer b.pressed.Store(false)
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			metrics.Read(w.sample)
			live := int64(w.sample[0].Value.Uint64())
			// Setting it stops the world for a moment, so small changes are left out.
			if p := percentOf(live); percent > 0 && (p > percent*9/8 || p < percent*8/9 || p == leastPercent && p != percent) {
				percent = p
				debug.SetGCPercent(percent)
			}
			pressed, collect := w.look(now, live, w.sample[1].Value.Uint64())
			b.pressed.Store(pressed)
			if collect {
				runtime.GC()
			}
		}
	}
}

// watcher judges what the runtime tells of the heap.
type watcher struct {
	limit     int64
	sample    []metrics.Sample
	cycles    uint64
	collected time.Time
}

// look tells whether the heap is near the limit, and whether that is known from so
// long ago that it should be looked at anew: while everybody is refused nothing is
// allocated, and nothing is collected by itself.
func (w *watcher) look(now time.Time, live int64, cycles uint64) (pressed, collect bool) {
	if cycles != w.cycles || w.collected.IsZero() {
		w.cycles, w.collected = cycles, now
	}
	pressed = live > w.limit/100*pressedPercent
	if pressed && now.Sub(w.collected) >= staleAfter {
		w.collected = now
		collect = true
	}
	return pressed, collect
}
