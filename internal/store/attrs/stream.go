package attrs

import (
	"strconv"
	"strings"
)

// Label is one label of a Loki stream.
type Label struct{ Name, Value string }

// Stream renders labels, which must be sorted by name and unique, as Loki
// prints a stream: {a="b", c="d"}.
func Stream(labels []Label) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// EachLabel calls fn for each label of a rendered stream until fn returns
// false. Text that is not a rendered stream ends the walk.
func EachLabel(stream string, fn func(name, value string) bool) {
	rest := strings.TrimPrefix(stream, "{")
	for {
		eq := strings.IndexByte(rest, '=')
		if eq < 0 {
			return
		}
		name := strings.TrimLeft(rest[:eq], ", ")
		quoted, err := strconv.QuotedPrefix(rest[eq+1:])
		if err != nil {
			return
		}
		value, err := strconv.Unquote(quoted)
		if err != nil || !fn(name, value) {
			return
		}
		rest = rest[eq+1+len(quoted):]
	}
}

// StreamLabel returns one label of a rendered stream.
func StreamLabel(stream, name string) (string, bool) {
	var out string
	found := false
	EachLabel(stream, func(n, v string) bool {
		if n == name {
			out, found = v, true
		}
		return !found
	})
	return out, found
}
