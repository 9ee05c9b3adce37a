package columnar

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

const (
	// rowGroupRows is the unit of scanning and pruning: large enough that the
	// cost per column chunk vanishes, small enough that a scan parallelises and
	// a decoded column stays in cache.
	rowGroupRows = 64 << 10
	// pageBytes is the uncompressed size of a page; a sparse read decodes whole
	// pages.
	pageBytes = 128 << 10
	// columnShare is how frequent an attribute must be in a segment (one in
	// columnShare rows) to get its own column.
	columnShare = 200
	// maxSegmentColumns bounds the dynamic columns of a segment.
	maxSegmentColumns = 200

	formatVersion = "1"
	keyVersion    = "hinomi.version"
	keyTable      = "hinomi.table"
	keyChunkCRC   = "hinomi.chunk_crc32c"
)

// segmentColumn is one column to be written.
type segmentColumn struct {
	name     string
	kind     store.Kind
	optional bool
	field    *Field // nil for dynamic columns
}

// encodeSegment writes the referenced rows, in that order, as one Parquet file.
func encodeSegment(s *Schema, parts []*block, refs []rowRef) (file []byte, found segmentAttrs, err error) {
	cols, demoted := segmentColumns(s, parts, refs)
	group := parquet.Group{}
	var blooms []parquet.BloomFilterColumn
	for i := range cols {
		if strings.HasPrefix(cols[i].name, attrPrefix) {
			found.columns = append(found.columns, cols[i].name)
		}
		group[cols[i].name] = parquetNode(&cols[i])
		if f := cols[i].field; f != nil && f.Bloom {
			blooms = append(blooms, parquet.SplitBlockFilter(10, f.Name))
		}
	}
	schema := parquet.NewSchema(s.Name, group)
	var buf bytes.Buffer
	w := parquet.NewWriter(&buf, schema,
		parquet.PageBufferSize(pageBytes),
		parquet.CreatedBy("hinomi", "1", formatVersion),
		parquet.KeyValueMetadata(keyVersion, formatVersion),
		parquet.KeyValueMetadata(keyTable, s.Name),
		parquet.BloomFilters(blooms...),
		parquet.DataPageStatistics(false),
		parquet.DictionaryMaxBytes(4<<20),
	)
	rest := map[string]bool{}
	for start := 0; start < len(refs); start += rowGroupRows {
		end := min(start+rowGroupRows, len(refs))
		if err := writeRowGroup(s, w, schema, cols, demoted, parts, refs[start:end], rest); err != nil {
			return nil, found, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, found, fmt.Errorf("encode segment: %w", err)
	}
	file, err = addChunkChecksums(buf.Bytes())
	found.rest = sortedKeys(rest)
	return file, found, err
}

// segmentColumns decides which attributes get columns; demoted are those whose
// values go to the rest object.
func segmentColumns(s *Schema, parts []*block, refs []rowRef) (cols []segmentColumn, demoted []string) {
	for i := range s.Fields {
		f := &s.Fields[i]
		cols = append(cols, segmentColumn{name: f.Name, kind: f.Kind, field: f})
	}
	counts := map[string]int{}
	kinds := map[string]store.Kind{}
	used := make([]bool, len(parts))
	for _, r := range refs {
		used[r.block] = true
	}
	for i, p := range parts {
		if !used[i] {
			continue
		}
		for name, v := range p.cols {
			if !strings.HasPrefix(name, attrPrefix) {
				continue
			}
			kinds[name] = v.Kind
			for _, ok := range v.Valid {
				if ok {
					counts[name]++
				}
			}
		}
	}
	names := sortedByCount(counts)
	// DuckDB's column names ignore case: of two that differ only in case, the
	// rarer one goes to the rest.
	folded := map[string]bool{}
	for _, c := range cols {
		folded[strings.ToLower(c.name)] = true
	}
	for i, name := range names {
		fold := strings.ToLower(name)
		if i >= maxSegmentColumns || counts[name]*columnShare < len(refs) || folded[fold] {
			demoted = append(demoted, name)
			continue
		}
		folded[fold] = true
		cols = append(cols, segmentColumn{name: name, kind: kinds[name], optional: true})
	}
	cols = append(cols, segmentColumn{name: restColumn, kind: store.KindString, optional: true})
	return cols, demoted
}

func parquetNode(c *segmentColumn) parquet.Node {
	var n parquet.Node
	switch c.kind {
	case store.KindInt:
		n = parquet.Int(64)
		if c.field != nil && c.field.Delta {
			n = parquet.Encoded(n, &parquet.DeltaBinaryPacked)
		} else {
			n = parquet.Encoded(n, &parquet.RLEDictionary)
		}
	case store.KindFloat:
		n = parquet.Leaf(parquet.DoubleType)
	case store.KindBool:
		n = parquet.Leaf(parquet.BooleanType)
	case store.KindBytes:
		n = parquet.Encoded(parquet.Leaf(parquet.ByteArrayType), &parquet.RLEDictionary)
	default:
		n = parquet.String()
		if c.name == restColumn || c.field != nil && c.field.Plain {
			n = parquet.Encoded(n, &parquet.Plain)
		} else {
			n = parquet.Encoded(n, &parquet.RLEDictionary)
		}
	}
	n = parquet.Compressed(n, &zstd.Codec{Level: zstd.DefaultLevel})
	if c.optional {
		n = parquet.Optional(n)
	}
	return n
}

func writeRowGroup(s *Schema, w *parquet.Writer, schema *parquet.Schema, cols []segmentColumn, demoted []string, parts []*block, refs []rowRef, restKeys map[string]bool) error {
	writers := w.ColumnWriters()
	for i := range cols {
		c := &cols[i]
		leaf, ok := schema.Lookup(c.name)
		if !ok {
			return fmt.Errorf("encode segment: column %q is not in the schema", c.name)
		}
		vec := gatherColumn(s, parts, refs, c.name, c.kind)
		if c.name == restColumn {
			vec = restVec(vec, demoted, parts, refs, restKeys)
		}
		if err := writeColumn(writers[leaf.ColumnIndex], vec, c.optional, leaf.ColumnIndex, len(refs)); err != nil {
			return fmt.Errorf("encode segment: column %q: %w", c.name, err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("encode segment: %w", err)
	}
	return nil
}

// segmentAttrs are the attributes of a segment.
type segmentAttrs struct {
	columns []string // names of dynamic columns
	rest    []string // keys that occur in rest objects, at most maxRestKeys
}

// maxRestKeys bounds the keys listed in the manifest: a sender that puts ids
// into keys must not blow it up. Keys beyond are stored and found, not listed.
const maxRestKeys = 16_384

// restVec adds the demoted attributes to the rest objects of their rows; an
// empty object becomes null. It notes the keys it meets.
func restVec(rest *store.Vec, demoted []string, parts []*block, refs []rowRef, keys map[string]bool) *store.Vec {
	strs := make([]string, len(refs))
	valid := make([]bool, len(refs))
	var buf []byte
	for i, r := range refs {
		buf = append(buf[:0], strings.TrimSuffix(rest.Str(i), "}")...)
		for _, name := range demoted {
			v := parts[r.block].cols[name]
			if v == nil || v.Null(int(r.row)) {
				continue
			}
			key, _, _ := parseAttrColumn(name)
			buf = appendMember(buf, key, v.Value(int(r.row)))
		}
		if len(buf) > 0 {
			strs[i], valid[i] = string(append(buf, '}')), true
			noteKeys(strs[i], keys)
		}
	}
	return &store.Vec{Kind: store.KindString, Strs: strs, Valid: valid}
}

func noteKeys(object string, keys map[string]bool) {
	if len(keys) >= maxRestKeys {
		return
	}
	_ = attrs.Each(object, func(k string, _ store.Value) bool {
		if !keys[k] && len(keys) < maxRestKeys {
			keys[strings.Clone(k)] = true
		}
		return true
	})
}

func writeColumn(w *parquet.ColumnWriter, v *store.Vec, optional bool, column, rows int) error {
	const step = 4096
	vals := make([]parquet.Value, 0, step)
	var dictVals []parquet.Value
	if v.Codes != nil {
		dictVals = make([]parquet.Value, len(v.Dict))
		for i, s := range v.Dict {
			dictVals[i] = parquet.ByteArrayValue([]byte(s))
		}
	}
	def := 0
	if optional {
		def = 1
	}
	for start := 0; start < rows; start += step {
		vals = vals[:0]
		for i := start; i < min(start+step, rows); i++ {
			if optional && v.Null(i) {
				vals = append(vals, parquet.NullValue().Level(0, 0, column))
				continue
			}
			var x parquet.Value
			switch v.Kind {
			case store.KindInt:
				x = parquet.Int64Value(v.Ints[i])
			case store.KindBool:
				x = parquet.BooleanValue(v.Ints[i] != 0)
			case store.KindFloat:
				x = parquet.DoubleValue(v.Floats[i])
			default:
				if v.Codes != nil {
					x = dictVals[v.Codes[i]]
				} else {
					x = parquet.ByteArrayValue(stringBytes(v.Strs[i]))
				}
			}
			vals = append(vals, x.Level(0, def, column))
		}
		if _, err := w.WriteRowValues(vals); err != nil {
			return err
		}
	}
	return nil
}

// addChunkChecksums puts a CRC-32C of every column chunk (dictionary page to
// last data page), and one of everything between them (page indexes, filters),
// into the footer's metadata: Parquet's own page checksums cover neither the
// page headers nor the indexes. The footer's own checksum is in the manifest.
func addChunkChecksums(file []byte) ([]byte, error) {
	if len(file) < 12 {
		return nil, fmt.Errorf("encode segment: file of %d bytes", len(file))
	}
	footerLen := int(binary.LittleEndian.Uint32(file[len(file)-8:]))
	footerAt := len(file) - 8 - footerLen
	var meta format.FileMetaData
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), file[footerAt:len(file)-8], &meta); err != nil {
		return nil, fmt.Errorf("encode segment: reread footer: %w", err)
	}
	var sums []byte
	for _, rg := range meta.RowGroups {
		for i := range rg.Columns {
			from, to := chunkRange(&rg.Columns[i].MetaData)
			sums = binary.LittleEndian.AppendUint32(sums, crc32.Checksum(file[from:to], castagnoli))
		}
	}
	gaps := uint32(0)
	for _, g := range gapRanges(&meta, int64(footerAt)) {
		gaps = crc32.Update(gaps, castagnoli, file[g[0]:g[1]])
	}
	sums = binary.LittleEndian.AppendUint32(sums, gaps)
	meta.KeyValueMetadata = append(meta.KeyValueMetadata, format.KeyValue{Key: keyChunkCRC, Value: base64.StdEncoding.EncodeToString(sums)})
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	if err != nil {
		return nil, fmt.Errorf("encode segment: write footer: %w", err)
	}
	out := append(file[:footerAt:footerAt], footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, "PAR1"...), nil
}

// chunkRange is where a column chunk's pages lie in the file.
func chunkRange(m *format.ColumnMetaData) (from, to int64) {
	from = m.DataPageOffset
	if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < from {
		from = m.DictionaryPageOffset
	}
	return from, from + m.TotalCompressedSize
}

// gapRanges is where the file holds something other than column chunks: the
// leading magic, page indexes and filters, up to the footer.
func gapRanges(m *format.FileMetaData, footerAt int64) [][2]int64 {
	var chunks [][2]int64
	for _, rg := range m.RowGroups {
		for i := range rg.Columns {
			from, to := chunkRange(&rg.Columns[i].MetaData)
			chunks = append(chunks, [2]int64{from, to})
		}
	}
	slices.SortFunc(chunks, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	var gaps [][2]int64
	pos := int64(0)
	for _, c := range chunks {
		if c[0] > pos {
			gaps = append(gaps, [2]int64{pos, c[0]})
		}
		pos = max(pos, c[1])
	}
	if pos < footerAt {
		gaps = append(gaps, [2]int64{pos, footerAt})
	}
	return gaps
}

// footerChecksum is the CRC-32C of the footer: thrift, length and magic.
func footerChecksum(file []byte) uint32 {
	n := 8 + int(binary.LittleEndian.Uint32(file[len(file)-8:]))
	return crc32.Checksum(file[len(file)-n:], castagnoli)
}
