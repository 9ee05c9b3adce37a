package logql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseError is a query that does not follow the grammar. Its text has the form
// that Loki's clients know: "parse error at line 1, col 12: …".
type ParseError struct {
	Line, Col int // from 1; Col counts characters
	Msg       string
	Hint      string // what to do about it; may be empty
}

func (e *ParseError) Error() string {
	s := fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

type tokenKind uint8

const (
	tEOF tokenKind = iota
	tIdent
	tString
	tNumber   // 1, 1.5, 1e3
	tDuration // 5m, 1h30m, 100ms
	tBytes    // 20MB, 1KiB
	tFlag     // --strict
	tOp       // punctuation and operators
)

type token struct {
	kind tokenKind
	text string // as written; for tString the unquoted value
	pos  int    // byte offset
	end  int
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

// operators, longest first so that a prefix does not hide a longer one.
var operators = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "==", "=~", ">=", "<=",
	"|", "=", ">", "<", "{", "}", "(", ")", "[", "]", ",", "+", "-", "*", "/", "%", "^", "@",
}

// errorAt makes a ParseError from a byte offset.
func errorAt(src string, pos int, hint, format string, args ...any) *ParseError {
	pos = min(max(pos, 0), len(src))
	before := src[:pos]
	line := strings.Count(before, "\n") + 1
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	}
	return &ParseError{Line: line, Col: utf8.RuneCountInString(before) + 1, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// lex cuts src into tokens, the last of which is tEOF.
func lex(src string) ([]token, *ParseError) {
	var out []token
	i := 0
	for i < len(src) {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '#' || strings.HasPrefix(src[i:], "//"):
			for i < len(src) && src[i] != '\n' {
				i++
			}
		case strings.HasPrefix(src[i:], "/*"):
			n := strings.Index(src[i:], "*/")
			if n < 0 {
				return nil, errorAt(src, i, "close the comment with */", "syntax error: comment not terminated")
			}
			i += n + len("*/")
		case c == '"' || c == '`':
			text, end, err := lexString(src, i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{tString, text, i, end})
			i = end
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(src) && isDigit(src[i+1]):
			t, err := lexNumber(src, i)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
			i = t.end
		case isIdentStart(c):
			end := i + 1
			for end < len(src) && (isIdentStart(src[end]) || isDigit(src[end]) || src[end] == ':' || src[end] == '.') {
				end++
			}
			out = append(out, token{tIdent, src[i:end], i, end})
			i = end
		case c == '-' && i+2 < len(src) && src[i+1] == '-' && isIdentStart(src[i+2]):
			end := i + 2
			for end < len(src) && (isIdentStart(src[end]) || src[end] == '-') {
				end++
			}
			out = append(out, token{tFlag, src[i:end], i, end})
			i = end
		default:
			op := ""
			for _, o := range operators {
				if strings.HasPrefix(src[i:], o) {
					op = o
					break
				}
			}
			if op == "" {
				r, _ := utf8.DecodeRuneInString(src[i:])
				hint := ""
				if r == '\'' || r == '“' || r == '”' {
					hint = "quote text with \" or `"
				}
				return nil, errorAt(src, i, hint, "syntax error: unexpected character %q", r)
			}
			out = append(out, token{tOp, op, i, i + len(op)})
			i += len(op)
		}
	}
	return append(out, token{tEOF, "", len(src), len(src)}), nil
}

func isDigit(c byte) bool      { return c >= '0' && c <= '9' }
func isIdentStart(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func lexString(src string, start int) (string, int, *ParseError) {
	quote := src[start]
	for i := start + 1; i < len(src); i++ {
		switch {
		case src[i] == '\\' && quote == '"':
			i++
		case src[i] == '\n' && quote == '"':
			return "", 0, errorAt(src, start, "close the string with \" before the line ends", "syntax error: string is not closed")
		case src[i] == quote:
			if quote == '`' {
				return src[start+1 : i], i + 1, nil
			}
			text, err := strconv.Unquote(src[start : i+1])
			if err != nil {
				return "", 0, errorAt(src, start, "write \\\\ for a backslash, or quote with ` where nothing is escaped", "syntax error: invalid escape in string")
			}
			return text, i + 1, nil
		}
	}
	return "", 0, errorAt(src, start, "close the string", "syntax error: string is not closed")
}

// lexNumber reads a number, duration or size: they start alike.
func lexNumber(src string, start int) (token, *ParseError) {
	end := start
	for end < len(src) {
		c := src[end]
		if isDigit(c) || c == '.' || unicode.IsLetter(rune(c)) || strings.HasPrefix(src[end:], "µ") {
			if strings.HasPrefix(src[end:], "µ") {
				end++
			}
			end++
			continue
		}
		prev := src[end-1]
		if (c == '+' || c == '-') && (prev == 'e' || prev == 'E') && end+1 < len(src) && isDigit(src[end+1]) && allDigits(src[start:end-1]) {
			end++
			continue
		}
		break
	}
	t := token{tNumber, src[start:end], start, end}
	if _, err := strconv.ParseFloat(t.text, 64); err == nil {
		return t, nil
	}
	if _, err := parseDuration(t.text); err == nil {
		t.kind = tDuration
		return t, nil
	}
	if _, err := parseBytes(t.text); err == nil {
		t.kind = tBytes
		return t, nil
	}
	return t, errorAt(src, start, "numbers are written 1.5, durations 5m or 1h30m, sizes 20MB or 1KiB", "syntax error: %q is not a number, duration or size", t.text)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && s[i] != '.' {
			return false
		}
	}
	return s != ""
}
