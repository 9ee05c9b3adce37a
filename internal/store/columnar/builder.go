package columnar

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

const (
	// maxDynamicColumns bounds the columns of one block; a row with more
	// attributes keeps the others in its rest object.
	maxDynamicColumns = 256
	// dictProbe is at every how many distinct values a dictionary must prove
	// that it pays off: more than one row in two distinct means it does not.
	dictProbe = 256
)

// Builder collects rows into a block. Set the fixed columns and attributes of
// a row in any order, then call Next. It is not safe for concurrent use. Strings
// that it is given must not change until the rows are appended; they are copied
// then.
type Builder struct {
	schema  *Schema
	timeCol int
	n       int
	fixed   []colBuilder
	dyn     []*dynColumn
	byKey   map[dynKey]*dynColumn
	cursor  int // where the next attribute probably is, as senders repeat themselves
	rest    []byte
	restCol colBuilder
	minTs   int64
	maxTs   int64
	rowSize int
	cols    []namedVec // reused by finish
	scratch []byte     // reused by finish
}

type dynKey struct {
	key  string
	kind store.Kind
}

type dynColumn struct {
	dynKey
	name string // of the column
	col  colBuilder
}

// NewBuilder returns an empty builder.
func NewBuilder(s *Schema) *Builder {
	b := &Builder{schema: s, timeCol: s.Index(s.Time), fixed: make([]colBuilder, len(s.Fields)), byKey: map[dynKey]*dynColumn{}}
	for i, f := range s.Fields {
		b.fixed[i] = colBuilder{kind: f.Kind, plain: f.Plain}
	}
	b.restCol = colBuilder{kind: store.KindString, plain: true}
	return b
}

// Len is the number of finished rows.
func (b *Builder) Len() int { return b.n }

// RowSize is the approximate size in bytes of what the unfinished row was given.
func (b *Builder) RowSize() int { return b.rowSize }

// Int sets a fixed Int or Bool column of the current row.
func (b *Builder) Int(field int, v int64) { b.fixed[field].addInt(b.n, v); b.rowSize += 8 }

// Float sets a fixed Float column of the current row.
func (b *Builder) Float(field int, v float64) { b.fixed[field].addFloat(b.n, v); b.rowSize += 8 }

// Str sets a fixed String column; invalid UTF-8 is replaced by U+FFFD, since
// Parquet strings must be valid.
func (b *Builder) Str(field int, v string) {
	b.fixed[field].addStr(b.n, valid(v))
	b.rowSize += len(v)
}

// Bytes sets a fixed Bytes column.
func (b *Builder) Bytes(field int, v string) { b.fixed[field].addStr(b.n, v); b.rowSize += len(v) }

// AttrStr, AttrInt, AttrFloat and AttrBool set an attribute of the current row.
func (b *Builder) AttrStr(key, v string) {
	b.rowSize += len(key) + len(v)
	if c := b.dynamic(key, store.KindString); c != nil {
		c.addStr(b.n, valid(v))
		return
	}
	b.restKey(key)
	b.rest = attrs.AppendString(b.rest, v)
}

// AttrInt sets an integer attribute.
func (b *Builder) AttrInt(key string, v int64) {
	b.rowSize += len(key) + 8
	if c := b.dynamic(key, store.KindInt); c != nil {
		c.addInt(b.n, v)
		return
	}
	b.restKey(key)
	b.rest = strconv.AppendInt(b.rest, v, 10)
}

// AttrFloat sets a float attribute.
func (b *Builder) AttrFloat(key string, v float64) {
	b.rowSize += len(key) + 8
	if c := b.dynamic(key, store.KindFloat); c != nil {
		c.addFloat(b.n, v)
		return
	}
	b.restKey(key)
	b.rest = attrs.AppendFloat(b.rest, v)
}

// AttrBool sets a boolean attribute.
func (b *Builder) AttrBool(key string, v bool) {
	b.rowSize += len(key) + 1
	i := store.Bool(v).Int
	if c := b.dynamic(key, store.KindBool); c != nil {
		c.addInt(b.n, i)
		return
	}
	b.restKey(key)
	if v {
		b.rest = append(b.rest, "true"...)
	} else {
		b.rest = append(b.rest, "false"...)
	}
}

