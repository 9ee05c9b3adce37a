package columnar

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
	"hinomi/internal/store/columnar/parquetio"
)

const (
	// rowGroupRows is the unit of dictionaries and indexes: large enough that
	// what repeats is stored once, small enough that one of its columns fits in
	// memory while it is written.
	rowGroupRows = 64 * granuleRows
	// rowGroupBytes is at how many bytes of different text a row group ends early.
	rowGroupBytes = 64 << 20
	// maxSegmentRows bounds a file, and with it what one merge rewrites.
	maxSegmentRows = 8 * rowGroupRows
	// columnShare is how frequent an attribute must be in a segment (one in
	// columnShare rows) to get its own column.
	columnShare = 200
	// maxSegmentColumns bounds the dynamic columns of a segment.
	maxSegmentColumns = 200

	formatVersion = "2"
	keyVersion    = "hinomi.version"
	keyTable      = "hinomi.table"
	keyIndexes    = "hinomi.indexes"
	keyRestKeys   = "hinomi.rest_keys"
	keyLists      = "hinomi.lists"
)

// segmentColumn is one column to be written.
type segmentColumn struct {
	name     string
	kind     store.Kind
	optional bool
	field    *Field // nil for dynamic columns
	derived  *Derivation
}

// segmentWriter writes the referenced rows of parts, in that order, as one file.
type segmentWriter struct {
	table   *Table
	parts   []part
	cols    []segmentColumn
	demoted []string // columns whose values go to the rest object
	dense   bool
	out     *parquetio.Writer
	rest    map[string]bool
	lists   map[string]bool // attributes with a text that may be that of an array
	indexes []groupIndexMeta
	mem     *parquetio.Memory     // of the parts; nil: they keep their own
	text    *store.Vec            // of the row group that nextGroup looked at
	sources map[string]*store.Vec // of derivations, in the present row group
}

// writeSegment writes a durable file that is not yet in the manifest.
func (t *Table) writeSegment(r *run, parts []part, level int, mem *parquetio.Memory) (segmentMeta, error) {
	t.mu.Lock()
	id := t.state.nextID
	t.state.nextID++
	t.mu.Unlock()
	day := time.Unix(0, r.partition*int64(t.opts.Partition)).UTC().Format("2006-01-02T15")
	m := segmentMeta{
		ID: id, File: path.Join(segmentDir, day, fmt.Sprintf("%012d.parquet", id)),
		Rows: int64(len(r.refs)), MinTs: r.minTs, MaxTs: r.maxTs, Level: level,
	}
	w := &segmentWriter{table: t, parts: parts, dense: level > 0, rest: map[string]bool{}, lists: map[string]bool{}, sources: map[string]*store.Vec{}, mem: mem}
	err := t.writeFile(m.File, func(f vfs.File) error {
		buf := bufio.NewWriterSize(f, 1<<20)
		if err := w.write(buf, r.refs, &m); err != nil {
			return err
		}
		return buf.Flush()
	})
	return m, err
}

func (w *segmentWriter) write(buf *bufio.Writer, refs []rowRef, m *segmentMeta) error {
	w.chooseColumns(refs)
	codec := parquetio.Fast
	if w.dense {
		codec = parquetio.Dense
	}
	schema := w.table.schema
	columns := make([]parquetio.Column, len(w.cols))
	for i, c := range w.cols {
		columns[i] = parquetio.Column{Name: c.name, Kind: c.kind, Optional: c.optional, Bounds: c.name == schema.SortBy}
		columns[i].Delta = c.field != nil && c.field.Delta
		if isAttr(c.name) {
			m.Attrs = append(m.Attrs, c.name)
		}
	}
	w.out = parquetio.NewWriter(buf, schema.Name, columns, codec, w.table.packer.zstd)
	for len(refs) > 0 {
		n, err := w.nextGroup(refs)
		if err == nil {
			err = w.rowGroup(refs[:n])
		}
		if err != nil {
			return fmt.Errorf("encode segment: %w", err)
		}
		refs = refs[n:]
	}
	m.Rest = sortedKeys(w.rest)
	index, err := json.Marshal(w.indexes)
	if err != nil {
		return err
	}
	rest, err := json.Marshal(m.Rest)
	if err != nil {
		return err
	}
	lists, err := json.Marshal(slices.Sorted(maps.Keys(w.lists)))
	if err != nil {
		return err
	}
	m.FooterCRC, err = w.out.Close(map[string]string{
		keyVersion: formatVersion, keyTable: schema.Name, keyIndexes: string(index), keyRestKeys: string(rest), keyLists: string(lists),
	})
	m.Bytes = w.out.Written()
	return err
}

