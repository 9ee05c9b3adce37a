package logql

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/buger/jsonparser"
)

const (
	errJSON   = "JSONParserErr"
	errLogfmt = "LogfmtParserErr"
)

// maxJSONDepth bounds the nesting that | json flattens.
const maxJSONDepth = 64

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

// jsonNames remembers the label name of each key, so that a name costs no
// allocation per line.
type jsonNames struct {
	known  map[string]string
	prefix []byte
}

// maxNames bounds the memory of remembered label names.
const maxNames = 10000

// name is the label of a key behind the current prefix; "" when the key is blank.
func (n *jsonNames) name(key []byte) string {
	from := len(n.prefix)
	n.push(key)
	full := n.prefix
	n.prefix = n.prefix[:from]
	if len(full) == from {
		return "" // a blank key has no label of its own
	}
	if name, ok := n.known[string(full)]; ok {
		return name
	}
	name := string(full)
	if n.known == nil {
		n.known = map[string]string{}
	}
	if len(n.known) < maxNames {
		n.known[name] = name
	}
	return name
}

// push appends a key to the prefix: parts are joined by underscores, and what a
// label name cannot hold becomes one. Only the first part needs one in front of a
// digit.
func (n *jsonNames) push(key []byte) {
	key = bytes.TrimSpace(key)
	if len(key) == 0 {
		return
	}
	if len(n.prefix) > 0 || isDigit(key[0]) {
		n.prefix = append(n.prefix, '_')
	}
	for _, r := range string(key) {
		if r < 128 && (isIdentStart(byte(r)) || isDigit(byte(r))) {
			n.prefix = append(n.prefix, byte(r))
		} else {
			n.prefix = append(n.prefix, '_')
		}
	}
}

// bytesOf views a string as bytes that nobody may change.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// textOf views bytes as a string; they must not change while it is in use.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// errEnough ends a parser early when every label that is asked for was found.
var errEnough = errors.New("all labels found")

// flattener is | json without expressions: every scalar of the line's object
// becomes a label; nested keys are joined with underscores, arrays and nulls are
// left out.
type flattener struct{ names jsonNames }

func (p *flattener) apply(b *lineLabels) {
	p.names.prefix = p.names.prefix[:0]
	if err := p.object(b, bytesOf(b.line), 0); err != nil && !errors.Is(err, errEnough) {
		b.setError(errJSON, err.Error())
	}
}

func (p *flattener) object(b *lineLabels, data []byte, depth int) error {
	if depth > maxJSONDepth {
		return errors.New("object is nested too deep")
	}
	return jsonparser.ObjectEach(data, func(k, v []byte, t jsonparser.ValueType, _ int) error {
		switch t {
		case jsonparser.Object:
			from := len(p.names.prefix)
			p.names.push(k)
			err := p.object(b, v, depth+1)
			p.names.prefix = p.names.prefix[:from]
			return err
		case jsonparser.String, jsonparser.Number, jsonparser.Boolean:
			if name := p.names.name(k); b.wants(name) {
				b.addParsed(name, jsonText(v, t))
				if b.enough() {
					return errEnough
				}
			}
		}
		return nil
	})
}

func jsonText(v []byte, t jsonparser.ValueType) string {
	switch {
	case t == jsonparser.Null:
		return ""
	case t != jsonparser.Number && t != jsonparser.Boolean && bytes.IndexByte(v, '\\') >= 0:
		out, err := jsonparser.Unescape(v, nil)
		if err != nil {
			return ""
		}
		return validText(string(out))
	}
	return validText(textOf(v))
}

// validText replaces what is not UTF-8 by spaces.
func validText(s string) string {
	if utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}

// extractJSON adds the labels of | json a="b.c". A path that leads nowhere gives an
// empty label.
func extractJSON(b *lineLabels, list []Extract, keys [][]string) {
	if b.line == "" {
		return
	}
	if c := b.line[0]; c != '{' && c != '[' && c != '"' {
		b.setError(errJSON, "")
		return
	}
	for i, x := range list {
		v, t, _, err := jsonparser.Get(bytesOf(b.line), keys[i]...)
		switch {
		case err == nil && t == jsonparser.Object:
			b.addParsed(x.Label, string(v))
		case err == nil:
			b.addParsed(x.Label, jsonText(v, t))
		case errors.Is(err, jsonparser.KeyPathNotFoundError):
			b.addMissing(x.Label)
		default:
			b.setError(errJSON, err.Error())
			return
		}
	}
}

// unpackJSON undoes promtail's pack stage: string members become labels and
// _entry becomes the line. An object without _entry is no packed line and stays.
func unpackJSON(b *lineLabels) {
	if b.line == "" {
		return
	}
	if b.line[0] != '{' {
		b.setError(errJSON, "expecting json object(6), but it is not")
		return
	}
	entry, found := "", false
	var packed []lineLabel
	err := jsonparser.ObjectEach(bytesOf(b.line), func(k, v []byte, t jsonparser.ValueType, _ int) error {
		switch {
		case t != jsonparser.String:
		case string(k) == "_entry":
			entry, found = jsonText(v, t), true
		default:
			packed = append(packed, lineLabel{name: sanitize(string(k)), value: jsonText(v, t)})
		}
		return nil
	})
	if err != nil {
		b.setError(errJSON, err.Error())
		return
	}
	if !found {
		return
	}
	for _, l := range packed {
		b.addParsed(l.name, l.value)
	}
	b.line = entry
}
