package logql

import (
	"fmt"
	"strconv"
	"strings"
)

// eachLogfmt calls fn for every key=value of a line. In strict mode it stops at
// the first fault, else it skips what it cannot read.
func eachLogfmt(line string, strict bool, fn func(key, value string)) error {
	i := 0
	for i < len(line) {
		if line[i] <= ' ' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
			i++
		}
		key := line[start:i]
		if i < len(line) && (line[i] == '"' || line[i] == '=' && key == "") {
			if strict {
				return fmt.Errorf("logfmt syntax error at pos %d : unexpected '%c'", i+1, line[i])
			}
			i = skipWord(line, i)
			continue
		}
		if i >= len(line) || line[i] != '=' {
			fn(key, "")
			continue
		}
		i++
		if i >= len(line) || line[i] <= ' ' {
			fn(key, "")
			continue
		}
		if line[i] == '"' {
			end := closingQuote(line, i)
			if end < 0 {
				if strict {
					return fmt.Errorf("logfmt syntax error at pos %d : unterminated quoted value", len(line))
				}
				return nil
			}
			raw := line[i : end+1]
			value := raw[1 : len(raw)-1]
			if strings.IndexByte(value, '\\') >= 0 {
				if u, err := strconv.Unquote(raw); err == nil {
					value = u
				}
			}
			fn(key, value)
			i = end + 1
			continue
		}
		start = i
		for i < len(line) && line[i] > ' ' && line[i] != '"' && (line[i] != '=' || !strict) {
			i++
		}
		if i < len(line) && (line[i] == '"' || line[i] == '=') {
			if strict {
				return fmt.Errorf("logfmt syntax error at pos %d : unexpected '%c'", i+1, line[i])
			}
			i = skipWord(line, i)
			continue
		}
		fn(key, line[start:i])
	}
	return nil
}

func skipWord(line string, i int) int {
	for i < len(line) && line[i] > ' ' {
		i++
	}
	return i
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

func (s *Logfmt) apply(b *lineLabels) {
	add := func(key, value string) {
		if value == "" && !s.KeepEmpty {
			return
		}
		if name := sanitize(key); name != "" {
			b.addParsed(name, value)
		}
	}
	if len(s.Extracts) > 0 {
		found := map[string]string{}
		add = func(key, value string) {
			if _, ok := found[key]; !ok {
				found[key] = value
			}
		}
		defer func() {
			for _, x := range s.Extracts {
				b.addParsed(x.Label, found[x.Expr])
			}
		}()
	}
	if err := eachLogfmt(b.line, s.Strict, add); err != nil {
		b.setError(errLogfmt, err.Error())
	}
}
