// Package attrs is the JSON form in which attributes are stored: one canonical
// object with sorted keys. Types survive: integers have no fraction or
// exponent, floats always do, bytes and the floats that JSON lacks are tagged
// objects ({"$bytes":"base64"}, {"$float":"NaN"}).
package attrs

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	bytesTag = "$bytes"
	floatTag = "$float"
	// maxDepth bounds nesting; deeper values are stored as null. OTLP senders
	// nest two or three levels.
	maxDepth = 32
)

// AppendMap appends the canonical JSON object of m to dst.
func AppendMap(dst []byte, m pcommon.Map) []byte { return appendMap(dst, m, 0) }

func appendMap(dst []byte, m pcommon.Map, depth int) []byte {
	type member struct {
		key string
		val pcommon.Value
	}
	members := make([]member, 0, m.Len())
	for k, v := range m.All() {
		members = append(members, member{k, v})
	}
	slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	dst = append(dst, '{')
	first := true
	for i, e := range members {
		if i+1 < len(members) && members[i+1].key == e.key {
			continue // The last of duplicate keys wins, as in pdata readers.
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendString(dst, e.key)
		dst = append(dst, ':')
		dst = appendValue(dst, e.val, depth+1)
	}
	return append(dst, '}')
}

// AppendValue appends the JSON form of v to dst.
func AppendValue(dst []byte, v pcommon.Value) []byte { return appendValue(dst, v, 0) }

func appendValue(dst []byte, v pcommon.Value, depth int) []byte {
	if depth > maxDepth {
		return append(dst, "null"...)
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return AppendString(dst, v.Str())
	case pcommon.ValueTypeInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case pcommon.ValueTypeDouble:
		return AppendFloat(dst, v.Double())
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(dst, v.Bool())
	case pcommon.ValueTypeBytes:
		dst = append(dst, `{"`+bytesTag+`":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes().AsRaw())
		return append(dst, `"}`...)
	case pcommon.ValueTypeMap:
		return appendMap(dst, v.Map(), depth)
	case pcommon.ValueTypeSlice:
		dst = append(dst, '[')
		for i := range v.Slice().Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, v.Slice().At(i), depth+1)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}

// AppendFloat appends f so that it reads back as a float, never as an integer.
func AppendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		dst = append(dst, `{"`+floatTag+`":"`...)
		dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
		return append(dst, `"}`...)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	for _, c := range dst[n:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				i++
				start = i
				continue
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
