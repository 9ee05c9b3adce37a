package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
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

// adopt describes a segment by what is in its file.
func (t *Table) adopt(id uint64, file string) (segmentMeta, error) {
	m := segmentMeta{ID: id, File: file}
	f, err := t.fs.Open(t.fs.PathJoin(t.opts.Dir, file))
	if err != nil {
		return m, err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return m, err
	}
	if len(data) < 12 || int64(binary.LittleEndian.Uint32(data[len(data)-8:])) > int64(len(data)-8) {
		return m, fmt.Errorf("%w: file of %d bytes", errCorrupt, len(data))
	}
	m.Bytes, m.FooterCRC = int64(len(data)), footerChecksum(data)
	var bad error
	s := &segment{segmentMeta: m, schema: t.schema, fs: t.fs, cache: newCache(0), path: t.fs.PathJoin(t.opts.Dir, file),
		damage: func(_ *segment, _ int, err error) { bad = err }}
	s.acquire()
	defer s.release()
	s.counted = true
	if err := s.open(); err != nil {
		return m, errors.Join(err, bad)
	}
	keys := map[string]bool{}
	for g := range s.groups {
		b, err := s.readBlock(g)
		if err != nil {
			return m, err
		}
		m.Rows += int64(b.n)
		m.Memory += int64(b.bytes)
		if g == 0 || b.minTs < m.MinTs {
			m.MinTs = b.minTs
		}
		if g == 0 || b.maxTs > m.MaxTs {
			m.MaxTs = b.maxTs
		}
		if rest := b.cols[restColumn]; rest != nil {
			distinct(rest, b.n, func(object string) { noteKeys(object, keys) })
		}
	}
	for name := range s.columns {
		if strings.HasPrefix(name, attrPrefix) {
			m.Attrs = append(m.Attrs, name)
		}
	}
	slices.Sort(m.Attrs)
	for key := range keys {
		m.Rest = append(m.Rest, key)
	}
	slices.Sort(m.Rest)
	return m, nil
}
