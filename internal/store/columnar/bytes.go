package columnar

import (
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// stringBytes views s as bytes, which must not be changed.
func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// bytesString views b as a string; b must not change afterwards.
func bytesString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendMember adds "key": value to an unfinished JSON object.
func appendMember(dst []byte, key string, v store.Value) []byte {
	if len(dst) == 0 {
		dst = append(dst, '{')
	} else {
		dst = append(dst, ',')
	}
	dst = attrs.AppendString(dst, key)
	dst = append(dst, ':')
	switch v.Kind {
	case store.KindInt:
		return strconv.AppendInt(dst, v.Int, 10)
	case store.KindFloat:
		return attrs.AppendFloat(dst, v.Flt)
	case store.KindBool:
		return strconv.AppendBool(dst, v.Int != 0)
	default:
		return attrs.AppendString(dst, v.Str)
	}
}

// sortedByCount lists the keys, most frequent first.
func sortedByCount(counts map[string]int) []string {
	names := make([]string, 0, len(counts))
	for n := range counts {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	return names
}

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
