package columnar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/thanos-io/objstore"
)

// Archive gets a copy of every segment that is final, in folders that Athena,
// DuckDB and Spark take for partitions. What the retention removes from the table
// stays there; what is merged or rewritten replaces what was archived of it.
type Archive struct {
	Bucket objstore.Bucket // closed by its owner, after the table
	// Signal is the table's name in the archive: logs or traces. Empty: its own.
	Signal string
	// After is how long the day of a segment must be over: late rows come until then.
	After time.Duration
}

// archivePlace is the archive among the places of strays.
const archivePlace = "archive"

// archivedFile is the copy of a segment in the archive.
type archivedFile struct {
	ID   uint64 `json:"id"`
	File string `json:"file"`
}

func (s *manifestState) archive(f archivedFile) {
	if s.archived == nil {
		s.archived = map[uint64]string{}
	}
	s.archived[f.ID] = f.File
	delete(s.strays, placedFile{archivePlace, f.File})
}

// leaveArchive notes what the archive has of a segment that e removes. One that
// only moves stays.
func (s *manifestState) leaveArchive(id uint64, e edit) {
	file, ok := s.archived[id]
	if !ok || slices.ContainsFunc(e.Add, func(m segmentMeta) bool { return m.ID == id }) {
		return
	}
	delete(s.archived, id)
	if !e.Aged {
		s.stray(placedFile{archivePlace, file})
	}
}

func (t *Table) openArchive() error {
	a := t.opts.Archive
	if a == nil {
		return nil
	}
	if t.tiers.byName[archivePlace] != nil || a.Bucket == nil || a.After < 0 {
		return errors.New("the archive needs a bucket and a delay, and no tier may be called archive")
	}
	t.tiers.byName[archivePlace] = &place{name: archivePlace, storage: newBucketStorage(t.tiers.ctx, a.Bucket, "", nil, t.tiers.stats.unreachable), known: true}
	if after := a.After + t.opts.Partition; t.tiers.movable == 0 || after < t.tiers.movable {
		t.tiers.movable = after
	}
	t.tiers.ledger = &ledger{fs: t.fs, path: t.fs.PathJoin(t.opts.Dir, ledgerName)}
	return nil
}

// archiveName is the name of a segment in the archive. A segment lies within one
// day as partitions do. There is no level for the product: a segment may have
// several, and a folder product=… would hide the column of that name.
func (t *Table) archiveName(m *segmentMeta) string {
	signal := cmp.Or(t.opts.Archive.Signal, t.schema.Name)
	day := time.Unix(0, t.partition(m.MinTs)*int64(t.opts.Partition)).UTC()
	return path.Join("signal="+signal, day.Format("year=2006/month=01/day=02"), path.Base(placedName(m)))
}

// archiveAll copies the final segments that the archive lacks.
func (t *Table) archiveAll(ctx context.Context, now time.Time) error {
	if t.opts.Archive == nil {
		return nil
	}
	to := t.tiers.byName[archivePlace].storage
	for {
		s := t.pickArchive(now)
		if s == nil {
			return nil
		}
		err := t.archive(ctx, s, to)
		s.release()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("archive %s: %w", s.File, err)
		}
	}
}

// pickArchive returns the oldest segment, acquired, that is final and not archived.
func (t *Table) pickArchive(now time.Time) *segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var due []*segment
	for _, s := range t.segments {
		over := (t.partition(s.MaxTs) + 1) * int64(t.opts.Partition)
		if _, ok := t.state.archived[s.ID]; ok || s.Level == 0 || over > now.Add(-t.opts.Archive.After).UnixNano() || s.place != nil && !s.place.known {
			continue
		}
		if !s.unfit() {
			due = append(due, s)
		}
	}
	if len(due) == 0 {
		return nil
	}
	s := slices.MinFunc(due, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.MaxTs, b.MaxTs), cmp.Compare(a.ID, b.ID))
	})
	s.acquire()
	return s
}

func (t *Table) archive(ctx context.Context, s *segment, to storage) error {
	file := t.archiveName(&s.segmentMeta)
	if err := t.commit(edit{Strays: []placedFile{{archivePlace, file}}}, nil); err != nil {
		return err
	}
	sum, err := t.copySegment(ctx, s, to, file)
	if err != nil {
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
	// In this order: the ledger may name a file twice, but never misses one.
	if err := t.tiers.ledger.note(ledgerLine{Archived: file, Segment: s.ID, Rows: s.Rows, Bytes: s.Bytes, CRC: sum, MinTs: s.MinTs, MaxTs: s.MaxTs, At: t.opts.Now().UTC()}); err != nil {
		return err
	}
	if err := t.commit(edit{Archived: []archivedFile{{s.ID, file}}}, nil); err != nil {
		return err
	}
	t.tiers.stats.archived.Inc()
	return nil
}
