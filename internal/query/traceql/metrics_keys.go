package traceql

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// Series are grouped by the texts of their keys. A text is as it is; other types
// are told apart by a prefix that no attribute has in practice.
const keyMark = "\x00"

// encodeKey is the text of a value as a key.
func encodeKey(v Static) string {
	if v.Type == TypeString || v.Type == TypeArray {
		return v.Str
	}
	return keyMark + string(rune('a'+v.Type)) + v.String()
}

// decodeKey undoes encodeKey for the values that columns hold.
func decodeKey(v store.Value) Static {
	s := v.Str
	if v.Kind == store.KindNull {
		return Static{}
	}
	if !strings.HasPrefix(s, keyMark) || len(s) < 2 {
		return fromValue(store.Str(s))
	}
	t, text := Type(s[1]-'a'), s[2:]
	switch t {
	case TypeInt:
		if text == "minInt" {
			return intStatic(math.MinInt64)
		}
		n, _ := strconv.ParseInt(text, 10, 64)
		return intStatic(n)
	case TypeFloat:
		f, _ := strconv.ParseFloat(text, 64)
		return floatStatic(f)
	case TypeBool:
		return boolStatic(text == "true")
	case TypeDuration:
		d, _ := time.ParseDuration(text)
		return durStatic(int64(d))
	case TypeStatus:
		return Static{Type: t, Int: int64(slices.Index(statusNames, text))}
	case TypeKind:
		return Static{Type: t, Int: int64(slices.Index(kindNames, text))}
	}
	return strStatic(s)
}

// keyStage derives the key column of an attribute from the columns it is read
// from and appends it to the frame. Dictionary codes stay codes.
type keyStage struct {
	attr  *Attribute
	cols  []int
	ready bool     // the column holds key texts already
	dict  []string // of numbers
	codes map[int64]uint32
	ids   hexDict
	valid []bool   // of the last frame, used again
	out   []uint32 // as valid
}

// sized is a slice of n elements in the memory of buf; what they hold is not
// defined.
func sized[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	return buf[:n]
}

// hexDict remembers the hex texts of the last dictionary of ids.
type hexDict struct {
	from *string
	n    int
	hex  []string
}

func (s *keyStage) Apply(f *plan.Frame) error {
	v := f.Cols[s.cols[0]]
	if s.ready {
		f.Cols = append(f.Cols, v)
		return nil
	}
	if len(s.cols) > 1 {
		second := f.Cols[s.cols[1]]
		switch {
		case allNull(&v, f.N):
			v = second
		case !allNull(&second, f.N):
			v = s.layered(&v, &second, f)
		}
	}
	f.Cols = append(f.Cols, s.texts(v, f))
	return nil
}

func allNull(v *store.Vec, n int) bool {
	if v.Kind == store.KindNull {
		return true
	}
	if v.Kind != store.KindMixed {
		return v.Valid != nil && !slices.Contains(v.Valid[:n], true)
	}
	return false
}

// layered takes the first column's value where there is one.
func (s *keyStage) layered(a, b *store.Vec, f *plan.Frame) store.Vec {
	out := store.Vec{Kind: store.KindMixed, Mixed: make([]store.Value, f.N)}
	for i := range f.Rows() {
		r := f.Row(i)
		if out.Mixed[r] = a.Value(r); out.Mixed[r].Kind == store.KindNull {
			out.Mixed[r] = b.Value(r)
		}
	}
	return out
}

// filled is a text column without nulls.
func filled(v store.Vec, f *plan.Frame) store.Vec {
	if v.Kind != store.KindNull && v.Valid == nil {
		return v
	}
	out := store.Vec{Kind: store.KindString, Strs: make([]string, f.N)}
	for i := range f.Rows() {
		out.Strs[f.Row(i)] = v.Str(f.Row(i))
	}
	return out
}

// maxKeyDict bounds the dictionary of numbers that a stage keeps from frame to
// frame.
const maxKeyDict = 1 << 16

// texts renders a column as key texts.
func (s *keyStage) texts(v store.Vec, f *plan.Frame) store.Vec {
	switch {
	case emptyText(s.attr):
		return filled(v, f)
	case isID(s.attr):
		return s.hexIDs(v, f)
	case v.Kind == store.KindNull:
		return v
	case v.Kind == store.KindString || v.Kind == store.KindBytes:
		return v
	}
	s.valid, s.out = sized(s.valid, f.N), sized(s.out, f.N)
	clear(s.valid)
	out := store.Vec{Kind: store.KindString, Valid: s.valid, Codes: s.out}
	if len(s.dict) > maxKeyDict {
		s.dict, s.codes = nil, map[int64]uint32{}
	}
	strs := map[string]uint32{}
	for i := range f.Rows() {
		r := f.Row(i)
		if v.Null(r) {
			continue
		}
		out.Valid[r] = true
		x := v.Value(r)
		if x.Kind == store.KindInt {
			out.Codes[r] = s.code(x.Int)
			continue
		}
		text := encodeKey(fromValue(x))
		code, ok := strs[text]
		if !ok {
			code = s.add(strings.Clone(text))
			strs[text] = code
		}
		out.Codes[r] = code
	}
	out.Dict = s.dict
	return out
}

