package columnar

import (
	"time"

	"hinomi/internal/store/columnar/parquetio"
)

const (
	// maintenanceEvery is how often age, retention and compaction are looked at.
	maintenanceEvery = 5 * time.Second
	// idleAfter is how long no row has come when the table tidies up: the
	// memtable is flushed and small segments are merged, so that all is indexed.
	// It waits for idleRows, lest a trickle of rows makes many small files.
	idleAfter = 3 * time.Second
	idleRows  = 4 << 10
)

// maintenance flushes; compaction goes on beside it, so that a long merge does
// not hold up the memtable.
func (t *Table) maintenance() {
	defer close(t.done)
	compacted := make(chan struct{})
	go func() {
		defer close(compacted)
		t.compaction()
	}()
	defer func() { <-compacted }()
	tick := time.NewTicker(maintenanceEvery)
	defer tick.Stop()
	failures := uint64(0)
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		case <-t.wake:
		}
		due := t.flushDue(t.opts.Now())
		if f := t.wal.failures(); f != failures {
			// A WAL file was given up: what was acknowledged from it must not
			// depend on it any longer.
			failures, due = f, true
		}
		if !due {
			continue
		}
		if err := t.flush(); err != nil {
			t.log.Error("flush; the rows stay in memory and in the WAL, it is tried again", "err", err)
			continue
		}
		poke(t.wakeCompaction)
	}
}

func (t *Table) flushDue(now time.Time) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	switch {
	case t.frozen != nil:
		return true
	case t.mem.rows == 0:
		return false
	case t.mem.bytes >= t.opts.MemtableBytes || now.Sub(t.mem.since) >= t.opts.FlushAge:
		return true
	}
	return t.mem.rows >= idleRows && now.Sub(t.appended) >= idleAfter
}

// compaction merges and expires segments until the table is closed.
func (t *Table) compaction() {
	tick := time.NewTicker(maintenanceEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		case <-t.wakeCompaction:
		}
		now := t.opts.Now()
		if err := t.expire(now); err != nil {
			t.log.Error("remove expired segments", "err", err)
		}
		if err := t.compact(now); err != nil {
			t.log.Error("compact", "err", err)
		}
		if err := t.leave(now); err != nil {
			t.log.Error("remove rows; it is tried again", "err", err)
		}
	}
}

// Flush writes the memtable to segments now.
func (t *Table) Flush() error { return t.flush() }

func (t *Table) flush() error {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	t.mu.RLock()
	retry := t.frozen != nil
	t.mu.RUnlock()
	if retry {
		if err := t.flushFrozen(); err != nil {
			return err
		}
	}
	t.gate.Lock()
	t.mu.Lock()
	if t.mem.rows == 0 {
		t.mu.Unlock()
		t.gate.Unlock()
		return nil
	}
	t.frozen = t.mem
	t.mem = newMemtable(t.opts.Now(), t.opts.Memory.Rows)
	t.frozen.walFloor = t.wal.rotate()
	t.frozen.receipts = t.receipts.next()
	t.mu.Unlock()
	t.gate.Unlock()
	return t.flushFrozen()
}

// flushFrozen writes the frozen memtable and drops its WAL files.
func (t *Table) flushFrozen() error {
	start := time.Now()
	m := t.frozen
	parts := make([]part, len(m.blocks))
	for i, b := range m.blocks {
		parts[i] = b
	}
	metas, err := t.writeSegments(parts, 0, nil)
	if err != nil {
		return err
	}
	t.keepReceipts(m)
	if err := t.commit(edit{Add: metas, WALFloor: m.walFloor}, func() {
		t.frozen = nil
		m.free()
	}); err != nil {
		t.discard(metas)
		return err
	}
	t.metrics.flushSeconds.Observe(time.Since(start).Seconds())
	return t.wal.removeBelow(m.walFloor)
}

// commit writes e to the manifest and then makes it visible, together with
// what extra does under the lock.
func (t *Table) commit(e edit, extra func()) error {
	t.committing.Lock()
	defer t.committing.Unlock()
	if t.manifest == nil {
		// An earlier commit failed half way: start from a clean file.
		m, err := createManifest(t.fs, t.opts.Dir, &t.state)
		if err != nil {
			return err
		}
		t.manifest = m
	}
	if err := t.manifest.commit(e); err != nil {
		_ = t.manifest.close()
		t.manifest = nil
		m, rerr := createManifest(t.fs, t.opts.Dir, &t.state)
		if rerr == nil {
			t.manifest = m
		}
		return err
	}
	var gone []*segment
	t.mu.Lock()
	t.state.apply(e)
	t.hold(e.Remove)
	for _, id := range e.Remove {
		if s := t.segments[id]; s != nil {
			gone = append(gone, s)
			delete(t.segments, id)
		}
	}
	for _, m := range e.Add {
		t.segments[m.ID] = t.newSegment(m)
	}
	if extra != nil {
		extra()
	}
	t.mu.Unlock()
	for _, s := range gone {
		s.removed.Store(true)
		s.release()
	}
	return nil
}

// discard deletes segment files that were not committed. While the manifest
// could not be rewritten after a failed commit they stay: its last line, which
// names them, may be on disk after all. The next open removes what no line names.
func (t *Table) discard(metas []segmentMeta) {
	t.committing.Lock()
	broken := t.manifest == nil
	t.committing.Unlock()
	if broken {
		return
	}
	for _, m := range metas {
		if err := t.fs.Remove(t.fs.PathJoin(t.opts.Dir, m.File)); err != nil {
			t.log.Warn("remove an unfinished segment", "file", m.File, "err", err)
		}
	}
}

// writeSegments sorts the rows of parts, splits them by partition and writes
// durable segment files that are not yet in the manifest. mem, unless nil, is the
// memory that the parts read into; it is taken back column by column.
func (t *Table) writeSegments(parts []part, level int, mem *parquetio.Memory) ([]segmentMeta, error) {
	runs, err := t.runsOf(parts)
	if err != nil {
		return nil, err
	}
	if mem != nil {
		mem.Reset()
	}
	var metas []segmentMeta
	for i := range runs {
		m, err := t.writeSegment(&runs[i], parts, level, mem)
		if err != nil {
			t.discard(metas)
			return nil, err
		}
		runs[i].refs = nil
		metas = append(metas, m)
	}
	return metas, nil
}

// expire removes segments whose newest row is older than the retention.
func (t *Table) expire(now time.Time) error {
	limit := now.Add(-t.opts.Retention).UnixNano()
	t.compacting.Lock()
	defer t.compacting.Unlock()
	var old []uint64
	rows := int64(0)
	t.mu.RLock()
	for id, s := range t.segments {
		if s.MaxTs < limit {
			old = append(old, id)
			rows += s.Rows
		}
	}
	t.mu.RUnlock()
	if len(old) == 0 {
		return nil
	}
	if err := t.commit(edit{Remove: old, Aged: true}, nil); err != nil {
		return err
	}
	t.metrics.removed.WithLabelValues(removedRetention).Add(float64(rows))
	return nil
}