// chooseColumns decides which attributes get columns.
func (w *segmentWriter) chooseColumns(refs []rowRef) {
	used := make([]bool, len(w.parts))
	for _, r := range refs {
		used[r.part] = true
	}
	var parts []part
	for i, p := range w.parts {
		if used[i] {
			parts = append(parts, p)
		}
	}
	schema := w.table.schema
	counts, kinds := map[string]int{}, map[string]store.Kind{}
	// DuckDB's column names ignore case: of two that differ only in case, the
	// rarer one goes to the rest.
	folded := map[string]bool{}
	rows := 0
	for _, p := range parts {
		rows += p.rowCount()
	}
	for _, c := range columnsOf(schema, parts) {
		if i := schema.Index(c.name); i >= 0 {
			w.cols = append(w.cols, segmentColumn{name: c.name, kind: c.kind, field: &schema.Fields[i]})
			folded[strings.ToLower(c.name)] = true
		} else if isAttr(c.name) {
			counts[c.name], kinds[c.name] = c.present, c.kind
		}
	}
	if w.dense {
		for _, name := range slices.Sorted(maps.Keys(schema.Derived)) {
			if d := schema.Derived[name]; d.Stored {
				w.cols = append(w.cols, segmentColumn{name: name, kind: store.KindString, derived: &d})
				folded[strings.ToLower(name)] = true
			}
		}
	}
	for i, name := range sortedByCount(counts) {
		fold := strings.ToLower(name)
		if i >= maxSegmentColumns || counts[name]*columnShare < rows || folded[fold] {
			w.demoted = append(w.demoted, name)
			continue
		}
		folded[fold] = true
		w.cols = append(w.cols, segmentColumn{name: name, kind: kinds[name], optional: true})
	}
	w.cols = append(w.cols, segmentColumn{name: restColumn, kind: store.KindString, optional: true})
}

func (w *segmentWriter) rowGroup(refs []rowRef) error {
	var words *wordIndexBuilder
	var values *filterBuilder
	if w.dense {
		words, values = newWordIndexBuilder(len(refs)), newFilterBuilder(len(refs))
	}
	for i := range w.cols {
		c := &w.cols[i]
		v, err := w.column(c, refs)
		if err != nil {
			return err
		}
		switch {
		case !w.dense:
		case c.field != nil && c.field.Words:
			words.add(c.name, v, len(refs))
		case c.field != nil && c.field.Exact, isAttr(c.name) && c.kind == store.KindString && v.Codes == nil:
			// Of attributes those with so many values that a dictionary does not
			// pay, and does not tell.
			values.values(c.name, v, len(refs))
		}
		w.noteLists(c, v)
		if err := w.out.Column(v, len(refs)); err != nil {
			return err
		}
		w.takeBack()
		w.forgetSources(w.cols[i+1:])
	}
	var meta groupIndexMeta
	if w.dense {
		data, bucketBits := words.encode()
		offset, err := w.out.Blob(data)
		if err != nil {
			return err
		}
		meta.Words = wordIndexMeta{offset, int64(len(data)), bucketBits, words.columns}
		data, stripes := values.encode()
		if offset, err = w.out.Blob(data); err != nil {
			return err
		}
		meta.Values = filterMeta{offset, stripes, values.columns}
	}
	w.indexes = append(w.indexes, meta)
	return nil
}

// own returns a text vector that lives as long as the row group.
func (w *segmentWriter) own(v *store.Vec, c *segmentColumn) *store.Vec {
	if w.mem == nil || c.field != nil && c.field.Words {
		return v
	}
	out := *v
	out.Strs = compact(v.Strs, textBytes(v))
	out.Dict = compact(v.Dict, textBytes(&store.Vec{Strs: v.Dict}))
	return &out
}

// takeBack ends the use of what the parts read.
func (w *segmentWriter) takeBack() {
	if w.mem != nil {
		w.mem.Reset()
	}
}

// forgetSources lets go of texts from which none of the columns to come is derived.
func (w *segmentWriter) forgetSources(coming []segmentColumn) {
	for name := range w.sources {
		if !slices.ContainsFunc(coming, func(c segmentColumn) bool { return c.derived != nil && c.derived.From == name }) {
			delete(w.sources, name)
		}
	}
}

