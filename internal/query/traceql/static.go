package traceql

import (
	"math"
	"strconv"
	"strings"
	"time"

	"hinomi/internal/store"
)

// Type is the type of a TraceQL value.
type Type uint8

// Types. TypeNil is an absent attribute.
const (
	TypeNil Type = iota
	TypeInt
	TypeFloat
	TypeString
	TypeBool
	TypeDuration
	TypeStatus
	TypeKind
	TypeArray // Str is its JSON text
)

// Static is a typed value. Int holds integers, booleans (0, 1), durations (ns),
// statuses and kinds (OpenTelemetry's numbers).
type Static struct {
	Type Type
	Int  int64
	Flt  float64
	Str  string
}

var statusNames = []string{"unset", "ok", "error"}

var kindNames = []string{"unspecified", "internal", "server", "client", "producer", "consumer"}

func intStatic(i int64) Static     { return Static{Type: TypeInt, Int: i} }
func strStatic(s string) Static    { return Static{Type: TypeString, Str: s} }
func durStatic(d int64) Static     { return Static{Type: TypeDuration, Int: d} }
func floatStatic(f float64) Static { return Static{Type: TypeFloat, Flt: f} }

func boolStatic(b bool) Static {
	if b {
		return Static{Type: TypeBool, Int: 1}
	}
	return Static{Type: TypeBool}
}

// number reads what counts as a number: integers, floats and durations.
func (s Static) number() (float64, bool) {
	switch s.Type {
	case TypeInt, TypeDuration:
		return float64(s.Int), true
	case TypeFloat:
		return s.Flt, true
	}
	return 0, false
}

// Value turns the static into the value a column holds.
func (s Static) Value() store.Value {
	switch s.Type {
	case TypeInt, TypeDuration, TypeStatus, TypeKind:
		return store.Int(s.Int)
	case TypeFloat:
		return store.Float(s.Flt)
	case TypeString:
		return store.Str(s.Str)
	case TypeBool:
		return store.Bool(s.Int != 0)
	}
	return store.Value{}
}

func fromValue(v store.Value) Static {
	switch v.Kind {
	case store.KindString:
		if isArray(v.Str) {
			return Static{Type: TypeArray, Str: v.Str}
		}
		return strStatic(v.Str)
	case store.KindBytes:
		return strStatic(v.Str)
	case store.KindInt:
		return intStatic(v.Int)
	case store.KindFloat:
		return floatStatic(v.Flt)
	case store.KindBool:
		return boolStatic(v.Int != 0)
	}
	return Static{}
}

func enumName(names []string, i int64) string {
	if i >= 0 && int(i) < len(names) {
		return names[i]
	}
	return strconv.FormatInt(i, 10)
}

// Text is the value without quotes, as tag lists and attributes show it.
func (s Static) Text() string {
	if s.Type == TypeString || s.Type == TypeArray {
		return s.Str
	}
	return s.String()
}

// String is the value as a query writes it.
func (s Static) String() string {
	switch s.Type {
	case TypeInt:
		if s.Int == math.MinInt64 {
			return "minInt" // its digits without the sign are no integer
		}
		return strconv.FormatInt(s.Int, 10)
	case TypeFloat:
		f := strconv.FormatFloat(s.Flt, 'f', -1, 64)
		if !strings.ContainsAny(f, ".IN") {
			f += ".0"
		}
		return f
	case TypeString:
		return strconv.Quote(s.Str)
	case TypeBool:
		return strconv.FormatBool(s.Int != 0)
	case TypeDuration:
		return time.Duration(s.Int).String()
	case TypeStatus:
		return enumName(statusNames, s.Int)
	case TypeKind:
		return enumName(kindNames, s.Int)
	case TypeArray:
		return s.Str
	}
	return "nil"
}

// compareStatics applies a comparison. Numbers and durations compare with each
// other; other types only with their own: a comparison across types, or with an
// absent attribute, is false, != too. (= nil and != nil are told apart earlier.)
func compareStatics(op string, a, b Static) bool {
	if a.Type == TypeNil || b.Type == TypeNil {
		return false
	}
	if a.Type == TypeArray || b.Type == TypeArray {
		return compareArrays(a, b, op, func(x, y Static) bool { return compareStatics(op, x, y) })
	}
	x, aNum := a.number()
	y, bNum := b.number()
	switch {
	case aNum && bNum:
		if a.Type != TypeFloat && b.Type != TypeFloat {
			return ordered(op, a.Int, b.Int)
		}
		return ordered(op, x, y)
	case a.Type != b.Type:
		return false
	case a.Type == TypeString:
		return ordered(op, a.Str, b.Str)
	}
	return ordered(op, a.Int, b.Int)
}

// compareArrays compares the elements of arrays: any of them may satisfy the
// comparison, or, when it is negative, all must. Elements of another type do not
// count. A text of the shape of an array equals its whole text, too.
func compareArrays(a, b Static, op string, test func(x, y Static) bool) bool {
	negative := op == "!=" || op == "!~"
	list := Static.Elements
	if op == "=" || op == "=~" {
		list = Static.elements
	}
	met := false
	for _, x := range list(a) {
		for _, y := range list(b) {
			hit := test(x, y)
			met = met || meets(x.Type, y.Type)
			if negative && !hit && meets(x.Type, y.Type) {
				return false
			}
			if !negative && hit {
				return true
			}
		}
	}
	return negative && met
}

func ordered[T int64 | float64 | string](op string, a, b T) bool {
	switch op {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	}
	return false
}
