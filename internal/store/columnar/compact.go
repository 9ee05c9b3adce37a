package columnar

import (
	"cmp"
	"errors"
	"slices"
	"time"
	"unsafe"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

const (
	// mergedFanIn is how many merged segments of one level, still small, are
	// merged again. Every row is rewritten about 1+log4(rows of a segment / rows
	// of a merge) times.
	mergedFanIn = 4
	// smallRows is up to how many rows a merged segment is small.
	smallRows = maxSegmentRows / 2
)

// compact merges sets of small segments of a partition while there are any.
func (t *Table) compact(now time.Time) error {
	t.compacting.Lock()
	defer t.compacting.Unlock()
	for {
		t.mu.RLock()
		idle := now.Sub(t.appended) >= idleAfter
		t.mu.RUnlock()
		inputs := t.pickCompaction(idle)
		if len(inputs) == 0 {
			return nil
		}
		err := t.mergeSegments(inputs, now)
		for _, s := range inputs {
			s.release()
		}
		if errors.Is(err, errCorrupt) {
			continue // Quarantined now; the others are picked without it.
		}
		if errors.Is(err, errStopped) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

const (
	// mergeBase is what a merge takes besides texts and row references: windows of
	// its inputs, and the index that it builds.
	mergeBase = 32 << 20
	// unpackedRatio is about how much larger a segment of the memtable is unpacked.
	unpackedRatio = 4
	// mergeRetry is how soon a merge that has no memory looks again.
	mergeRetry = 200 * time.Millisecond
)

// mergeCost is about what a merge takes at once.
func (t *Table) mergeCost(inputs []*segment) int64 {
	var rows, bytes int64
	for _, s := range inputs {
		rows += s.Rows
		bytes += s.Bytes
	}
	refs := rows * int64(unsafe.Sizeof(rowRef{})+unsafe.Sizeof(sortKey{}))
	most := t.opts.Memory.MergeBytes
	// With little memory merges are small, and one after the other.
	return min(min(bytes*unpackedRatio, most)+refs+mergeBase, 2*most)
}

// roomToMerge waits until there is memory for a merge; done gives it back.
func (t *Table) roomToMerge(inputs []*segment) (done func(), err error) {
	room, cost := t.opts.Memory.Merges, t.mergeCost(inputs)
	for !room.Take(cost) {
		select {
		case <-t.stop:
			return nil, errStopped
		case <-time.After(mergeRetry):
		}
	}
	return func() { room.Give(cost) }, nil
}

// CompactNow merges what is due and returns when that is done.
func (t *Table) CompactNow() error { return t.compact(t.opts.Now()) }

// pickCompaction returns acquired segments of one partition and level.
func (t *Table) pickCompaction(idle bool) []*segment {
	type class struct {
		partition int64
		level     int
		sampled   bool
	}
	groups := map[class][]*segment{}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.segments {
		if (s.Level == 0 || s.Rows < smallRows) && s.place == nil && !s.unfit() {
			k := class{t.partition(s.MinTs), s.Level, s.Sampled}
			groups[k] = append(groups[k], s)
		}
	}
	for k, list := range groups {
		slices.SortFunc(list, func(a, b *segment) int { return cmp.Compare(a.MinTs, b.MinTs) })
		var picked []*segment
		rows := int64(0)
		for _, s := range list {
			if rows += s.Rows; rows > maxSegmentRows && len(picked) > 0 {
				rows -= s.Rows
				break
			}
			picked = append(picked, s)
		}
		switch {
		case k.level == 0 && (len(list) >= t.opts.MergeAfter || rows >= maxSegmentRows || len(picked) < len(list) || idle && rows >= idleRows):
		case k.level > 0 && len(list) >= mergedFanIn && len(picked) > 1:
		case k.level == 0 && t.leavesSoon(list):
		default:
			continue
		}
		for _, s := range picked {
			s.acquire()
		}
		return picked
	}
	if t.tiers.tidied(t.opts.Now()) {
		poke(t.tiers.wake)
	}
	return nil
}

// damaged tells whether any part of the segment is quarantined. Such a segment
// is left as it is.
func (s *segment) damaged() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasDamage()
}

// unfit is damaged for whoever holds the table's lock: it does not wait. A segment
// that somebody opens counts as unfit until later: opening may take as long as an
// object store does, and it tells damage to the table, whose lock that needs.
func (s *segment) unfit() bool {
	if !s.mu.TryLock() {
		return true
	}
	defer s.mu.Unlock()
	return s.hasDamage()
}

func (s *segment) hasDamage() bool {
	if s.openErr != nil {
		return true
	}
	for i := range s.groups {
		if s.groups[i].bad.Load() {
			return true
		}
	}
	return len(s.bad) > 0
}

// errStopped is when a merge ends early because the table is closed.
var errStopped = errors.New("the table is closed")

// mergeSegments merges the rows of inputs that stay.
func (t *Table) mergeSegments(inputs []*segment, now time.Time) error {
	level := 0
	for _, s := range inputs {
		level = max(level, s.Level)
	}
	if err := t.rewriteSegments(inputs, t.newRewriting(now), level+1, true); err != nil {
		return err
	}
	t.metrics.compactions.Inc()
	return nil
}

// groupPart is a row group that is merged. It decodes what is asked for and
// keeps nothing.
type groupPart struct {
	seg   *segment
	group int
	stop  chan struct{}
	mem   *parquetio.Memory
}

func (p *groupPart) rowCount() int { return p.seg.groups[p.group].rows }

func (p *groupPart) window(name string, lo, hi int) (*store.Vec, error) {
	select {
	case <-p.stop:
		return nil, errStopped
	default:
	}
	v, err := p.seg.load(p.group, name, lo, hi, p.mem)
	if errors.Is(err, errCorrupt) {
		p.seg.damage(p.seg, p.group, err)
	}
	return v, err
}

func (p *groupPart) eachColumn(fn func(name string, kind store.Kind, present int)) {
	g := &p.seg.file.Groups[p.group]
	for i, c := range p.seg.file.Columns {
		fn(c.Name, c.Kind, g.Rows-int(g.Chunks[i].Nulls))
	}
}
