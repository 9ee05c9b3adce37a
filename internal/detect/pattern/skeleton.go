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

// group is what is between a bracket and the one that closes it.
type group struct {
	open, close           int32 // close is -1 where nothing closes it
	commas, colons, words int32 // between its items, not in inner groups
	pairs                 bool  // it has key=value
}

const (
	// maxGroups bounds the brackets of a line that are matched.
	maxGroups = 64
	// maxNested bounds how deep they are.
	maxNested = 16
)

// match finds, in one pass, where every bracket is closed and what is in it.
func (s *scanner) match() {
	var stack [maxNested]int32
	depth := 0
	inner := func() *group {
		if depth == 0 || depth > maxNested || stack[depth-1] < 0 {
			return nil
		}
		return &s.groups[stack[depth-1]]
	}
	space := true
	for i := 0; i < len(s.text); i++ {
		kind := kinds[s.text[i]]
		if kind == inWord || kind == isDigit {
			if space {
				if g := inner(); g != nil {
					g.words++
				}
				space = false
			}
			continue
		}
		switch c := s.text[i]; c {
		case '(', '[', '{':
			at := int32(-1)
			if s.count < maxGroups && depth < maxNested {
				at = int32(s.count)
				s.groups[s.count] = group{open: int32(i), close: -1}
				s.count++
			}
			if depth < maxNested {
				stack[depth] = at
			}
			depth++
			space = true
		case ')', ']', '}':
			if g := inner(); g != nil {
				g.close = int32(i)
			}
			depth = max(0, depth-1)
		case ' ', '\t', '\r':
			space = true
		case ',':
			if g := inner(); g != nil {
				g.commas++
			}
		case '=':
			if g := inner(); g != nil && i > 0 && s.text[i-1] != ' ' && s.text[i-1] != '=' && int(g.open) != i-1 {
				g.pairs = true
			}
		}
		if c := s.text[i]; c == '"' {
			space = true
		}
	}
	// Colons are part of words for everything else.
	for k := range s.count {
		if g := &s.groups[k]; g.close >= 0 && g.commas > 0 && !g.pairs {
			g.colons = int32(strings.Count(s.text[g.open:g.close], ":"))
		}
	}
}

// groupAt returns the group that begins at i, nil when it was not matched.
func (s *scanner) groupAt(i int) *group {
	for s.next < s.count && int(s.groups[s.next].open) < i {
		s.next++
	}
	if s.next < s.count && int(s.groups[s.next].open) == i {
		return &s.groups[s.next]
	}
	return nil
}

// isList tells of "a, b", "k=v" and "k: v, …": data, not words of a statement.
func (g *group) isList() bool {
	switch {
	case g.pairs:
		return true
	case g.commas == 0:
		return false
	case g.colons > g.commas:
		return true
	}
	// Clauses of a sentence have more words between commas than items of a list.
	return g.words <= 2*(g.commas+1)
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

// isNaming tells of words behind which comes a name.
func isNaming(w string) bool {
	switch w {
	case "user", "username", "host", "hostname", "named", "file", "directory", "topic", "queue", "bucket":
		return true
	}
	return false
}

// What a byte is in a word.
const (
	inWord = iota
	ends
	isDigit
)

var kinds = func() (t [256]uint8) {
	for _, c := range []byte(" \t\r=([{\",;)]}|<>") {
		t[c] = ends
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = isDigit
	}
	return t
}()

// words takes what runs to a space or to structure. One word behind "key:", alone
// to the end of its brackets, is a value.
func (s *scanner) words(end, depth int) {
	from := s.at
	digit := false
	for s.at < end {
		kind := kinds[s.text[s.at]]
		if kind == ends {
			break
		}
		digit = digit || kind == isDigit
		s.at++
	}
	word := s.text[from:s.at]
	tail := len(word)
	for tail > 1 && strings.IndexByte(":.!?", word[tail-1]) >= 0 {
		tail--
	}
	word, punctuation := word[:tail], word[tail:]
	before := s.word
	s.word = word
	if punctuation != "" {
		s.word = ""
	}
	switch {
	case isValue(word, digit), isNaming(before) && isName(word), s.keyed && depth > 0 && s.at == end && punctuation == "":
		s.any()
		s.word = ""
	default:
		s.dst = append(s.dst, word...)
	}
	s.dst = append(s.dst, punctuation...)
	s.keyed = punctuation == ":"
}

// isName tells whether a word behind "user" can be one.
func isName(w string) bool {
	return !isNaming(w) && !isPreposition(w) && !strings.HasSuffix(w, "ed") && !strings.HasSuffix(w, "ing")
}

func isPreposition(w string) bool {
	switch w {
	case "in", "on", "at", "to", "by", "of", "is", "was", "not", "for", "from", "with", "has", "and", "or", "the", "a", "an", "name", "id", "request", "does", "already":
		return true
	}
	return false
}

// isValue tells whether a word cannot be one of a statement's own.
func isValue(w string, digit bool) bool {
	if digit {
		return !isLocation(w)
	}
	if len(w) > 1 && (w[0] == '/' && strings.IndexByte(w, '/') >= 0 || strings.IndexByte(w, '@') > 0 || strings.Contains(w, "://")) {
		return true
	}
	return len(w) >= 8 && isHex(w)
}

func isHex(w string) bool {
	for i := range len(w) {
		if c := w[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// isLocation tells of a place in source code, which names the statement:
// "OrderService#42", "main.go:17".
func isLocation(w string) bool {
	i := strings.LastIndexAny(w, "#:")
	if i <= 0 || i+1 >= len(w) || len(w)-i > 6 {
		return false
	}
	for _, c := range w[i+1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	name := w[:i]
	if strings.ContainsAny(name, "0123456789/") && w[i] == '#' {
		return false
	}
	if w[i] == '#' {
		return isLetter(name[0])
	}
	for _, ext := range []string{".go", ".java", ".py", ".js", ".ts", ".rb", ".cc", ".cpp", ".c", ".rs", ".kt", ".scala", ".php", ".cs"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
