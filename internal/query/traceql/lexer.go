package traceql

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

type tokenKind uint8

const (
	tEOF tokenKind = iota
	tWord
	tAttr // an attribute reference
	tString
	tInt
	tFloat
	tDuration
	tOp
)

type token struct {
	kind tokenKind
	text string // as written; of a string its value
	pos  int
	attr *Attribute
	val  Static
}

func (t token) describe() string {
	switch t.kind {
	case tEOF:
		return "end of query"
	case tString:
		return "string " + strconv.Quote(t.text)
	}
	return strconv.Quote(t.text)
}

// operators, longest first.
var operators = []string{
	"&>>", "&<<", "!>>", "!<<", "&&", "||", ">>", "<<", ">=", "<=", "!=", "=~", "!~", "!>", "!<", "&>", "&<", "&~",
	"{", "}", "(", ")", "|", "=", ">", "<", "~", "!", "+", "-", "*", "/", "%", "^", ",",
}

var attrScopes = map[string]Scope{
	"span": ScopeSpan, "resource": ScopeResource, "event": ScopeEvent, "link": ScopeLink, "instrumentation": ScopeInstrumentation,
}

func errorAt(src string, pos int, hint, format string, args ...any) *ParseError {
	pos = min(max(pos, 0), len(src))
	before := src[:pos]
	line := strings.Count(before, "\n") + 1
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	}
	return &ParseError{Line: line, Col: utf8.RuneCountInString(before) + 1, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// isAttrRune tells what an unquoted attribute name may hold. Slashes, dashes and
// the like belong to names, so arithmetic on attributes needs spaces.
func isAttrRune(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune("{}()=~!<>&|^,\"`", r) && r != utf8.RuneError
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func lex(src string) ([]token, *ParseError) {
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		var t token
		var end int
		var err *ParseError
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case strings.HasPrefix(src[i:], "//"):
			for i < len(src) && src[i] != '\n' {
				i++
			}
			continue
		case c == '"' || c == '`':
			t.kind = tString
			t.text, end, err = lexString(src, i)
		case isDigit(c) || c == '.' && i+1 < len(src) && isDigit(src[i+1]):
			t, end, err = lexNumber(src, i)
		case c == '.' || isWordByte(c):
			t, end, err = lexWord(src, i)
		default:
			t.kind = tOp
			for _, o := range operators {
				if strings.HasPrefix(src[i:], o) {
					t.text = o
					break
				}
			}
			if t.text == "" {
				r, _ := utf8.DecodeRuneInString(src[i:])
				return nil, errorAt(src, i, "", "syntax error: unexpected character %q", r)
			}
			end = i + len(t.text)
		}
		if err != nil {
			return nil, err
		}
		t.pos = i
		out = append(out, t)
		i = end
	}
	return append(out, token{kind: tEOF, pos: len(src)}), nil
}

func lexString(src string, start int) (string, int, *ParseError) {
	quote := src[start]
	for i := start + 1; i < len(src); i++ {
		switch {
		case src[i] == '\\' && quote == '"':
			i++
		case src[i] == quote:
			if quote == '`' {
				return src[start+1 : i], i + 1, nil
			}
			text, err := strconv.Unquote(src[start : i+1])
			if err != nil {
				return "", 0, errorAt(src, start, "write \\\\ for a backslash", "syntax error: invalid escape in string")
			}
			return text, i + 1, nil
		}
	}
	return "", 0, errorAt(src, start, "close the string", "syntax error: string is not closed")
}

