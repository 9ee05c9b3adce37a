package parquetio

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/klauspost/compress/s2"
	"github.com/parquet-go/parquet-go/format"

	"hinomi/internal/store"
)

func snappy(dst, raw []byte) []byte { return s2.EncodeSnappy(dst[:cap(dst)], raw) }

func intBounds(v *store.Vec, lo, hi int) (smallest, largest int64) {
	first := true
	for i := lo; i < hi; i++ {
		if v.Valid != nil && !v.Valid[i] {
			continue
		}
		x := v.Ints[i]
		if first {
			smallest, largest, first = x, x, false
			continue
		}
		smallest, largest = min(smallest, x), max(largest, x)
	}
	return smallest, largest
}

// floatBounds returns the bits of the smallest and largest value, of which
// negative zero is smaller than zero; ok is false when one is not a number.
func floatBounds(v *store.Vec, n int) (smallest, largest int64, ok bool) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for i := range n {
		if v.Valid != nil && !v.Valid[i] {
			continue
		}
		x := v.Floats[i]
		if math.IsNaN(x) {
			return 0, 0, false
		}
		// The built-in functions tell the zeros apart.
		lo, hi = min(lo, x), max(hi, x)
	}
	return int64(math.Float64bits(lo)), int64(math.Float64bits(hi)), true
}

func textBounds(v *store.Vec, lo, hi int) (smallest, largest string) {
	first := true
	for i := lo; i < hi; i++ {
		if v.Null(i) {
			continue
		}
		s := v.Str(i)
		if first {
			smallest, largest, first = s, s, false
			continue
		}
		if s < smallest {
			smallest = s
		} else if s > largest {
			largest = s
		}
	}
	// The texts may be views into memory that is used again.
	return strings.Clone(smallest), strings.Clone(largest)
}

// bound finds the bounds of a chunk where they are cheap and short.
func (c *Chunk) bound(col *Column, v *store.Vec, n int) {
	if int(c.Nulls) == n || n == 0 {
		return
	}
	switch {
	case col.Kind == store.KindInt:
		c.MinInt, c.MaxInt = intBounds(v, 0, n)
		c.Bounded = true
	case col.Kind == store.KindFloat:
		c.MinInt, c.MaxInt, c.Bounded = floatBounds(v, n)
	case v.Codes != nil:
		used := make([]bool, len(v.Dict))
		for i, code := range v.Codes[:n] {
			if v.Valid == nil || v.Valid[i] {
				used[code] = true
			}
		}
		first := true
		for i, s := range v.Dict {
			if !used[i] {
				continue
			}
			if first {
				c.MinStr, c.MaxStr, first = s, s, false
			}
			c.MinStr, c.MaxStr = min(c.MinStr, s), max(c.MaxStr, s)
		}
		c.Bounded = len(c.MinStr) <= maxBound && len(c.MaxStr) <= maxBound
	case col.Bounds:
		c.MinStr, c.MaxStr = textBounds(v, 0, n)
		c.Bounded = len(c.MinStr) <= maxBound && len(c.MaxStr) <= maxBound
	}
	if !c.Bounded {
		c.MinStr, c.MaxStr = "", ""
	}
	c.MinStr, c.MaxStr = strings.Clone(c.MinStr), strings.Clone(c.MaxStr)
}

// statistics are the bounds as other readers use them.
func statistics(col *Column, c *Chunk) format.Statistics {
	s := format.Statistics{NullCount: c.Nulls}
	if !c.Bounded {
		return s
	}
	if col.Kind == store.KindInt || col.Kind == store.KindFloat {
		s.MinValue = binary.LittleEndian.AppendUint64(nil, uint64(c.MinInt))
		s.MaxValue = binary.LittleEndian.AppendUint64(nil, uint64(c.MaxInt))
		return s
	}
	// An empty bound would be left out by the Thrift encoder, and one bound
	// without the other misread.
	if c.MinStr != "" && c.MaxStr != "" {
		s.MinValue, s.MaxValue = []byte(c.MinStr), []byte(c.MaxStr)
	}
	return s
}