// column gathers one column of a row group.
func (w *segmentWriter) column(c *segmentColumn, refs []rowRef) (*store.Vec, error) {
	if c.derived != nil {
		return deriveText(*c.derived, w.sources[c.derived.From], nil), nil
	}
	v := w.text
	if c.field == nil || !c.field.Words || v == nil {
		var err error
		if v, err = gatherColumn(w.table.schema, w.parts, refs, c.name, c.kind, w.dense); err != nil {
			return nil, err
		}
	}
	if c.field != nil && c.field.Words {
		w.text = nil
	}
	for _, d := range w.table.schema.Derived {
		if d.Stored && d.From == c.name {
			w.sources[c.name] = w.own(v, c)
		}
	}
	if c.name == restColumn {
		return w.restVec(v, refs)
	}
	return v, nil
}

func textBytes(v *store.Vec) (n int64) {
	for _, s := range v.Strs {
		n += int64(len(s)) + 8
	}
	return n
}

// nextGroup returns how many of the rows the next row group takes. Long texts
// are read for that, and kept for column.
func (w *segmentWriter) nextGroup(refs []rowRef) (int, error) {
	n := min(len(refs), rowGroupRows)
	field := slices.IndexFunc(w.table.schema.Fields, func(f Field) bool { return f.Words })
	if field < 0 {
		return n, nil
	}
	f := &w.table.schema.Fields[field]
	texts := textCollector{dense: w.dense}
	for at := 0; at < n; at += parquetio.WindowRows {
		v, err := gatherColumn(w.table.schema, w.parts, refs[at:min(at+parquetio.WindowRows, n)], f.Name, f.Kind, false)
		if err != nil {
			return 0, err
		}
		texts.add(v.Strs)
		w.takeBack()
		if texts.bytes > w.table.opts.Memory.MergeBytes {
			n = min(n, at+parquetio.WindowRows)
		}
	}
	if w.mem != nil {
		// Nothing that follows needs as much at once as the texts.
		w.mem.Release()
	}
	w.text = texts.vec(f.Kind)
	return n, nil
}

// maxRestKeys bounds the keys listed in the manifest: a sender that puts ids
// into keys must not blow it up. Keys beyond are stored and found, not listed.
const maxRestKeys = 16_384

// restVec adds the demoted attributes to the rest objects of their rows; an
// empty object becomes null. It notes the keys it meets.
func (w *segmentWriter) restVec(rest *store.Vec, refs []rowRef) (*store.Vec, error) {
	demoted := make([]*store.Vec, len(w.demoted))
	for i, name := range w.demoted {
		_, kind, _ := parseAttrColumn(name)
		v, err := gatherColumn(w.table.schema, w.parts, refs, name, kind, false)
		if err != nil {
			return nil, err
		}
		demoted[i] = v
	}
	out := &store.Vec{Kind: store.KindString, Strs: make([]string, len(refs)), Valid: make([]bool, len(refs))}
	var buf []byte
	for i := range refs {
		buf = append(buf[:0], strings.TrimSuffix(rest.Str(i), "}")...)
		for j, name := range w.demoted {
			if demoted[j].Null(i) {
				continue
			}
			key, _, _ := parseAttrColumn(name)
			buf = appendMember(buf, key, demoted[j].Value(i))
		}
		if len(buf) > 0 {
			out.Strs[i], out.Valid[i] = string(append(buf, '}')), true
			noteKeys(out.Strs[i], w.rest, w.lists)
		}
	}
	return out, nil
}

// noteKeys adds the keys of an object to keys, and to lists, unless nil, those
// whose text may be that of an array.
func noteKeys(object string, keys, lists map[string]bool) {
	if len(keys) >= maxRestKeys && lists == nil {
		return
	}
	_ = attrs.Each(object, func(k string, v store.Value) bool {
		if !keys[k] && len(keys) < maxRestKeys {
			keys[strings.Clone(k)] = true
		}
		if lists != nil && beginsList(v.Str) && keys[k] && !lists[k] {
			lists[strings.Clone(k)] = true
		}
		return true
	})
}

// noteLists adds an attribute with a text that may be that of an array to lists.
func (w *segmentWriter) noteLists(c *segmentColumn, v *store.Vec) {
	if !isAttr(c.name) || c.kind != store.KindString {
		return
	}
	key, _, ok := parseAttrColumn(c.name)
	if ok && !w.lists[key] && (slices.ContainsFunc(v.Dict, beginsList) || slices.ContainsFunc(v.Strs, beginsList)) {
		w.lists[strings.Clone(key)] = true
	}
}

// writeFile writes a durable file under its name at once.
func (t *Table) writeFile(file string, write func(vfs.File) error) error {
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
	err = write(f)
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
