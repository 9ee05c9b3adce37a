package columnar

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// rebuild fills st from the segment files of a table without a manifest, which
// somebody lost or moved away because it was damaged. A file that cannot be read
// is moved to the quarantine. If the process died while it had files that were
// about to be removed, their rows come back.
func (t *Table) rebuild(st *manifestState) error {
	root := t.fs.PathJoin(t.opts.Dir, segmentDir)
	partitions, err := t.fs.List(root)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		names, err := t.fs.List(t.fs.PathJoin(root, p))
		if err != nil {
			continue // Not a directory: nothing of ours.
		}
		for _, name := range names {
			number, ok := strings.CutSuffix(name, ".parquet")
			id, err := strconv.ParseUint(number, 10, 64)
			if !ok || err != nil {
				continue
			}
			m, err := t.adopt(id, path.Join(segmentDir, p, name))
			if err != nil {
				t.addDamage(Damage{File: path.Join(quarantineDir, name), RowGroup: -1, Reason: err.Error()})
				if err := t.fs.Rename(t.fs.PathJoin(root, p, name), t.fs.PathJoin(t.opts.Dir, quarantineDir, name)); err != nil {
					return fmt.Errorf("quarantine a segment: %w", err)
				}
				continue
			}
			st.apply(edit{Add: []segmentMeta{m}})
		}
	}
	if len(st.segments) > 0 {
		t.log.Warn("there was no manifest; it is rebuilt from the segment files", "segments", len(st.segments))
	}
	return nil
}

// adopt describes a segment by what is in its file, all of which is verified.
func (t *Table) adopt(id uint64, file string) (segmentMeta, error) {
	m := segmentMeta{ID: id, File: file}
	full := t.fs.PathJoin(t.opts.Dir, file)
	st, err := t.fs.Stat(full)
	if err != nil {
		return m, err
	}
	m.Bytes = st.Size()
	var bad error
	s := &segment{segmentMeta: m, schema: t.schema, fs: t.fs, cache: newCache(0, t.opts.Memory.Cache), packer: t.packer, path: full, adopting: true,
		damage: func(_ *segment, _ int, err error) { bad = err }, files: t.opts.OpenFiles}
	s.acquire()
	defer s.release()
	if err := s.open(); err != nil {
		return m, errors.Join(err, bad)
	}
	defer s.unpin()
	m.FooterCRC = s.file.FooterCRC
	if err := json.Unmarshal([]byte(s.file.Metadata[keyRestKeys]), &m.Rest); err != nil {
		return m, fmt.Errorf("%w: %s: %w", errCorrupt, keyRestKeys, err)
	}
	for g := range s.groups {
		if err := s.verifyGroup(g); err != nil {
			return m, err
		}
		info := &s.groups[g]
		m.Rows += int64(info.rows)
		if g == 0 || info.minTs < m.MinTs {
			m.MinTs = info.minTs
		}
		if g == 0 || info.maxTs > m.MaxTs {
			m.MaxTs = info.maxTs
		}
		if info.values.meta.Stripes > 0 {
			m.Level = 1
		}
	}
	for _, c := range s.file.Columns {
		if isAttr(c.Name) {
			m.Attrs = append(m.Attrs, c.Name)
		}
	}
	return m, nil
}
