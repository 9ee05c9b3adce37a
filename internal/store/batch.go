package store

import (
	"math"
	"strconv"
)

// Kind is the type of a value or of a vector's values.
type Kind uint8

// Kinds. KindNull is "no value in this row".
const (
	KindNull Kind = iota
	KindString
	KindInt
	KindFloat
	KindBool
	KindBytes
	KindMixed // only of vectors: rows differ, see Vec.Mixed
)

// Value is one value of any kind. Strings and bytes share Str.
type Value struct {
	Kind Kind
	Str  string
	Int  int64 // KindInt, KindBool (0 or 1)
	Flt  float64
}

// Str, Int, Float, Bool and Bytes make values.
func Str(s string) Value    { return Value{Kind: KindString, Str: s} }
func Int(i int64) Value     { return Value{Kind: KindInt, Int: i} }
func Float(f float64) Value { return Value{Kind: KindFloat, Flt: f} }
func Bytes(b []byte) Value  { return Value{Kind: KindBytes, Str: string(b)} }
func Bool(b bool) Value {
	if b {
		return Value{Kind: KindBool, Int: 1}
	}
	return Value{Kind: KindBool}
}

// Number returns the value as a float and whether it is numeric (int, float).
func (v Value) Number() (float64, bool) {
	switch v.Kind {
	case KindInt:
		return float64(v.Int), true
	case KindFloat:
		return v.Flt, true
	}
	return math.NaN(), false
}

// String renders the value as LogQL labels and tag lists show it. A null is "".
func (v Value) String() string {
	switch v.Kind {
	case KindString, KindBytes:
		return v.Str
	case KindInt:
		return strconv.FormatInt(v.Int, 10)
	case KindFloat:
		return strconv.FormatFloat(v.Flt, 'g', -1, 64)
	case KindBool:
		return strconv.FormatBool(v.Int != 0)
	}
	return ""
}

// Vec is one column of a Batch. Exactly one representation is set:
//
//	Codes+Dict  dictionary coded: value of row i is Dict[Codes[i]] (String, Bytes)
//	Strs        plain strings (String, Bytes)
//	Ints        Int and Bool (0 or 1)
//	Floats      Float
//	Mixed       any kind by row
//	none        every row is null
//
// Valid, when not nil, tells which rows have a value. Strings are views into
// buffers of the scan: clone what outlives the callback. A Dict holds no
// duplicates, is shared by every batch of the same segment or memtable block,
// and may hold entries no row uses. Work per entry, not per row, where Codes is
// set.
//
// Same, when set, says that every row has the value of row 0. Where it is not set
// they may be equal all the same.
type Vec struct {
	Kind   Kind
	Valid  []bool
	Codes  []uint32
	Dict   []string
	Strs   []string
	Ints   []int64
	Floats []float64
	Mixed  []Value
	Same   bool
}

// Null tells whether row i has no value.
func (v *Vec) Null(i int) bool {
	if v.Kind == KindNull {
		return true
	}
	if v.Kind == KindMixed {
		return v.Mixed[i].Kind == KindNull
	}
	return v.Valid != nil && !v.Valid[i]
}

// Str returns the string or bytes of row i; "" when null or of another kind.
func (v *Vec) Str(i int) string {
	switch {
	case v.Null(i):
		return ""
	case v.Codes != nil:
		return v.Dict[v.Codes[i]]
	case v.Strs != nil:
		return v.Strs[i]
	case v.Mixed != nil:
		return v.Mixed[i].Str
	}
	return ""
}

// Value returns row i as a Value (KindNull when there is none).
func (v *Vec) Value(i int) Value {
	if v.Null(i) {
		return Value{}
	}
	switch v.Kind {
	case KindString, KindBytes:
		return Value{Kind: v.Kind, Str: v.Str(i)}
	case KindInt, KindBool:
		return Value{Kind: v.Kind, Int: v.Ints[i]}
	case KindFloat:
		return Value{Kind: KindFloat, Flt: v.Floats[i]}
	case KindMixed:
		return v.Mixed[i]
	}
	return Value{}
}

// Batch is a set of rows that passed the scan's predicate, column by column.
// Cols[i] belongs to ScanRequest.Columns[i]. Rows are in the order the segment
// stores them unless ScanRequest.Order says otherwise.
type Batch struct {
	N    int
	Cols []Vec
	// Counts, when not nil, is how many rows each of the N stands for. Only who
	// set ScanRequest.Alike meets it.
	Counts []int64
}
