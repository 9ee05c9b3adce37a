package columnar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// maxPendingDeletions bounds the requests that every scan has to apply.
const maxPendingDeletions = 500

// DeleteRequest asks to delete the rows in [From, To) ns that satisfy Where.
type DeleteRequest struct {
	Where    store.Pred // nil: all
	From, To int64
	Query    string // Where as the requester wrote it
	Who, Why string // for the proof record
}

// Deletion is a request and how far it is.
type Deletion struct {
	ID        string
	From, To  int64 // ns
	Query     string
	Who, Why  string
	Requested time.Time
	Cancelled bool
	Proof     *Proof // nil until every row is removed
}

// deletion is a request that the table knows. What it was made of does not
// change; Table.mu guards the rest.
type deletion struct {
	requestRecord
	pred      store.Pred
	cancelled bool
	proof     *Proof
	// Guarded by Table.leaving: swept is when every segment was rewritten, strays
	// are the files in other places that were to be erased then.
	swept  bool
	strays map[placedFile]bool
}

func (d *deletion) overlaps(minTs, maxTs int64) bool { return maxTs >= d.From && minTs < d.To }

// where selects the rows to delete.
func (d *deletion) where(s *Schema) store.Pred {
	ts := store.Col(s.Time)
	return store.And{
		store.Cmp{Col: ts, Op: store.Ge, Val: store.Int(d.From)}, store.Cmp{Col: ts, Op: store.Lt, Val: store.Int(d.To)}, d.pred,
	}
}

// active returns the deletions whose rows may still be stored.
func (l *lifecycle) active() []*deletion {
	var out []*deletion
	for _, d := range l.deletions {
		if !d.cancelled && (d.proof == nil || l.unverified(d.proof)) {
			out = append(out, d)
		}
	}
	return out
}

// unverified tells whether a damaged segment that a proof names is still there:
// what can be read of it stays hidden.
func (l *lifecycle) unverified(p *Proof) bool {
	for _, n := range p.NotVerified {
		if l.present != nil && l.present(n.File) {
			return true
		}
	}
	return false
}

// undeleted adds to a predicate that the row is not being deleted.
func (t *Table) undeleted(where store.Pred, from, to int64) store.Pred {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var gone store.Or
	for _, d := range t.life.active() {
		if d.overlaps(from, to-1) {
			gone = append(gone, d.where(t.schema))
		}
	}
	switch {
	case len(gone) == 0:
		return where
	case where == nil:
		return store.Not{P: gone}
	}
	return store.And{where, store.Not{P: gone}}
}

// Delete hides the rows that req selects within the scope from every scan and
// lets maintenance remove them for good. It returns when the request is durable.
// Rows that match and arrive before the request is done leave with it.
func (t *Table) Delete(_ context.Context, scope model.Scope, req DeleteRequest) (string, error) {
	switch {
	case scope.Empty():
		return "", fmt.Errorf("a deletion request without any product in its scope: %w", store.ErrNotFound)
	case req.From >= req.To:
		return "", errors.New("a deletion request for an empty time range: from must be before to")
	case req.Who == "":
		return "", errors.New("a deletion request that does not say who asks: the proof record needs it")
	}
	where, err := marshalPred(scoped(scope, req.Where))
	if err != nil {
		return "", err
	}
	d := &deletion{requestRecord: requestRecord{
		Where: where, From: req.From, To: req.To, Query: req.Query, Who: req.Who, Why: req.Why, Requested: t.opts.Now().UTC(),
	}}
	if d.pred, err = unmarshalPred(where); err != nil {
		return "", err
	}
	if !scope.All() {
		d.Products = scope.Products()
	}
	t.deleting.Lock()
	defer t.deleting.Unlock()
	t.mu.RLock()
	pending, closed := 0, t.closed
	number := d.Requested.UnixNano()
	for _, other := range t.life.deletions {
		if !other.cancelled && other.proof == nil {
			pending++
		}
		// Two of one moment, or a clock that went back, must not share an id.
		var n int64
		if _, err := fmt.Sscanf(other.ID, "%x", &n); err == nil {
			number = max(number, n+1)
		}
	}
	t.mu.RUnlock()
	if closed {
		return "", store.ErrClosed
	}
	if pending >= maxPendingDeletions {
		return "", fmt.Errorf("%d deletion requests are waiting: %w", pending, store.ErrOverloaded)
	}
	d.ID = fmt.Sprintf("%016x", number)
	if err := t.deletions.append(deletionRecord{Request: &d.requestRecord}); err != nil {
		return "", err
	}
	t.mu.Lock()
	t.life.deletions = append(t.life.deletions, d)
	t.mu.Unlock()
	t.log.Info("rows are being deleted by request", "id", d.ID, "query", d.Query, "who", d.Who, "why", d.Why)
	poke(t.wakeCompaction)
	return d.ID, nil
}