// lexQuotedName reads a quoted part of an attribute's name, in which only the
// quote and the backslash are escaped.
func lexQuotedName(src string, start int) (string, int, *ParseError) {
	var b strings.Builder
	for i := start + 1; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			return b.String(), i + 1, nil
		case c == '\\':
			if i++; i >= len(src) || src[i] != '"' && src[i] != '\\' {
				return "", 0, errorAt(src, i, "only \\\" and \\\\ are known in attribute names", "invalid escape sequence")
			}
			b.WriteByte(src[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, errorAt(src, start, "close the string", "unexpected EOF, expecting \"")
}

func lexNumber(src string, start int) (token, int, *ParseError) {
	end := start
	for end < len(src) && (isDigit(src[end]) || src[end] == '.' || isWordByte(src[end]) || strings.HasPrefix(src[end:], "µ") || src[end] == "µ"[1]) {
		end++
	}
	text := src[start:end]
	t := token{text: text}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		t.kind, t.val = tInt, intStatic(n)
		return t, end, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") && !strings.ContainsAny(text, "xXpP_") {
		t.kind, t.val = tFloat, floatStatic(f)
		return t, end, nil
	}
	// Prometheus' units first, which has days, weeks and years.
	if d, err := model.ParseDuration(text); err == nil {
		t.kind, t.val = tDuration, durStatic(int64(d))
		return t, end, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		t.kind, t.val = tDuration, durStatic(int64(d))
		return t, end, nil
	}
	return t, end, errorAt(src, start, "numbers are written 1.5, durations 100ms, 1.5s or 1h30m", "syntax error: %q is not a number or duration", text)
}

// lexWord reads words (name, count, true), scoped attributes (span.http.method,
// .foo, parent.x, event."a b") and intrinsics with a colon (trace:id).
func lexWord(src string, start int) (token, int, *ParseError) {
	i := start
	attr := &Attribute{}
	for {
		w := i
		for w < len(src) && isWordByte(src[w]) {
			w++
		}
		word := src[i:w]
		next := byte(0)
		if w < len(src) {
			next = src[w]
		}
		scope, known := attrScopes[word]
		switch {
		case next == '.' && word == "parent" && !attr.Parent && attr.Scope == ScopeNone:
			attr.Parent = true
			i = w + 1
			// parent.span.x and parent.resource.x name a scope; parent.x does not.
			rest := src[i:]
			if !strings.HasPrefix(rest, "span.") && !strings.HasPrefix(rest, "resource.") {
				if canon, end, ok := bareIntrinsic(src, i); ok {
					attr.Scope, attr.Name = ScopeIntrinsic, canon
					return token{kind: tAttr, text: src[start:end], attr: attr}, end, nil
				}
				return lexAttrName(src, start, i, attr)
			}
			continue
		case next == '.' && known:
			attr.Scope = scope
			return lexAttrName(src, start, w+1, attr)
		case word == "" && next == '.':
			return lexAttrName(src, start, w+1, attr)
		case next == ':':
			end := w + 1
			for end < len(src) && isWordByte(src[end]) {
				end++
			}
			canon, ok := intrinsics[src[i:end]]
			if !ok {
				return token{}, 0, errorAt(src, start, "for example span:id, trace:rootName, event:name", "syntax error: unknown intrinsic %q", src[start:end])
			}
			attr.Scope, attr.Name = ScopeIntrinsic, canon
			return token{kind: tAttr, text: src[start:end], attr: attr}, end, nil
		}
		if canon, ok := intrinsics[word]; ok && next != '(' {
			attr.Scope, attr.Name = ScopeIntrinsic, canon
			return token{kind: tAttr, text: word, attr: attr}, w, nil
		}
		return token{kind: tWord, text: word}, max(w, start+1), nil
	}
}

// bareIntrinsic reads duration, name and the like behind parent.
func bareIntrinsic(src string, i int) (string, int, bool) {
	end := i
	for end < len(src) {
		r, n := utf8.DecodeRuneInString(src[end:])
		if !isAttrRune(r) {
			break
		}
		end += n
	}
	canon, ok := intrinsics[src[i:end]]
	return canon, end, ok && canon != "parent"
}

// lexAttrName reads the name at i; parts may be quoted.
func lexAttrName(src string, start, i int, attr *Attribute) (token, int, *ParseError) {
	var name strings.Builder
	for i < len(src) {
		if src[i] == '"' {
			text, end, err := lexQuotedName(src, i)
			if err != nil {
				return token{}, 0, err
			}
			name.WriteString(text)
			i = end
			continue
		}
		r, n := utf8.DecodeRuneInString(src[i:])
		if !isAttrRune(r) {
			break
		}
		name.WriteRune(r)
		i += n
	}
	attr.Name = name.String()
	if attr.Name == "" {
		return token{}, 0, errorAt(src, start, "for example span.http.method or .http.method", "syntax error: an attribute name is missing")
	}
	return token{kind: tAttr, text: src[start:i], attr: attr}, i, nil
}
