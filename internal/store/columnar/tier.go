package columnar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// moveEvery is how often the age of segments is looked at.
	moveEvery = time.Minute
	// tidyEvery is how often segments of the memtable are merged although they are
	// few, because they are old enough to leave: late rows come at any time.
	tidyEvery = 6 * time.Hour
)

// placedFile is a file in a place.
type placedFile struct {
	Place string `json:"place"`
	File  string `json:"file"`
}

func (m *segmentMeta) placed() placedFile { return placedFile{m.Place, m.File} }

// leavePlace notes the file of a segment that is removed.
func (s *manifestState) leavePlace(m segmentMeta) {
	if m.Place != "" {
		s.stray(m.placed())
	}
}

func (s *manifestState) stray(f placedFile) {
	if s.strays == nil {
		s.strays = map[placedFile]bool{}
	}
	s.strays[f] = true
}

// tiers are the places of a table and the work of moving segments there.
type tiers struct {
	list   []*place // in the order of the configuration
	byName map[string]*place
	ranges *rangeCache
	ledger *ledger // nil without an archive
	stats  *tierMetrics

	ctx    context.Context // ends with the table
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	wake   chan struct{}
	moving sync.Mutex // one round of moves at a time; taken before compacting

	held    map[placedFile]bool // removed but still read; guarded by Table.mu
	lastly  time.Time           // when old segments were merged last; guarded by Table.compacting
	movable time.Duration       // the age at which the first place takes segments; 0: there is none
}

// tidied notes that no old segment of the memtable is left, and tells whether that
// was due.
func (t *tiers) tidied(now time.Time) bool {
	due := t.movable > 0 && now.Sub(t.lastly) >= tidyEvery
	if due {
		t.lastly = now
	}
	return due
}

func (t *Table) openTiers() error {
	ts := &t.tiers
	ts.byName, ts.held, ts.wake = map[string]*place{}, map[placedFile]bool{}, make(chan struct{}, 1)
	ts.stats = newTierMetrics(t)
	ts.ctx, ts.cancel = context.WithCancelCause(context.Background())
	ts.ranges = newRangeCache(t.fs, t.fs.PathJoin(t.opts.Dir, cacheDir), t.opts.RangeCacheBytes)
	for i, tier := range t.opts.Tiers {
		p := &place{Tier: tier, name: tier.PlaceName(), known: true}
		switch {
		case (tier.Dir == "") == (tier.Bucket == nil):
			return fmt.Errorf("tier %d needs either a directory or a bucket", i+1)
		case ts.byName[p.name] != nil:
			return fmt.Errorf("two tiers are called %q: name one of them", p.name)
		case i > 0 && tier.After <= t.opts.Tiers[i-1].After || tier.After <= 0:
			return fmt.Errorf("tier %q takes segments after %s, which is not more than the tier before it", p.name, tier.After)
		case tier.Bucket != nil:
			p.storage = newBucketStorage(ts.ctx, tier.Bucket, t.schema.Name, ts.ranges, ts.stats.unreachable)
			p.life = ts.ctx
		default:
			p.storage = dirStorage{t.fs, t.fs.PathJoin(tier.Dir, t.schema.Name), &p.used}
		}
		ts.list, ts.byName[p.name] = append(ts.list, p), p
		if ts.movable == 0 {
			ts.movable = tier.After
		}
	}
	return t.openArchive()
}

// findPlaces resolves the places that the manifest names.
func (t *Table) findPlaces(st *manifestState) {
	objects := map[string]bool{}
	for _, m := range st.segments {
		if m.Place == "" {
			continue
		}
		p := t.tiers.byName[m.Place]
		if p == nil {
			p = &place{name: m.Place, storage: notConfigured{m.Place}}
			t.tiers.byName[m.Place] = p
			t.log.Error("segments are in a tier that is not configured; they are missing from answers", "tier", m.Place)
		}
		p.used.Add(1)
		objects[objectKey(m.File)] = true
	}
	t.tiers.ranges.load(objects)
}

// setPlace tells a new segment where it is.
func (t *Table) setPlace(s *segment) {
	if s.Place == "" {
		return
	}
	s.place, s.free = t.tiers.byName[s.Place], t.freed
}

// hold keeps files of removed segments until nobody reads them. t.mu is held.
func (t *Table) hold(removed []uint64) {
	for _, id := range removed {
		if s := t.segments[id]; s != nil && s.place != nil {
			t.tiers.held[s.placed()] = true
			s.place.used.Add(-1)
		}
	}
}

// freed is called when nobody reads a removed segment any more.
func (t *Table) freed(s *segment) {
	t.mu.Lock()
	delete(t.tiers.held, s.placed())
	t.mu.Unlock()
	poke(t.tiers.wake)
}

func (t *Table) startTiers() {
	if len(t.tiers.byName) == 0 {
		return
	}
	t.tiers.wg.Go(func() {
		tick := time.NewTicker(moveEvery)
		defer tick.Stop()
		for {
			if err := t.moveDue(t.tiers.ctx, t.opts.Now()); err != nil && t.tiers.ctx.Err() == nil {
				t.tiers.stats.failed.Inc()
				t.log.Error("move or archive segments; it is tried again", "err", err)
			}
			select {
			case <-t.tiers.ctx.Done():
				return
			case <-tick.C:
			case <-t.tiers.wake:
			}
		}
	})
}

func (t *Table) stopTiers() {
	t.tiers.cancel(errStopped)
	t.tiers.wg.Wait()
}

