package columnar

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"hinomi/internal/store"
)

// block is an immutable set of rows, encoded column by column: the payload of a
// WAL frame is at once the memory of its rows. It holds no pointers for the
// garbage collector to follow, and a scan decodes the columns that it needs.
type block struct {
	schema       *Schema
	n            int
	minTs, maxTs int64
	data         []byte
	cols         []blockColumn

	setOnce sync.Once
	set     columnSet // see columnSet
}

// blockColumn says where a column lies in a block.
type blockColumn struct {
	name    string
	kind    store.Kind
	rep     byte
	present int // rows with a value
	off, n  int
}

// maxBlockRows is more rows than a request can have.
const maxBlockRows = 1 << 24

// bytes is about the memory of the block.
func (b *block) bytes() int { return len(b.data) + 64*len(b.cols) + 128 }

// namedVec is a column to be put into a block.
type namedVec struct {
	name string
	vec  *store.Vec
}

// encodeBlock encodes n rows behind room for a frame header, with tail behind
// them. scratch is reused and returned.
func encodeBlock(n int, cols []namedVec, tail, scratch []byte) (frame, newScratch []byte) {
	scratch = scratch[:0]
	cols = slices.DeleteFunc(cols, func(c namedVec) bool { return unsetFloats(c.vec) })
	head := make([]byte, 0, 64+32*len(cols))
	head = binary.AppendUvarint(head, uint64(n))
	head = binary.AppendUvarint(head, uint64(len(cols)))
	for _, c := range cols {
		from := len(scratch)
		var rep byte
		rep, scratch = encodeVec(scratch, c.vec)
		present := n
		if c.vec.Valid != nil {
			present = 0
			for _, ok := range c.vec.Valid {
				if ok {
					present++
				}
			}
		}
		head = binary.AppendUvarint(head, uint64(len(c.name)))
		head = append(head, c.name...)
		head = append(head, byte(c.vec.Kind), rep)
		head = binary.AppendUvarint(head, uint64(present))
		head = binary.AppendUvarint(head, uint64(len(scratch)-from))
	}
	frame = make([]byte, frameHead+len(head)+len(scratch)+len(tail))
	copy(frame[frameHead:], head)
	copy(frame[frameHead+len(head):], scratch)
	copy(frame[frameHead+len(head)+len(scratch):], tail)
	return frame, scratch
}

// parseBlock reads the directory of a block that ends with data, which must not
// be changed afterwards.
func parseBlock(s *Schema, data []byte) (*block, error) {
	b, tail, err := parsePayload(s, data)
	if err == nil && len(tail) > 0 {
		return nil, errBlock
	}
	return b, err
}

// parsePayload is parseBlock for a frame, which may have something behind the
// block. The block is nil when there is nothing else.
func parsePayload(s *Schema, data []byte) (b *block, tail []byte, err error) {
	r := reader{data: data}
	n, ncols := r.uvarint(), r.uvarint()
	if n > maxBlockRows || ncols > uint64(len(r.data)) {
		return nil, nil, errBlock
	}
	if n == 0 && ncols == 0 && len(r.data) > 0 {
		return nil, r.data, nil
	}
	b = &block{schema: s, n: int(n), data: data, cols: make([]blockColumn, 0, ncols)}
	for range ncols {
		c := blockColumn{name: r.str(r.uvarint())}
		kind := r.take(2)
		present, length := r.uvarint(), r.uvarint()
		if r.err != nil || present > n || length > uint64(len(data)) {
			return nil, nil, errBlock
		}
		c.kind, c.rep, c.present, c.n = store.Kind(kind[0]), kind[1], int(present), int(length)
		b.cols = append(b.cols, c)
	}
	at := len(data) - len(r.data)
	for i := range b.cols {
		b.cols[i].off = at
		if at += b.cols[i].n; at > len(data) {
			return nil, nil, errBlock
		}
	}
	b.data, tail = data[:at:at], data[at:]
	ts, err := b.column(s.Time)
	if err != nil || ts == nil || len(ts.Ints) != b.n {
		// Without times nothing bounds the number of rows that is claimed.
		return nil, nil, errBlock
	}
	for i, t := range ts.Ints {
		if i == 0 || t < b.minTs {
			b.minTs = t
		}
		if i == 0 || t > b.maxTs {
			b.maxTs = t
		}
	}
	return b, tail, nil
}

