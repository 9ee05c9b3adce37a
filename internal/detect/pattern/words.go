package pattern

import "strings"

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
