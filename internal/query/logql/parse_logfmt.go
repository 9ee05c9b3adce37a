package logql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// logfmtScanner reads the key=value pairs of a line.
type logfmtScanner struct {
	line       string
	pos        int
	key, value string
	err        error // of the newest fault
}

// next reads the next pair. It returns false for a fault too: while there is line
// left, a tolerant reader goes on.
func (s *logfmtScanner) next() bool {
	s.key, s.value = "", ""
	for s.pos < len(s.line) && s.line[s.pos] <= ' ' {
		s.pos++
	}
	start := s.pos
	for s.pos < len(s.line) && s.line[s.pos] > ' ' && s.line[s.pos] != '=' && s.line[s.pos] != '"' {
		s.pos++
	}
	key := s.line[start:s.pos]
	switch {
	case s.pos < len(s.line) && (s.line[s.pos] == '"' || s.line[s.pos] == '=' && key == ""):
		return s.unexpected()
	case key == "":
		return false
	case !utf8.ValidString(key) || strings.ContainsRune(key, utf8.RuneError):
		s.fault("invalid key")
		return s.skip()
	}
	s.key = key
	if s.pos == len(s.line) || s.line[s.pos] != '=' {
		return true
	}
	s.pos++
	if s.pos < len(s.line) && s.line[s.pos] == '"' {
		return s.quoted()
	}
	start = s.pos
	for s.pos < len(s.line) && s.line[s.pos] > ' ' {
		if c := s.line[s.pos]; c == '=' || c == '"' {
			return s.unexpected()
		}
		s.pos++
	}
	s.value = s.line[start:s.pos]
	return true
}

// quoted reads a value in quotes, whose escapes are JSON's.
func (s *logfmtScanner) quoted() bool {
	end := closingQuote(s.line, s.pos)
	if end < 0 {
		s.pos = len(s.line)
		s.fault("unterminated quoted value")
		return false
	}
	raw := s.line[s.pos+1 : end]
	s.pos = end + 1
	if strings.IndexByte(raw, '\\') < 0 {
		s.value = raw
		return true
	}
	var ok bool
	if s.value, ok = unescape(raw); !ok {
		s.fault("invalid quoted value")
	}
	return ok
}

func (s *logfmtScanner) unexpected() bool {
	s.fault("unexpected " + strconv.QuoteRune(rune(s.line[s.pos])))
	return s.skip()
}

// fault notes what is wrong at the current place, counted from 1.
func (s *logfmtScanner) fault(what string) {
	s.err = fmt.Errorf("logfmt syntax error at pos %d : %s", s.pos+1, what)
}

// skip leaves out the rest of a word.
func (s *logfmtScanner) skip() bool {
	for s.pos < len(s.line) && s.line[s.pos] > ' ' {
		s.pos++
	}
	return false
}

func closingQuote(line string, open int) int {
	for i := open + 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// unescape undoes JSON's escapes, and \' besides.
func unescape(s string) (string, bool) {
	var out strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			out.WriteString(s)
			break
		}
		out.WriteString(s[:i])
		if i+1 == len(s) {
			return "", false
		}
		if strings.IndexByte(`\/"'`, s[i+1]) >= 0 {
			out.WriteByte(s[i+1])
			s = s[i+2:]
			continue
		}
		if strings.IndexByte("bfnrtu", s[i+1]) < 0 {
			return "", false
		}
		r, _, rest, err := strconv.UnquoteChar(s[i:], '"')
		if err != nil {
			if s[i+1] != 'u' || len(s) < i+6 {
				return "", false
			}
			r, rest = utf8.RuneError, s[i+6:] // half of a surrogate pair
		}
		out.WriteRune(r)
		s = rest
	}
	return out.String(), true
}

// logfmtParser is | logfmt at work.
type logfmtParser struct {
	*Logfmt
	names map[string]string // label of a key, so that a name costs nothing per line
	found []string          // values of the expressions
}

func newLogfmtParser(s *Logfmt) *logfmtParser {
	return &logfmtParser{Logfmt: s, names: map[string]string{}, found: make([]string, len(s.Extracts))}
}

func (p *logfmtParser) name(key string) string {
	if n, ok := p.names[key]; ok {
		return n
	}
	n := sanitize(key)
	if len(p.names) < maxNames {
		key = strings.Clone(key)
		p.names[key] = sanitize(key)
	}
	return n
}

func (p *logfmtParser) apply(b *lineLabels) {
	s := logfmtScanner{line: b.line}
	clear(p.found)
	for s.pos < len(s.line) {
		if !s.next() {
			if p.Strict {
				break
			}
			continue
		}
		if len(p.Extracts) > 0 {
			for i, x := range p.Extracts {
				if p.name(s.key) == x.Expr {
					p.found[i] = validText(s.value)
				}
			}
			continue
		}
		if s.value == "" && !p.KeepEmpty {
			continue
		}
		if n := p.name(s.key); b.wants(n) {
			b.addParsed(n, validText(s.value))
			if b.enough() {
				return
			}
		}
	}
	for i, x := range p.Extracts {
		if p.found[i] == "" {
			b.addMissing(x.Label)
		} else {
			b.addParsed(x.Label, p.found[i])
		}
	}
	if p.Strict && s.err != nil {
		b.setError(errLogfmt, s.err.Error())
	}
}