// check decodes every column, as recovery does once, so that what is malformed
// is found before anyone relies on it.
func (b *block) check() error {
	for _, f := range b.schema.Fields {
		if c := b.find(f.Name); c != nil && (c.kind != f.Kind || c.rep&validFlag != 0) {
			return fmt.Errorf("column %q: %w", f.Name, errBlock)
		}
	}
	for i := range b.cols {
		if _, err := b.column(b.cols[i].name); err != nil {
			return err
		}
	}
	return nil
}

func (b *block) find(name string) *blockColumn {
	for i := range b.cols {
		if b.cols[i].name == name {
			return &b.cols[i]
		}
	}
	return nil
}

// column decodes a column; nil when the block has none of that name. Strings
// are views into the block. A fixed column that an older version did not write
// is all zero values.
func (b *block) column(name string) (*store.Vec, error) {
	c := b.find(name)
	if c == nil {
		if i := b.schema.Index(name); i >= 0 {
			empty := colBuilder{kind: b.schema.Fields[i].Kind}
			v := empty.finish(b.n)
			v.Same = v.Kind == store.KindFloat
			return v, nil
		}
		return nil, nil
	}
	r := reader{data: b.data[c.off : c.off+c.n]}
	v := r.vec(c.kind, c.rep, b.n)
	if r.err != nil || len(r.data) != 0 {
		return nil, fmt.Errorf("column %q: %w", c.name, errBlock)
	}
	return v, nil
}

// mergeBlocks joins small blocks into one so that a scan has few units. Rows
// keep their order.
func mergeBlocks(s *Schema, blocks []*block) (*block, error) {
	var refs []rowRef
	parts := make([]part, len(blocks))
	for i, b := range blocks {
		parts[i] = b
		for r := range b.n {
			refs = append(refs, rowRef{uint32(i), uint32(r)})
		}
	}
	var cols []namedVec
	for _, c := range columnsOf(s, parts) {
		v, err := gatherColumn(s, parts, refs, c.name, c.kind, false)
		if err != nil {
			return nil, err
		}
		cols = append(cols, namedVec{c.name, v})
	}
	frame, _ := encodeBlock(len(refs), cols, nil, nil)
	return parseBlock(s, frame[frameHead:])
}

// rowCount, window and eachColumn make a block a part.
func (b *block) rowCount() int { return b.n }

func (b *block) window(name string, lo, hi int) (*store.Vec, error) {
	v, err := b.column(name)
	if err != nil || v == nil || lo == 0 && hi == b.n {
		return v, err
	}
	return window(v, lo, hi), nil
}

func (b *block) eachColumn(fn func(name string, kind store.Kind, present int)) {
	for i := range b.cols {
		fn(b.cols[i].name, b.cols[i].kind, b.cols[i].present)
	}
}

// soleProduct returns the product that all rows of the block have.
func (b *block) soleProduct() (string, bool) {
	v, err := b.column(store.ColProduct)
	if err != nil || v == nil || b.n == 0 {
		return "", false
	}
	first := v.Str(0)
	for i := 1; i < b.n; i++ {
		if v.Codes != nil && v.Codes[i] == v.Codes[0] {
			continue
		}
		if v.Str(i) != first {
			return "", false
		}
	}
	return first, true
}

func isAttr(column string) bool { return strings.HasPrefix(column, attrPrefix) }

// unsetFloats tells of a fixed column of floats that nobody set: a block without
// it reads the same.
func unsetFloats(v *store.Vec) bool {
	if v.Kind != store.KindFloat || v.Valid != nil {
		return false
	}
	for _, f := range v.Floats {
		if math.Float64bits(f) != 0 {
			return false
		}
	}
	return true
}