func (s *keyStage) code(n int64) uint32 {
	code, ok := s.codes[n]
	if !ok {
		v := intStatic(n)
		if s.attr.Scope == ScopeIntrinsic {
			switch s.attr.Name {
			case "status":
				v.Type = TypeStatus
			case "kind":
				v.Type = TypeKind
			case "duration":
				v.Type = TypeDuration
			}
		}
		code = s.add(encodeKey(v))
		s.codes[n] = code
	}
	return code
}

func (s *keyStage) add(text string) uint32 {
	s.dict = append(s.dict, text)
	return uint32(len(s.dict) - 1)
}

func (s *keyStage) hexIDs(v store.Vec, f *plan.Frame) store.Vec {
	if v.Codes != nil && v.Valid == nil && len(v.Dict) > 0 {
		if s.ids.from != &v.Dict[0] || s.ids.n != len(v.Dict) {
			s.ids = hexDict{from: &v.Dict[0], n: len(v.Dict), hex: make([]string, len(v.Dict))}
			for i, d := range v.Dict {
				s.ids.hex[i] = hexText(d)
			}
		}
		v.Kind, v.Dict = store.KindString, s.ids.hex
		return v
	}
	out := store.Vec{Kind: store.KindString, Strs: make([]string, f.N)}
	for i := range f.Rows() {
		r := f.Row(i)
		out.Strs[r] = hexText(v.Str(r))
	}
	return out
}

// valueStage derives the number that a function reads: seconds of durations.
type valueStage struct {
	attr  *Attribute
	cols  []int
	valid []bool // of the last frame, used again
	out   []float64
}

func (s *valueStage) Apply(f *plan.Frame) error {
	if len(s.cols) == 1 {
		if v := &f.Cols[s.cols[0]]; v.Kind == store.KindInt && v.Mixed == nil {
			f.Cols = append(f.Cols, s.ints(v, f))
			return nil
		}
	}
	s.valid, s.out = sized(s.valid, f.N), sized(s.out, f.N)
	clear(s.valid)
	out := store.Vec{Kind: store.KindFloat, Valid: s.valid, Floats: s.out}
	for i := range f.Rows() {
		r := f.Row(i)
		v, ok := s.value(f, r)
		if !ok {
			continue
		}
		out.Valid[r], out.Floats[r] = true, v
	}
	f.Cols = append(f.Cols, out)
	return nil
}

// ints is the fast way for a column of integers.
func (s *valueStage) ints(v *store.Vec, f *plan.Frame) store.Vec {
	scale := 1.0
	if isDuration(s.attr) {
		scale = float64(time.Second)
	}
	s.out = sized(s.out, f.N)
	out := store.Vec{Kind: store.KindFloat, Valid: v.Valid, Floats: s.out}
	for i := range f.Rows() {
		r := f.Row(i)
		out.Floats[r] = float64(v.Ints[r]) / scale
	}
	return out
}

func (s *valueStage) value(f *plan.Frame, r int) (float64, bool) {
	for _, c := range s.cols {
		v := &f.Cols[c]
		if v.Null(r) {
			continue
		}
		n, ok := v.Value(r).Number()
		if isDuration(s.attr) {
			n /= float64(time.Second)
		}
		return n, ok && !math.IsNaN(n)
	}
	return 0, false
}

func isDuration(a *Attribute) bool {
	if a == nil || a.Scope != ScopeIntrinsic {
		return false
	}
	return a.Name == "duration" || a.Name == "traceDuration" || a.Name == "event:timeSinceStart"
}

// bucketStage derives the code of the bucket of a value and drops the rows that
// have none.
type bucketStage struct {
	cols  []int
	names []string
	sel   []int32
	out   []uint32 // of the last frame, used again
}

func (s *bucketStage) Apply(f *plan.Frame) error {
	s.out = sized(s.out, f.N)
	out := store.Vec{Kind: store.KindString, Codes: s.out, Dict: s.names}
	s.sel = emptySel(s.sel)
	if len(s.cols) == 1 {
		if v := &f.Cols[s.cols[0]]; v.Kind == store.KindInt && v.Mixed == nil {
			s.ints(v, f, out.Codes)
			f.Cols, f.Sel = append(f.Cols, out), s.sel
			return nil
		}
	}
	for i := range f.Rows() {
		r := f.Row(i)
		for _, c := range s.cols {
			v := &f.Cols[c]
			if v.Null(r) {
				continue
			}
			if code, ok := bucketOf(v.Value(r)); ok {
				out.Codes[r] = code
				s.sel = append(s.sel, int32(r))
			}
			break
		}
	}
	f.Cols, f.Sel = append(f.Cols, out), s.sel
	return nil
}

// ints is the fast way for a column of integers.
func (s *bucketStage) ints(v *store.Vec, f *plan.Frame, codes []uint32) {
	for i := range f.Rows() {
		r := f.Row(i)
		if v.Valid != nil && !v.Valid[r] {
			continue
		}
		if code, ok := intBucket(v.Ints[r]); ok {
			codes[r] = code
			s.sel = append(s.sel, int32(r))
		}
	}
}

func bucketOf(v store.Value) (uint32, bool) {
	switch v.Kind {
	case store.KindInt:
		return intBucket(v.Int)
	case store.KindFloat:
		return floatBucket(v.Flt)
	}
	return 0, false
}