// AttrJSON sets an attribute whose value is given in the form of package attrs
// (arrays, maps, bytes); it always goes to the rest.
func (b *Builder) AttrJSON(key string, raw []byte) {
	b.rowSize += len(key) + len(raw)
	b.restKey(key)
	b.rest = append(b.rest, raw...)
}

func (b *Builder) restKey(key string) {
	if len(b.rest) == 0 {
		b.rest = append(b.rest, '{')
	} else {
		b.rest = append(b.rest, ',')
	}
	b.rest = attrs.AppendString(b.rest, key)
	b.rest = append(b.rest, ':')
}

// dynamic finds the column of an attribute, nil when it belongs to the rest.
func (b *Builder) dynamic(key string, kind store.Kind) *colBuilder {
	if b.cursor < len(b.dyn) {
		if d := b.dyn[b.cursor]; d.kind == kind && d.key == key {
			b.cursor++
			return &d.col
		}
	}
	d := b.byKey[dynKey{key, kind}]
	if d == nil {
		if len(b.dyn) >= maxDynamicColumns || key == "" || !utf8.ValidString(key) || attrColumn(key, kind) == "" {
			return nil
		}
		key = strings.Clone(key)
		d = &dynColumn{dynKey: dynKey{key, kind}, name: attrColumn(key, kind), col: colBuilder{kind: kind, optional: true}}
		b.byKey[d.dynKey] = d
		b.dyn = append(b.dyn, d)
	}
	// The attribute after this one is most likely the column after it.
	for i, e := range b.dyn {
		if e == d {
			b.cursor = i + 1
			break
		}
	}
	return &d.col
}

// Next finishes the current row; columns that were not set hold zero values.
func (b *Builder) Next() {
	if len(b.rest) > 0 {
		b.restCol.addStr(b.n, string(append(b.rest, '}')))
		b.rest = b.rest[:0]
	}
	for i := range b.fixed {
		b.fixed[i].pad(b.n + 1)
	}
	ts := b.fixed[b.timeCol].ints[b.n]
	if b.n == 0 || ts < b.minTs {
		b.minTs = ts
	}
	if b.n == 0 || ts > b.maxTs {
		b.maxTs = ts
	}
	b.n++
	b.cursor, b.rowSize = 0, 0
}

// Discard forgets what the current row was given so far.
func (b *Builder) Discard() {
	for i := range b.fixed {
		b.fixed[i].truncate(b.n)
	}
	for _, d := range b.dyn {
		d.col.truncate(b.n)
	}
	b.rest = b.rest[:0]
	b.cursor, b.rowSize = 0, 0
}

// maxKeptColumns is how many dynamic columns a builder keeps for its next use.
const maxKeptColumns = 64

// reset empties the builder and keeps its memory: senders repeat themselves.
func (b *Builder) reset() {
	for i := range b.fixed {
		b.fixed[i].reset(b.schema.Fields[i].Plain)
	}
	if len(b.dyn) > maxKeptColumns {
		b.dyn, b.byKey = nil, map[dynKey]*dynColumn{}
	}
	for _, d := range b.dyn {
		d.col.reset(false)
	}
	b.restCol.reset(true)
	b.rest = b.rest[:0]
	b.n, b.cursor, b.rowSize, b.minTs, b.maxTs = 0, 0, 0, 0, 0
}

// Encode returns the rows as a block, as Append would write them: builders that were
// given the same rows in the same order encode the same, unless they were used
// before.
func (b *Builder) Encode() []byte { return b.finish(nil)[frameHead:] }

// finish encodes the rows, and tail behind them, as a WAL frame with room for its
// header. The frame shares nothing with the builder.
func (b *Builder) finish(tail []byte) []byte {
	cols := b.cols[:0]
	for i := range b.fixed {
		cols = append(cols, namedVec{b.schema.Fields[i].Name, b.fixed[i].finish(b.n)})
	}
	for _, d := range b.dyn {
		if d.col.any() {
			cols = append(cols, namedVec{d.name, d.col.finish(b.n)})
		}
	}
	if b.restCol.any() {
		cols = append(cols, namedVec{restColumn, b.restCol.finish(b.n)})
	}
	b.cols = cols
	var frame []byte
	frame, b.scratch = encodeBlock(b.n, cols, tail, b.scratch)
	return frame
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