// Deletions lists the requests of a scope, oldest first, with their proofs.
func (t *Table) Deletions(scope model.Scope) []Deletion {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Deletion
	for _, d := range t.life.deletions {
		if d.visible(scope) {
			out = append(out, Deletion{
				ID: d.ID, From: d.From, To: d.To, Query: d.Query, Who: d.Who, Why: d.Why, Requested: d.Requested, Cancelled: d.cancelled, Proof: d.proof,
			})
		}
	}
	return out
}

// visible tells whether the request reaches nothing outside of a scope.
func (d *deletion) visible(scope model.Scope) bool {
	if scope.All() {
		return true
	}
	for _, p := range d.Products {
		if !slices.Contains(scope.Products(), p) {
			return false
		}
	}
	return len(d.Products) > 0
}

// CancelDeletion ends a request: rows that were not removed are visible again.
// When rows were removed it needs force. store.ErrNotFound when there is no such
// request, or it is done.
func (t *Table) CancelDeletion(_ context.Context, scope model.Scope, id string, force bool) error {
	t.deleting.Lock()
	defer t.deleting.Unlock()
	t.mu.RLock()
	i := slices.IndexFunc(t.life.deletions, func(d *deletion) bool {
		return d.ID == id && !d.cancelled && d.proof == nil && d.visible(scope)
	})
	begun := len(t.state.rewrites[id]) > 0
	t.mu.RUnlock()
	switch {
	case i < 0:
		return fmt.Errorf("deletion request %s: %w", id, store.ErrNotFound)
	case begun && !force:
		return fmt.Errorf("deletion request %s has removed rows already: use force to keep the others", id)
	}
	if err := t.deletions.append(deletionRecord{Cancel: &cancelRecord{id, t.opts.Now().UTC()}}); err != nil {
		return err
	}
	t.mu.Lock()
	t.life.deletions[i].cancelled = true
	t.mu.Unlock()
	return nil
}

// openDeletions reads the requests of a table that is opened.
func (t *Table) openDeletions(st *manifestState) error {
	t.life.present = func(file string) bool {
		for _, s := range t.segments {
			if s.File == file {
				return true
			}
		}
		return false
	}
	records, damaged, err := readDeletions(t.fs, t.opts.Dir)
	if err != nil {
		return err
	}
	if damaged > 0 {
		keep := t.fs.PathJoin(t.opts.Dir, quarantineDir, deletionsName)
		if _, err := t.fs.Stat(keep); isNotExist(err) {
			if err := t.fs.Link(t.fs.PathJoin(t.opts.Dir, deletionsName), keep); err != nil {
				return fmt.Errorf("keep the damaged %s: %w", deletionsName, err)
			}
		}
		t.addDamage(Damage{File: deletionsName, RowGroup: -1,
			Reason: fmt.Sprintf("%d deletion requests or proofs are damaged and not in force: make the requests again; a copy is in %s", damaged, quarantineDir)})
	}
	for i := range records {
		t.applyRecord(&records[i])
	}
	for _, d := range t.life.deletions {
		if d.proof == nil {
			continue
		}
		delete(st.rewrites, d.ID)
		if st.missing && len(st.segments) > 0 {
			// Files that were about to be removed may have been taken back.
			t.log.Warn("a deletion request is carried out again, because the manifest was rebuilt", "id", d.ID)
			d.proof = nil
		}
	}
	t.deletions = &deletionLog{fs: t.fs, dir: t.opts.Dir, records: records}
	if len(records) == 0 {
		return nil
	}
	if err := t.deletions.rewrite(records); err != nil && !errors.Is(err, store.ErrNoSpace) {
		return err
	}
	return nil
}

// applyRecord follows one record while the table is opened.
func (t *Table) applyRecord(r *deletionRecord) {
	find := func(id string) *deletion {
		i := slices.IndexFunc(t.life.deletions, func(d *deletion) bool { return d.ID == id })
		if i < 0 {
			return &deletion{} // Of a request whose line is damaged.
		}
		return t.life.deletions[i]
	}
	switch {
	case r.Request != nil:
		pred, err := unmarshalPred(r.Request.Where)
		if err != nil {
			t.addDamage(Damage{File: deletionsName, RowGroup: -1, Reason: fmt.Sprintf("deletion request %s is not in force: %v", r.Request.ID, err)})
			return
		}
		t.life.deletions = append(t.life.deletions, &deletion{requestRecord: *r.Request, pred: pred})
	case r.Cancel != nil:
		find(r.Cancel.ID).cancelled = true
	case r.Proof != nil:
		find(r.Proof.Request).proof = r.Proof
	}
}
