package columnar

import (
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const manifestName = "MANIFEST"

// edit is one atomic change of the set of segments: a flush adds some and
// raises WALFloor, a compaction adds one and removes some, retention removes.
type edit struct {
	Add      []segmentMeta `json:"add,omitempty"`
	Remove   []uint64      `json:"remove,omitempty"`
	WALFloor uint64        `json:"wal_floor,omitempty"` // WAL files below are not needed
	// Strays are files in other places that no segment names (yet), Erased those
	// of them that were deleted.
	Strays []placedFile `json:"strays,omitempty"`
	Erased []placedFile `json:"erased,omitempty"`
	// Archived says which segments the archive has. When one is removed, its file
	// there becomes a stray, unless Aged: what is only too old for the table stays
	// in the archive.
	Archived []archivedFile `json:"archived,omitempty"`
	Aged     bool           `json:"aged,omitempty"`
	// Rewrites say what this edit removed for deletion requests, and Settled names
	// the requests whose rewrites are in a proof record and forgotten here.
	Rewrites []rewriteNote `json:"rewrites,omitempty"`
	Settled  []string      `json:"settled,omitempty"`
	// DigestKey is the secret of the digests in receipts. It is made once.
	DigestKey []byte `json:"digest_key,omitempty"`
}

// manifest is a log of edits, one line each: CRC-32C in hex, a space, JSON.
// A line is durable before the change is visible. Opening rewrites it whole.
type manifest struct {
	fs   vfs.FS
	dir  string
	file vfs.File
}

type manifestState struct {
	segments map[uint64]segmentMeta
	walFloor uint64
	nextID   uint64
	strays   map[placedFile]bool
	archived map[uint64]string        // by segment: its file in the archive
	rewrites map[string][]rewriteNote // by deletion request

	digestKey []byte
	// torn is when a last line was ignored that is not valid; damaged, when it
	// is complete, so that it may have been acted on.
	torn, damaged bool
	// missing is when there is no manifest at all.
	missing bool
}

func (s *manifestState) apply(e edit) {
	for _, id := range e.Remove {
		s.leavePlace(s.segments[id])
		s.leaveArchive(id, e)
		delete(s.segments, id)
	}
	for _, m := range e.Add {
		s.segments[m.ID] = m
		s.nextID = max(s.nextID, m.ID+1)
		delete(s.strays, m.placed())
	}
	for _, f := range e.Strays {
		s.stray(f)
	}
	for _, f := range e.Erased {
		delete(s.strays, f)
	}
	for _, f := range e.Archived {
		s.archive(f)
	}
	s.walFloor = max(s.walFloor, e.WALFloor)
	if len(e.DigestKey) > 0 {
		s.digestKey = e.DigestKey
	}
	for _, n := range e.Rewrites {
		if s.rewrites == nil {
			s.rewrites = map[string][]rewriteNote{}
		}
		s.rewrites[n.Request] = append(s.rewrites[n.Request], n)
	}
	for _, id := range e.Settled {
		delete(s.rewrites, id)
	}
}

func readManifest(fs vfs.FS, dir string) (*manifestState, error) {
	st := &manifestState{segments: map[uint64]segmentMeta{}, nextID: 1}
	f, err := fs.Open(fs.PathJoin(dir, manifestName))
	if isNotExist(err) {
		st.missing = true
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", manifestName, err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if line == "" {
			continue
		}
		e, err := parseEdit(line)
		if err != nil {
			// A torn last line was never acted on. Damage further up means that
			// the list of segments cannot be trusted.
			for _, later := range lines[i+1:] {
				if _, err := parseEdit(later); err == nil {
					return nil, fmt.Errorf("%s in %s is damaged at line %d: restore it from a backup, or move it away: without one, it is rebuilt from the segment files", manifestName, dir, i+1)
				}
			}
			st.torn, st.damaged = true, i+1 < len(lines)
			break
		}
		st.apply(e)
	}
	return st, nil
}

func parseEdit(line string) (edit, error) {
	var e edit
	err := parseLine(line, &e)
	return e, err
}

// createManifest writes the state as a fresh manifest and keeps it open.
func createManifest(fs vfs.FS, dir string, st *manifestState) (*manifest, error) {
	all := edit{WALFloor: st.walFloor, DigestKey: st.digestKey}
	for _, m := range st.segments {
		all.Add = append(all.Add, m)
	}
	for f := range st.strays {
		all.Strays = append(all.Strays, f)
	}
	for id, file := range st.archived {
		all.Archived = append(all.Archived, archivedFile{id, file})
	}
	for _, notes := range st.rewrites {
		all.Rewrites = append(all.Rewrites, notes...)
	}
	line, err := formatLine(all)
	if err != nil {
		return nil, err
	}
	tmp := fs.PathJoin(dir, manifestName+".tmp")
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, diskError("create the manifest", err)
	}
	if _, err = f.Write(line); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fs.Rename(tmp, fs.PathJoin(dir, manifestName))
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	if err != nil {
		_ = f.Close()
		return nil, diskError("write the manifest", err)
	}
	return &manifest{fs: fs, dir: dir, file: f}, nil
}

// commit makes e durable. After an error the manifest must be recreated with
// the state before e; the table does so before its next commit.
func (m *manifest) commit(e edit) error {
	line, err := formatLine(e)
	if err != nil {
		return err
	}
	if _, err := m.file.Write(line); err != nil {
		return diskError("write the manifest", err)
	}
	if err := m.file.Sync(); err != nil {
		return diskError("sync the manifest", err)
	}
	return nil
}

func (m *manifest) close() error {
	if m == nil || m.file == nil {
		return nil
	}
	err := m.file.Close()
	m.file = nil
	return err
}
