package columnar

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"hinomi/internal/store"
)

// Directories of a table.
const (
	walDir        = "wal"
	segmentDir    = "segments"
	quarantineDir = "quarantine"
)

// Damage is data that cannot be read any more.
type Damage struct {
	File         string // relative to the table's directory
	RowGroup     int    // -1: the whole file
	MinTs, MaxTs int64  // Unix ns, both inclusive; 0 when unknown
	Rows         int64  // rows missing; 0 when unknown
	Reason       string
	At           time.Time // when it was found
}

// Damages lists the damage found since the table was opened.
func (t *Table) Damages() []Damage {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return append([]Damage(nil), t.damage...)
}

func (t *Table) addDamage(d Damage) {
	d.At = t.opts.Now()
	t.mu.Lock()
	t.damage = append(t.damage, d)
	t.mu.Unlock()
	t.metrics.damaged.Inc()
	t.log.Error("damaged data is left out of answers", "file", d.File, "row_group", d.RowGroup, "rows", d.Rows, "reason", d.Reason)
}

// quarantine takes one row group (or with group -1 a whole segment) out of
// answers. The file stays where it is, as evidence and for a restore.
func (t *Table) quarantine(s *segment, group int, err error) {
	if s.base != nil {
		s = s.base
	}
	d := Damage{File: s.where(), RowGroup: group, MinTs: s.MinTs, MaxTs: s.MaxTs, Rows: s.Rows, Reason: err.Error()}
	if group >= 0 {
		g := &s.groups[group]
		if g.bad.Swap(true) {
			return
		}
		d.MinTs, d.MaxTs, d.Rows = g.minTs, g.maxTs, int64(g.rows)
	}
	t.addDamage(d)
}

func (t *Table) recover() error {
	for _, d := range []string{walDir, segmentDir, quarantineDir} {
		if err := t.fs.MkdirAll(t.fs.PathJoin(t.opts.Dir, d), 0o755); err != nil {
			return err
		}
	}
	// The directory's own entry must survive too, up to the data directory.
	for dir, n := t.opts.Dir, 0; n < 3; n++ {
		err := syncDir(t.fs, dir)
		if n > 0 && errors.Is(err, fs.ErrPermission) {
			break // A directory that we may not read was not made by us.
		}
		if err != nil {
			return err
		}
		parent := t.fs.PathDir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	st, err := readManifest(t.fs, t.opts.Dir)
	if err != nil {
		return err
	}
	if st.torn {
		t.log.Warn("the manifest ended in a torn line, as after a crash; it was ignored")
	}
	if st.missing {
		if err := t.rebuild(st); err != nil {
			return err
		}
	}
	t.findPlaces(st)
	for _, m := range st.segments {
		t.segments[m.ID] = t.newSegment(m)
	}
	if err := t.removeStrays(st); err != nil {
		return err
	}
	if err := t.openDeletions(st); err != nil {
		return err
	}
	if len(st.digestKey) != digestKeyBytes {
		st.digestKey = newDigestKey()
	}
	if err := t.receipts.setKey(st.digestKey); err != nil {
		return err
	}
	if err := t.replay(st); err != nil {
		return err
	}
	t.state = *st
	t.manifest, err = createManifest(t.fs, t.opts.Dir, st)
	if errors.Is(err, store.ErrNoSpace) && !st.missing {
		// What is stored can be read; the next commit tries again.
		t.log.Error("the disk is full: nothing new can be stored", "err", err)
		return nil
	}
	return err
}

func (t *Table) newSegment(m segmentMeta) *segment {
	s := &segment{segmentMeta: m, schema: t.schema, fs: t.fs, cache: t.cache, packer: t.packer,
		path:   t.fs.PathJoin(t.opts.Dir, m.File),
		damage: t.quarantine, files: t.opts.OpenFiles}
	t.setPlace(s)
	s.acquire()
	return s
}

// removeStrays deletes segment files that no manifest line names: a crash came
// between writing them and committing, so their rows are still elsewhere. Known
// files that are missing are reported.
func (t *Table) removeStrays(st *manifestState) error {
	known := map[string]bool{}
	for _, m := range st.segments {
		if m.Place == "" {
			known[m.File] = true
		}
	}
	root := t.fs.PathJoin(t.opts.Dir, segmentDir)
	partitions, err := t.fs.List(root)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		dir := t.fs.PathJoin(root, p)
		names, err := t.fs.List(dir)
		if err != nil {
			continue // Not a directory: nothing of ours.
		}
		for _, n := range names {
			file := path.Join(segmentDir, p, n)
			switch {
			case known[file]:
				delete(known, file)
			case strings.HasSuffix(n, ".parquet") || strings.HasSuffix(n, ".tmp"):
				if err := t.removeStray(st, t.fs.PathJoin(dir, n), n); err != nil {
					return err
				}
			}
		}
	}
	for file := range known {
		for _, s := range t.segments {
			if s.File == file {
				t.log.Error("segment file is missing", "file", file)
			}
		}
	}
	return nil
}

