package columnar

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Proof says how a deletion request was carried out.
type Proof struct {
	Request   string          `json:"request"` // id
	Where     json.RawMessage `json:"where"`   // the predicate as it was evaluated
	From      int64           `json:"from"`    // ns, inclusive
	To        int64           `json:"to"`      // ns, exclusive
	Query     string          `json:"query"`
	Who       string          `json:"who"`
	Why       string          `json:"why"`
	Requested time.Time       `json:"requested"`
	Completed time.Time       `json:"completed"`
	Rows      int64           `json:"rows"` // removed
	Rewrites  []rewriteNote   `json:"rewrites"`
	// NotVerified are files that could not be read, and so may hold such rows.
	NotVerified []NotVerified `json:"not_verified,omitempty"`
}

// NotVerified is a damaged file within reach of a deletion request.
type NotVerified struct {
	File   string `json:"file"` // relative to the table's directory
	Reason string `json:"reason"`
}

// FileHash identifies a segment file.
type FileHash struct {
	File   string `json:"file"`            // relative to its place
	Place  string `json:"place,omitempty"` // the tier that had it; none: the table's directory
	SHA256 string `json:"sha256"`
	Rows   int64  `json:"rows"`
}

// rewriteNote is what one rewrite or merge did for one request.
type rewriteNote struct {
	Request string     `json:"request"`
	Rows    int64      `json:"rows"`   // removed
	Before  []FileHash `json:"before"` // the segments that held them, removed
	After   []FileHash `json:"after"`  // what took their place
}

// rewriteNotes describes what w removes for deletion requests.
func (t *Table) rewriteNotes(w *rewriting, metas []segmentMeta) ([]rewriteNote, error) {
	known := map[placedFile]FileHash{}
	hash := func(s *segment) (FileHash, error) {
		if h, ok := known[s.placed()]; ok {
			return h, nil
		}
		sum, err := t.hashSegment(s)
		known[s.placed()] = FileHash{File: s.File, Place: s.Place, SHA256: sum, Rows: s.Rows}
		return known[s.placed()], err
	}
	var notes []rewriteNote
	for _, id := range slices.Sorted(maps.Keys(w.requests)) {
		n := rewriteNote{Request: id, After: []FileHash{}}
		for s, rows := range w.requests[id] {
			h, err := hash(s)
			if err != nil {
				return nil, err
			}
			n.Rows += rows
			n.Before = append(n.Before, h)
		}
		slices.SortFunc(n.Before, func(a, b FileHash) int { return strings.Compare(a.File, b.File) })
		for i := range metas {
			h, err := hash(&segment{segmentMeta: metas[i], fs: t.fs, path: t.fs.PathJoin(t.opts.Dir, metas[i].File)})
			if err != nil {
				return nil, err
			}
			n.After = append(n.After, h)
		}
		notes = append(notes, n)
	}
	return notes, nil
}

