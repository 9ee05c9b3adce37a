package pattern

import (
	"bytes"
	"strings"
)

const (
	// maxLine is how much of a line is looked at: templates tell themselves early.
	maxLine = 32 << 10
	// maxItem bounds the items of a list that are compared with each other.
	maxItem = 128
	// maxQuote bounds how far a closing apostrophe is looked for.
	maxQuote = 1024
)

// Skeleton returns the first line of text with Any for what cannot be constant.
// A JSON object is represented by its message, or else by its keys.
func Skeleton(text string) string { return string(AppendSkeleton(nil, text)) }

// AppendSkeleton appends the skeleton of a line to dst.
func AppendSkeleton(dst []byte, text string) []byte {
	text = strings.TrimLeft(text, " \t\r\n")
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	text = strings.TrimRight(text, " \t\r")
	if strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") {
		if out, ok := appendJSON(dst, text); ok {
			return out
		}
	}
	return appendMasked(dst, text)
}

func appendMasked(dst []byte, text string) []byte {
	if len(text) > maxLine {
		text = text[:maxLine]
	}
	s := scanner{dst: dst, start: len(dst), text: text}
	s.match()
	s.run(len(text), 0)
	return s.dst
}

// scanner masks text[at:] into dst.
type scanner struct {
	dst   []byte
	start int // of the skeleton in dst
	text  string
	at    int
	word  string // the last one, which can name what follows
	keyed bool   // the last word was a key: "name: "

	groups [maxGroups]group // in order of their beginnings
	count  int
	next   int // the first that may begin at or behind at
}

// run goes on to end, in brackets of the given depth.
func (s *scanner) run(end, depth int) {
	for s.at < end {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r':
			s.at++
			s.space()
		case '=':
			s.equals(end)
		case '(', '[', '{':
			s.bracket(end, depth)
		case '"', '\'', '`':
			s.quote(c, end)
		case ',', ';', ')', ']', '}', '|', '<', '>':
			s.at++
			s.dst = append(s.dst, c)
		default:
			s.words(end, depth)
		}
	}
}

func (s *scanner) space() {
	if n := len(s.dst); n > s.start && s.dst[n-1] != ' ' {
		s.dst = append(s.dst, ' ')
	}
}

// any appends Any, unless nothing but list punctuation separates it from one.
func (s *scanner) any() {
	n := len(s.dst)
	for n > s.start && (s.dst[n-1] == ' ' || s.dst[n-1] == ',' || s.dst[n-1] == ';') {
		n--
	}
	if n-s.start >= len(Any) && string(s.dst[n-len(Any):n]) == Any {
		s.dst = s.dst[:n]
		return
	}
	s.dst = append(s.dst, Any...)
}

// texts are the keys whose values are text of the statement, not values.
var texts = map[string]bool{"msg": true, "message": true, "event": true, "err": true, "error": true, "reason": true}

// equals masks the value behind a "=".
func (s *scanner) equals(end int) {
	s.dst = append(s.dst, '=')
	s.at++
	if s.at < end && s.text[s.at] == '=' || s.word == "" {
		for s.at < end && s.text[s.at] == '=' {
			s.dst = append(s.dst, '=') // A banner, or a comparison.
			s.at++
		}
		return
	}
	key := s.word
	s.word = ""
	for s.at < end && s.text[s.at] == ' ' {
		s.at++
	}
	if s.at >= end {
		return
	}
	if texts[key] && s.text[s.at] == '"' {
		if q := closing(s.text[:end], s.at); q > 0 {
			s.dst = append(s.dst, '"')
			s.at++
			s.run(q, 1)
			s.dst = append(s.dst, '"')
			s.at = q + 1
			return
		}
	}
	s.at = s.valueEnd(s.at, end)
	s.any()
}

// valueEnd is where the value that begins at i ends: behind its brackets or
// quotes, before a separator.
func (s *scanner) valueEnd(i, end int) int {
	for i < end {
		switch s.text[i] {
		case ' ', '\t', ',', ';', ')', ']', '}', '|':
			return i
		case '(', '[', '{':
			g := s.groupAt(i)
			if g == nil || g.close < 0 || int(g.close) >= end {
				return end
			}
			i = int(g.close) + 1
		case '"':
			q := closing(s.text[:end], i)
			if q < 0 {
				return end
			}
			i = q + 1
		default:
			i++
		}
	}
	return i
}

// closing is where the quote at i is closed, -1 when it is not.
func closing(text string, i int) int {
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case text[i]:
			return j
		}
	}
	return -1
}

// bracket masks what is in brackets when it is a list or has keys and values.
func (s *scanner) bracket(end, depth int) {
	open := s.at
	s.at++
	s.dst = append(s.dst, s.text[open])
	g := s.groupAt(open)
	if g == nil || g.close < 0 || int(g.close) >= end {
		return
	}
	q := int(g.close)
	if g.isList() {
		s.dst = append(s.dst, Any...)
	} else {
		s.run(q, depth+1)
		s.word = ""
	}
	s.dst = append(s.dst, s.text[q])
	s.at = q + 1
	s.repeated()
}

// repeated drops the last item of a list when it is like the one before.
func (s *scanner) repeated() {
	out := s.dst[s.start:]
	if len(out) > 2*maxItem {
		out = out[len(out)-2*maxItem:]
	}
	base := len(s.dst) - len(out)
	i := bytes.LastIndex(out, []byte(", "))
	if i < 0 {
		return
	}
	item := out[i+2:]
	if before, ok := bytes.CutSuffix(out[:i], item); ok && (len(before) == 0 || !isWord(before[len(before)-1])) {
		s.dst = s.dst[:base+i]
	}
}

// quote masks a quoted text. An apostrophe is no quote.
func (s *scanner) quote(c byte, end int) {
	if c == '\'' {
		if s.at > 0 && isWord(s.text[s.at-1]) {
			s.dst = append(s.dst, c)
			s.at++
			return
		}
		for j := s.at + 1; j < min(end, s.at+maxQuote); j++ {
			if s.text[j] == c && (j+1 == end || !isWord(s.text[j+1])) {
				s.masked(c, j)
				return
			}
		}
	} else if q := closing(s.text[:end], s.at); q > 0 {
		s.masked(c, q)
		return
	}
	s.dst = append(s.dst, c)
	s.at++
}

func (s *scanner) masked(c byte, q int) {
	s.dst = append(append(append(s.dst, c), Any...), c)
	s.at = q + 1
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c >= 0x80
}
