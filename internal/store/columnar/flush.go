package columnar

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// maintenanceEvery is how often age, retention and compaction are looked at.
	maintenanceEvery = 5 * time.Second
	// maxSegmentRows keeps a segment's row groups and its memory while it is
	// written bounded.
	maxSegmentRows = 16 * rowGroupRows
)

func (t *Table) maintenance() {
	defer close(t.done)
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
		now := t.opts.Now()
		t.mu.RLock()
		due := t.mem.rows > 0 && (t.mem.bytes >= t.opts.MemtableBytes || now.Sub(t.mem.since) >= t.opts.FlushAge)
		due = due || t.frozen != nil
		t.mu.RUnlock()
		if f := t.wal.failures(); f != failures {
			// A WAL file was given up: what was acknowledged from it must not
			// depend on it any longer.
			failures, due = f, true
		}
		if due {
			if err := t.flush(); err != nil {
				t.log.Error("flush; the rows stay in memory and in the WAL, it is tried again", "err", err)
			}
		}
		if err := t.expire(now); err != nil {
			t.log.Error("remove expired segments", "err", err)
		}
		if err := t.compact(); err != nil {
			t.log.Error("compact", "err", err)
		}
	}
}

// Flush writes the memtable to segments now.
func (t *Table) Flush() error { return t.flush() }

func (t *Table) flush() error {
	t.maintain.Lock()
	defer t.maintain.Unlock()
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
	t.mem = newMemtable(t.opts.Now())
	t.frozen.walFloor = t.wal.rotate()
	t.mu.Unlock()
	t.gate.Unlock()
	return t.flushFrozen()
}

// flushFrozen writes the frozen memtable and drops its WAL files.
func (t *Table) flushFrozen() error {
	start := time.Now()
	m := t.frozen
	metas, err := t.writeSegments(m.blocks, 0)
	if err != nil {
		return err
	}
	if err := t.commit(edit{Add: metas, WALFloor: m.walFloor}, func() { t.frozen = nil }); err != nil {
		t.discard(metas)
		return err
	}
	t.metrics.flushSeconds.Observe(time.Since(start).Seconds())
	return t.wal.removeBelow(m.walFloor)
}

// commit writes e to the manifest and then makes it visible, together with
// what extra does under the lock.
func (t *Table) commit(e edit, extra func()) error {
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
	if t.manifest == nil {
		return
	}
	for _, m := range metas {
		if err := t.fs.Remove(t.fs.PathJoin(t.opts.Dir, m.File)); err != nil {
			t.log.Warn("remove an unfinished segment", "file", m.File, "err", err)
		}
	}
}

// sortKey orders rows: by the first 16 bytes of SortBy, then by time.
type sortKey struct {
	hi, lo uint64
	ts     int64
	ref    rowRef
}

// writeSegments sorts the rows of blocks, splits them by partition and writes
// durable segment files that are not yet in the manifest.
func (t *Table) writeSegments(blocks []*block, level int) ([]segmentMeta, error) {
	byPartition := map[int64][]sortKey{}
	for i, b := range blocks {
		ts := b.cols[t.schema.Time].Ints
		by := b.cols[t.schema.SortBy]
		for r := range b.n {
			k := sortKey{ts: ts[r], ref: rowRef{uint32(i), uint32(r)}}
			if by != nil {
				k.hi, k.lo = prefix16(by.Str(r))
			}
			p := t.partition(ts[r])
			byPartition[p] = append(byPartition[p], k)
		}
	}
	var metas []segmentMeta
	for p, keys := range byPartition {
		slices.SortFunc(keys, func(a, b sortKey) int {
			if c := cmp.Compare(a.hi, b.hi); c != 0 {
				return c
			}
			if c := cmp.Compare(a.lo, b.lo); c != 0 {
				return c
			}
			if c := cmp.Compare(a.ts, b.ts); c != 0 {
				return c
			}
			if a.ref.block != b.ref.block {
				return cmp.Compare(a.ref.block, b.ref.block)
			}
			return cmp.Compare(a.ref.row, b.ref.row)
		})
		for from := 0; from < len(keys); from += maxSegmentRows {
			part := keys[from:min(from+maxSegmentRows, len(keys))]
			m, err := t.writeSegment(p, blocks, part, level)
			if err != nil {
				t.discard(metas)
				return nil, err
			}
			metas = append(metas, m)
		}
	}
	return metas, nil
}

func (t *Table) partition(ts int64) int64 {
	width := int64(t.opts.Partition)
	p := ts / width
	if ts < 0 && ts%width != 0 {
		p--
	}
	return p
}

func prefix16(s string) (hi, lo uint64) {
	var b [16]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

func (t *Table) writeSegment(partition int64, blocks []*block, keys []sortKey, level int) (segmentMeta, error) {
	refs := make([]rowRef, len(keys))
	minTs, maxTs := int64(math.MaxInt64), int64(math.MinInt64)
	for i, k := range keys {
		refs[i] = k.ref
		minTs, maxTs = min(minTs, k.ts), max(maxTs, k.ts)
	}
	data, attrs, err := encodeSegment(t.schema, blocks, refs)
	if err != nil {
		return segmentMeta{}, err
	}
	t.mu.Lock()
	id := t.state.nextID
	t.state.nextID++
	t.mu.Unlock()
	day := time.Unix(0, partition*int64(t.opts.Partition)).UTC().Format("2006-01-02T15")
	m := segmentMeta{
		ID: id, File: path.Join(segmentDir, day, fmt.Sprintf("%012d.parquet", id)),
		Rows: int64(len(keys)), Bytes: int64(len(data)), MinTs: minTs, MaxTs: maxTs,
		Memory: memoryOf(blocks, refs), Level: level, Attrs: attrs.columns, Rest: attrs.rest, FooterCRC: footerChecksum(data),
	}
	return m, t.writeFile(m.File, data)
}

// memoryOf estimates what the rows take decoded: their share of their blocks.
func memoryOf(blocks []*block, refs []rowRef) int64 {
	counts := make([]int, len(blocks))
	for _, r := range refs {
		counts[r.block]++
	}
	total := int64(0)
	for i, b := range blocks {
		if counts[i] > 0 {
			total += int64(b.bytes) * int64(counts[i]) / int64(b.n)
		}
	}
	return total
}

// writeFile writes a durable file under its name at once.
func (t *Table) writeFile(file string, data []byte) error {
	full := t.fs.PathJoin(t.opts.Dir, file)
	dir := t.fs.PathDir(full)
	if err := t.fs.MkdirAll(dir, 0o755); err != nil {
		return diskError("create a partition", err)
	}
	tmp := full + ".tmp"
	f, err := t.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return diskError("create a segment", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = t.fs.Rename(tmp, full)
	}
	if err == nil {
		err = syncDir(t.fs, dir)
	}
	if err == nil {
		err = syncDir(t.fs, t.fs.PathJoin(t.opts.Dir, segmentDir))
	}
	if err != nil {
		_ = t.fs.Remove(tmp)
		return diskError("write a segment", err)
	}
	return nil
}

// expire removes segments whose newest row is older than the retention.
func (t *Table) expire(now time.Time) error {
	limit := now.Add(-t.opts.Retention).UnixNano()
	t.maintain.Lock()
	defer t.maintain.Unlock()
	var old []uint64
	t.mu.RLock()
	for id, s := range t.segments {
		if s.MaxTs < limit {
			old = append(old, id)
		}
	}
	t.mu.RUnlock()
	if len(old) == 0 {
		return nil
	}
	return t.commit(edit{Remove: old}, nil)
}