// leavesSoon tells whether segments of the memtable are old enough for another
// place. They are merged first, however few they are.
func (t *Table) leavesSoon(list []*segment) bool {
	now := t.opts.Now()
	if t.tiers.movable == 0 || now.Sub(t.tiers.lastly) < tidyEvery {
		return false
	}
	limit := now.Add(-t.tiers.movable).UnixNano()
	return !slices.ContainsFunc(list, func(s *segment) bool { return s.MaxTs >= limit })
}

// MoveDue moves the segments that are old enough to their tier and returns when
// that is done.
func (t *Table) MoveDue(ctx context.Context) error { return t.moveDue(ctx, t.opts.Now()) }

func (t *Table) moveDue(ctx context.Context, now time.Time) error {
	t.tiers.moving.Lock()
	defer t.tiers.moving.Unlock()
	err := t.eraseStrays(ctx, func(p *place) bool { return p.name != archivePlace })
	err = errors.Join(err, t.moveAll(ctx, now))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = errors.Join(err, t.archiveAll(ctx, now))
	// What replaces an archived file is there before the file goes.
	return errors.Join(err, t.eraseStrays(ctx, func(p *place) bool { return p.name == archivePlace }))
}

func (t *Table) moveAll(ctx context.Context, now time.Time) (err error) {
	failed := map[*place]bool{}
	for {
		s, to := t.pickMove(now, failed)
		if s == nil {
			return err
		}
		merr := t.move(ctx, s, to)
		s.release()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if merr != nil {
			// The others would most likely fare the same.
			failed[to] = true
			if s.place != nil {
				failed[s.place] = true
			}
			err = errors.Join(err, fmt.Errorf("move %s to %q: %w", s.File, to.name, merr))
		}
	}
}

// pickMove returns the oldest segment, acquired, that is to move, and where to.
func (t *Table) pickMove(now time.Time, failed map[*place]bool) (*segment, *place) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var oldest *segment
	var to *place
	for _, s := range t.segments {
		if oldest != nil && cmp.Or(cmp.Compare(s.MaxTs, oldest.MaxTs), cmp.Compare(s.ID, oldest.ID)) > 0 {
			continue
		}
		// Asked once: a segment that is fit now may not be a moment later.
		if p := t.destination(s, now); p != nil && !failed[p] && (s.place == nil || !failed[s.place]) {
			oldest, to = s, p
		}
	}
	if oldest != nil {
		oldest.acquire()
	}
	return oldest, to
}

// destination is where a segment should be by its age, nil when it is there. Only
// merged segments move, only onwards, and damaged ones stay as evidence.
func (t *Table) destination(s *segment, now time.Time) *place {
	if s.Level == 0 {
		return nil
	}
	at := -1
	if s.place != nil {
		if at = slices.Index(t.tiers.list, s.place); at < 0 {
			return nil
		}
	}
	to := at
	for i, p := range t.tiers.list {
		if i > at && s.MaxTs < now.Add(-p.After).UnixNano() {
			to = i
		}
	}
	if to == at || s.unfit() {
		return nil
	}
	return t.tiers.list[to]
}

// move copies a segment, reads the copy back, and commits the new place. The
// intention is durable before: whatever moment the process dies, the segment is in
// one place and what is elsewhere is a stray that is erased.
func (t *Table) move(ctx context.Context, s *segment, to *place) error {
	m := s.segmentMeta
	m.Place, m.File = to.name, placedName(&s.segmentMeta)
	if err := to.storage.prepare(); err != nil {
		return err
	}
	if err := t.commit(edit{Strays: []placedFile{m.placed()}}, nil); err != nil {
		return err
	}
	if _, err := t.copySegment(ctx, s, to.storage, m.File); err != nil {
		return err
	}
	t.compacting.Lock()
	defer t.compacting.Unlock()
	t.mu.RLock()
	current := t.segments[s.ID] == s
	t.mu.RUnlock()
	if !current {
		return nil // Rewritten or expired meanwhile; the copy is erased as a stray.
	}
	to.used.Add(1)
	if err := t.commit(edit{Remove: []uint64{s.ID}, Add: []segmentMeta{m}}, nil); err != nil {
		to.used.Add(-1)
		return err
	}
	t.tiers.stats.moved.Inc()
	t.log.Info("a segment moved to its tier", "file", m.File, "tier", to.name, "bytes", m.Bytes)
	return nil
}

// eraseStrays deletes the files in the wanted places that belong to no segment.
func (t *Table) eraseStrays(ctx context.Context, wanted func(*place) bool) error {
	var files []placedFile
	t.mu.RLock()
	for f := range t.state.strays {
		if !t.tiers.held[f] {
			files = append(files, f)
		}
	}
	t.mu.RUnlock()
	var erased []placedFile
	var failed error
	down := map[string]bool{}
	for _, f := range files {
		p := t.tiers.byName[f.Place]
		if p == nil || !p.known || down[f.Place] || !wanted(p) {
			continue // A tier that is not configured may come back.
		}
		if err := p.storage.remove(ctx, f.File); err != nil {
			down[f.Place] = true
			failed = errors.Join(failed, fmt.Errorf("erase %s in %q: %w", f.File, f.Place, err))
			continue
		}
		if f.Place == archivePlace {
			if err := t.tiers.ledger.note(ledgerLine{Removed: f.File, At: t.opts.Now().UTC()}); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		erased = append(erased, f)
	}
	if len(erased) == 0 {
		return failed
	}
	return errors.Join(failed, t.commit(edit{Erased: erased}, nil))
}