// removeStray deletes a file of no manifest line. When the manifest's last line
// is damaged rather than torn, the file may be what it named: it is kept apart.
func (t *Table) removeStray(st *manifestState, path, name string) error {
	if !st.damaged {
		return t.fs.Remove(path)
	}
	t.log.Error("the manifest's last line is damaged; a segment that it may have named is kept apart", "file", name, "in", quarantineDir)
	return t.fs.Rename(path, t.fs.PathJoin(t.opts.Dir, quarantineDir, name))
}

// replay puts the rows of the WAL into the memtable.
func (t *Table) replay(st *manifestState) error {
	dir := t.fs.PathJoin(t.opts.Dir, walDir)
	nums, err := walFiles(t.fs, dir)
	if err != nil {
		return err
	}
	next := max(st.walFloor, 1)
	for _, num := range nums {
		next = max(next, num+1)
		if num < st.walFloor {
			if err := t.fs.Remove(t.fs.PathJoin(dir, walName(num))); err != nil {
				return err
			}
			continue
		}
		file := t.fs.PathJoin(dir, walName(num))
		damage, err := readWAL(t.fs, file, func(payload []byte) error {
			return t.replayFrame(payload)
		})
		if err != nil {
			return err
		}
		if len(damage) > 0 {
			if err := t.keepDamagedWAL(file, num, damage); err != nil {
				return err
			}
		}
	}
	t.wal = openWAL(t.fs, dir, next, t.log)
	if t.mem.rows > 0 {
		t.log.Info("recovered rows from the WAL", "rows", t.mem.rows, "files", len(nums))
	}
	return nil
}

// replayFrame takes the rows and receipts of one frame.
func (t *Table) replayFrame(payload []byte) error {
	b, tail, err := parsePayload(t.schema, payload)
	if err == nil && b != nil {
		err = b.check()
	}
	if err != nil {
		return err
	}
	found, err := parseReceipts(tail)
	if err != nil {
		return err
	}
	again := false
	for _, x := range found {
		// A frame whose sync failed was not acknowledged and may be here all the
		// same, before the one that its sender got stored instead.
		if t.receipts.find(x.id, x.at) != nil {
			again = true
			continue
		}
		t.receipts.add(x)
	}
	if b != nil && !again {
		t.opts.Memory.Rows.Hold(int64(b.bytes()))
		t.mem.add(t.schema, b)
	}
	return nil
}

// keepDamagedWAL links the file into the quarantine before a flush removes it.
func (t *Table) keepDamagedWAL(file string, num uint64, damage []walDamage) error {
	keep := t.fs.PathJoin(t.opts.Dir, quarantineDir, walName(num))
	if _, err := t.fs.Stat(keep); isNotExist(err) {
		if err := t.fs.Link(file, keep); err != nil {
			return fmt.Errorf("keep the damaged WAL: %w", err)
		}
	}
	for _, d := range damage {
		t.addDamage(Damage{File: path.Join(walDir, walName(num)), RowGroup: -1,
			Reason: fmt.Sprintf("%d bytes at offset %d are no valid frame; a copy is in %s", d.length, d.offset, quarantineDir)})
	}
	return nil
}
