package logql

import (
	"errors"
	"fmt"
	"strings"
)

// linePattern is an expression of | pattern and |>: literals and captures such
// as <ip> or <_> in turn.
type linePattern struct{ nodes []patternNode }

type patternNode struct {
	literal string
	name    string // of a capture; _ is unnamed
	capture bool
}

// parsePattern reads a pattern. A filter takes unnamed captures only, the
// parser needs at least one named.
func parsePattern(text string, filter bool) (*linePattern, error) {
	p := &linePattern{}
	lit := ""
	named := 0
	flush := func() {
		if lit != "" {
			p.nodes = append(p.nodes, patternNode{literal: lit})
			lit = ""
		}
	}
	for i := 0; i < len(text); {
		end := captureEnd(text[i:])
		if end < 0 {
			lit += text[i : i+1]
			i++
			continue
		}
		name := text[i+1 : i+end]
		flush()
		if n := len(p.nodes); n > 0 && p.nodes[n-1].capture {
			return nil, fmt.Errorf("invalid pattern: found consecutive capture '<%s>'; put text between captures", name)
		}
		if name != "_" {
			named++
			for _, o := range p.nodes {
				if o.capture && o.name == name {
					return nil, fmt.Errorf("invalid pattern: duplicate capture name (%s)", name)
				}
			}
		}
		p.nodes = append(p.nodes, patternNode{name: name, capture: true})
		i += end + 1
	}
	flush()
	switch {
	case filter && named > 0:
		return nil, errors.New("named captures are not allowed in a pattern filter; write <_>")
	case !filter && named == 0:
		return nil, errors.New("at least one named capture is required, for example <status>")
	}
	return p, nil
}

// captureEnd returns the offset of > when s starts with a capture, else -1.
func captureEnd(s string) int {
	if len(s) < 3 || s[0] != '<' || !isIdentStart(s[1]) {
		return -1
	}
	for i := 2; i < len(s); i++ {
		if s[i] == '>' {
			return i
		}
		if !isIdentStart(s[i]) && !isDigit(s[i]) {
			return -1
		}
	}
	return -1
}

// extract calls fn for every named capture. A literal in front must start the
// line. A capture whose end is not found takes the rest of the line.
func (p *linePattern) extract(line string, fn func(name, value string)) {
	nodes := p.nodes
	if line == "" {
		return
	}
	if !nodes[0].capture {
		rest, ok := strings.CutPrefix(line, nodes[0].literal)
		if !ok {
			return
		}
		line, nodes = rest, nodes[1:]
	}
	for len(nodes) > 0 {
		c := nodes[0]
		end, next := len(line), len(line)
		if len(nodes) > 1 {
			if i := strings.Index(line, nodes[1].literal); i >= 0 {
				end, next = i, i+len(nodes[1].literal)
			} else {
				nodes = nodes[:1]
			}
		}
		if c.name != "_" {
			fn(c.name, line[:end])
		}
		line = line[next:]
		nodes = nodes[min(2, len(nodes)):]
	}
}

// match tells whether the whole line has the form of the pattern. A literal may
// stand anywhere at first, and a capture is never empty.
func (p *linePattern) match(line string) bool {
	if line == "" || len(p.nodes) == 0 {
		return line == "" && len(p.nodes) == 0
	}
	for i, n := range p.nodes {
		if n.capture {
			continue
		}
		j := strings.Index(line, n.literal)
		if j < 0 || i != 0 && j == 0 {
			return false
		}
		line = line[j+len(n.literal):]
	}
	return p.nodes[len(p.nodes)-1].capture == (line != "")
}
