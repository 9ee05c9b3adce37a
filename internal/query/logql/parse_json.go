package logql

import (
	"errors"
	"strconv"
	"strings"

	"github.com/buger/jsonparser"
)

const (
	errJSON   = "JSONParserErr"
	errLogfmt = "LogfmtParserErr"
)

// maxJSONDepth bounds the nesting that | json flattens.
const maxJSONDepth = 64

var errNotObject = errors.New("Value looks like object, but can't find closing '}' symbol") //nolint:staticcheck // Loki's text

// pathStep is one step of a JSON expression: a key or an index.
type pathStep struct {
	key   string
	index int // -1 for a key
}

// parsePath reads a.b[0]["c d"].
func parsePath(s string) ([]pathStep, error) {
	var out []pathStep
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '.':
			if i == 0 || i+1 == len(s) || s[i+1] == '.' || s[i+1] == '[' {
				return nil, errors.New("unexpected '.'")
			}
			i++
		case c == '[':
			end := strings.IndexByte(s[i:], ']')
			if i+1 < len(s) && s[i+1] == '"' {
				q := strings.Index(s[i+2:], `"]`)
				if q < 0 {
					return nil, errors.New("unclosed bracket")
				}
				out = append(out, pathStep{key: s[i+2 : i+2+q], index: -1})
				i += q + 4
				break
			}
			if end < 0 {
				return nil, errors.New("unclosed bracket")
			}
			n, err := strconv.Atoi(s[i+1 : i+end])
			if err != nil || n < 0 {
				return nil, errors.New("an index must be a whole number")
			}
			out = append(out, pathStep{index: n})
			i += end + 1
		default:
			end := i
			for end < len(s) && s[end] != '.' && s[end] != '[' {
				end++
			}
			if strings.ContainsAny(s[i:end], "]\" \t\n") {
				return nil, errors.New("unexpected character")
			}
			out = append(out, pathStep{key: s[i:end], index: -1})
			i = end
		}
	}
	if len(out) == 0 {
		return nil, errors.New("empty expression")
	}
	return out, nil
}

// jsonKeys turns a path into jsonparser's form.
func jsonKeys(path []pathStep) []string {
	out := make([]string, len(path))
	for i, s := range path {
		out[i] = s.key
		if s.index >= 0 {
			out[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return out
}

// flattenJSON adds every scalar of the line's object as a label; nested keys are
// joined with underscores and arrays are left out.
func flattenJSON(b *lineLabels) {
	data := []byte(b.line)
	if err := flattenObject(b, "", data, 0); err != nil {
		b.setError(errJSON, err.Error())
	}
}

func flattenObject(b *lineLabels, prefix string, data []byte, depth int) error {
	if depth > maxJSONDepth {
		return errors.New("object is nested too deep")
	}
	t := strings.TrimLeft(string(data[:min(len(data), 64)]), " \t\r\n")
	if t == "" || t[0] != '{' {
		return errNotObject
	}
	return jsonparser.ObjectEach(data, func(k, v []byte, t jsonparser.ValueType, _ int) error {
		key := prefix + sanitizeJSONKey(prefix, string(k))
		switch t {
		case jsonparser.Object:
			return flattenObject(b, key+"_", v, depth+1)
		case jsonparser.Array, jsonparser.NotExist, jsonparser.Unknown:
			return nil
		}
		b.addParsed(key, jsonText(v, t))
		return nil
	})
}

// sanitizeJSONKey lets a digit lead behind a prefix, where it is no name's start.
func sanitizeJSONKey(prefix, key string) string {
	s := sanitize(key)
	if prefix != "" && len(key) > 0 && isDigit(key[0]) {
		return strings.TrimPrefix(s, "_")
	}
	return s
}

func jsonText(v []byte, t jsonparser.ValueType) string {
	switch t {
	case jsonparser.Null:
		return ""
	case jsonparser.String:
		s, err := jsonparser.ParseString(v)
		if err != nil {
			return strings.ToValidUTF8(string(v), "\uFFFD")
		}
		return s
	}
	return string(v)
}

// extractJSON adds the labels of | json a="b.c".
func extractJSON(b *lineLabels, list []Extract, keys [][]string) {
	data := []byte(b.line)
	if t := strings.TrimLeft(b.line, " \t\r\n"); t == "" || t[0] != '{' && t[0] != '[' {
		b.setError(errJSON, errNotObject.Error())
		return
	}
	for i, x := range list {
		v, t, _, err := jsonparser.Get(data, keys[i]...)
		if err != nil {
			if !errors.Is(err, jsonparser.KeyPathNotFoundError) {
				b.setError(errJSON, err.Error())
				return
			}
			b.addParsed(x.Label, "")
			continue
		}
		b.addParsed(x.Label, jsonText(v, t))
	}
}

// unpackJSON undoes promtail's pack stage: string members become labels and
// _entry becomes the line.
func unpackJSON(b *lineLabels) {
	data := []byte(b.line)
	if t := strings.TrimLeft(b.line, " \t\r\n"); t == "" || t[0] != '{' {
		b.setError(errJSON, "expecting json object(6), but it is not")
		return
	}
	entry, found := "", false
	err := jsonparser.ObjectEach(data, func(k, v []byte, t jsonparser.ValueType, _ int) error {
		if t != jsonparser.String {
			return nil
		}
		if string(k) == "_entry" {
			entry, found = jsonText(v, t), true
			return nil
		}
		b.addParsed(sanitize(string(k)), jsonText(v, t))
		return nil
	})
	if err != nil {
		b.setError(errJSON, err.Error())
		return
	}
	if found {
		b.line = entry
	}
}