// hashSegment is the SHA-256 of a segment's file, wherever it is.
func (t *Table) hashSegment(s *segment) (string, error) {
	f, err := t.segmentFile(t.tiers.ctx, &s.segmentMeta)
	if err != nil {
		return "", fmt.Errorf("hash a segment: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash a segment: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// applyDeletions carries out the requests that are not done.
func (t *Table) applyDeletions(now time.Time) error {
	seen := map[*deletion]bool{}
	var errs []error
	for {
		t.mu.RLock()
		var next *deletion
		for _, d := range t.life.deletions {
			if !d.cancelled && d.proof == nil && !seen[d] {
				next = d
				break
			}
		}
		t.mu.RUnlock()
		if next == nil {
			return errors.Join(errs...)
		}
		seen[next] = true
		if err := t.applyDeletion(next, now); err != nil {
			if t.stopped() != nil {
				return err
			}
			// A tier that cannot be reached does not hold up the others.
			errs = append(errs, fmt.Errorf("deletion request %s: %w", next.ID, err))
		}
	}
}

func (t *Table) applyDeletion(d *deletion, now time.Time) error {
	if !d.swept {
		// What is in memory and in the WAL becomes segments, and these are rewritten.
		if err := t.flush(); err != nil {
			return err
		}
		// A merge that began before the request ends before the segments are listed.
		t.compacting.Lock()
		ids := t.reached(d)
		t.compacting.Unlock()
		for _, id := range ids {
			if err := t.stopped(); err != nil {
				return err
			}
			if _, err := t.rewriteOne(id, now); err != nil {
				return err
			}
			t.mu.RLock()
			cancelled := d.cancelled
			t.mu.RUnlock()
			if cancelled {
				return nil
			}
		}
		t.mu.Lock()
		d.swept, d.strays = true, maps.Clone(t.state.strays)
		t.mu.Unlock()
		// Tiers and the archive erase what the rewrites replaced.
		poke(t.tiers.wake)
	}
	gone, err := t.filesGone(d)
	if err != nil || !gone {
		return err
	}
	return t.prove(d)
}

// reached lists the segments that may hold rows of a request, oldest first.
func (t *Table) reached(d *deletion) []uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var ids []uint64
	for id, s := range t.segments {
		if d.overlaps(s.MinTs, s.MaxTs) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// filesGone makes sure that the files that held deleted rows do not exist any
// more, not even after a crash. It is false while a scan still reads one.
func (t *Table) filesGone(d *deletion) (bool, error) {
	t.mu.RLock()
	floor := t.state.walFloor
	notes := t.state.rewrites[d.ID]
	live := map[string]bool{}
	for _, s := range t.segments {
		live[s.File] = true
	}
	for f := range d.strays {
		if p := t.tiers.byName[f.Place]; t.state.strays[f] && p != nil && p.known {
			t.mu.RUnlock()
			return false, nil // A tier or the archive still has it.
		}
	}
	t.mu.RUnlock()
	// A flush that could not remove its WAL files tries again here.
	if err := t.wal.removeBelow(floor); err != nil {
		return false, err
	}
	dirs := map[string]bool{walDir: true}
	for _, n := range notes {
		for _, b := range n.Before {
			if b.Place != "" || live[b.File] {
				continue // A later segment that got the number of one that is gone.
			}
			full := t.fs.PathJoin(t.opts.Dir, b.File)
			if _, err := t.fs.Stat(full); err == nil {
				return false, nil
			} else if !isNotExist(err) {
				return false, err
			}
			dirs[path.Dir(b.File)] = true
		}
	}
	for dir := range dirs {
		if err := syncDir(t.fs, t.fs.PathJoin(t.opts.Dir, dir)); err != nil && !isNotExist(err) {
			return false, err
		}
	}
	return true, nil
}

// prove writes the proof record of a request, which is done then.
func (t *Table) prove(d *deletion) error {
	p := &Proof{
		Request: d.ID, Where: d.Where, From: d.From, To: d.To, Query: d.Query, Who: d.Who, Why: d.Why,
		Requested: d.Requested, Completed: t.opts.Now().UTC(), Rewrites: []rewriteNote{},
	}
	var err error
	if p.NotVerified, err = t.notVerified(d); err != nil {
		return err
	}
	t.deleting.Lock()
	defer t.deleting.Unlock()
	t.mu.RLock()
	p.Rewrites = append(p.Rewrites, t.state.rewrites[d.ID]...)
	cancelled := d.cancelled
	t.mu.RUnlock()
	if cancelled {
		return nil
	}
	for _, n := range p.Rewrites {
		p.Rows += n.Rows
	}
	if err := t.deletions.append(deletionRecord{Proof: p}); err != nil {
		return err
	}
	t.mu.Lock()
	d.proof = p
	t.mu.Unlock()
	t.log.Info("rows were deleted by request", "id", d.ID, "rows", p.Rows, "rewrites", len(p.Rewrites), "not_verified", len(p.NotVerified))
	if len(p.Rewrites) == 0 {
		return nil
	}
	return t.commit(edit{Settled: []string{d.ID}}, nil)
}

// notVerified lists the damaged segments in reach of a request and whatever is
// in the quarantine, of which nobody knows what it holds.
func (t *Table) notVerified(d *deletion) ([]NotVerified, error) {
	var out []NotVerified
	t.mu.RLock()
	var reached []*segment
	for _, s := range t.segments {
		if d.overlaps(s.MinTs, s.MaxTs) {
			reached = append(reached, s)
		}
	}
	t.mu.RUnlock()
	for _, s := range reached {
		if s.damaged() {
			out = append(out, NotVerified{s.File, "the segment is damaged and was left as it is; rows that can be read of it stay hidden"})
		}
	}
	t.mu.RLock()
	for f := range d.strays {
		if t.state.strays[f] {
			out = append(out, NotVerified{f.Place + ": " + f.File, "a file that was replaced is in a tier that is not configured; it is erased when the tier is back"})
		}
	}
	t.mu.RUnlock()
	slices.SortFunc(out, func(a, b NotVerified) int { return strings.Compare(a.File, b.File) })
	names, err := t.fs.List(t.fs.PathJoin(t.opts.Dir, quarantineDir))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, n := range names {
		if n != deletionsName {
			out = append(out, NotVerified{path.Join(quarantineDir, n), "a copy of damaged data that was set apart; delete it when it is not needed"})
		}
	}
	return out, nil
}
