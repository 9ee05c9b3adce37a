// Package logql is Grafana Loki's query language: parser, printer and an engine
// that compiles queries to query/plan. Semantics follow the LogQL documentation
// (https://grafana.com/docs/loki/latest/query/).
package logql

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Bounds of what the parser takes, so that no query can exhaust the stack or
// memory before its limits are known.
const (
	maxQueryBytes = 128 << 10
	maxDepth      = 100
)

type parser struct {
	src   string
	toks  []token
	i     int
	depth int
}

// Parse reads a query. The error is a *ParseError.
func Parse(query string) (Expr, error) {
	if len(query) > maxQueryBytes {
		return nil, errorAt(query, 0, "", "query is longer than %d bytes", maxQueryBytes)
	}
	toks, lexErr := lex(query)
	if lexErr != nil {
		return nil, lexErr
	}
	p := &parser{src: query, toks: toks}
	e, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tEOF {
		return nil, p.unexpected(t, trailingHint(t))
	}
	return e, nil
}

// ParseLog reads a query that must select log lines.
func ParseLog(query string) (*LogExpr, error) {
	e, err := Parse(query)
	if err != nil {
		return nil, err
	}
	l, ok := e.(*LogExpr)
	if !ok {
		return nil, errorAt(query, 0, "write a selector such as {service_name=\"gateway\"}", "expected a log query, got a metric query")
	}
	return l, nil
}

// ParseMatchers reads a bare selector, {a="b"}.
func ParseMatchers(query string) ([]*labels.Matcher, error) {
	l, err := ParseLog(query)
	if err != nil {
		return nil, err
	}
	if len(l.Stages) > 0 {
		return nil, errorAt(query, 0, "leave out everything after the closing brace", "expected only a stream selector")
	}
	return l.Matchers, nil
}

func trailingHint(t token) string {
	switch {
	case t.text == "[":
		return "a range belongs inside a function: rate({…}[5m])"
	case t.kind == tIdent:
		return "stages start with |, for example | json"
	}
	return ""
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tEOF {
		p.i++
	}
	return t
}

func (p *parser) isOp(text string) bool {
	t := p.peek()
	return t.kind == tOp && t.text == text
}

func (p *parser) isWord(text string) bool {
	t := p.peek()
	return t.kind == tIdent && strings.EqualFold(t.text, text)
}

func (p *parser) takeOp(text string) bool {
	if p.isOp(text) {
		p.i++
		return true
	}
	return false
}

func (p *parser) takeWord(text string) bool {
	if p.isWord(text) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expectOp(text, hint string) error {
	if p.takeOp(text) {
		return nil
	}
	return p.expected(quoteToken(text), hint)
}

func quoteToken(s string) string { return "\"" + s + "\"" }

func (p *parser) expected(what, hint string) error {
	t := p.peek()
	return errorAt(p.src, t.pos, hint, "syntax error: unexpected %s, expecting %s", t.describe(), what)
}

func (p *parser) unexpected(t token, hint string) error {
	return errorAt(p.src, t.pos, hint, "syntax error: unexpected %s", t.describe())
}

func (p *parser) enter() error {
	p.depth++
	if p.depth > maxDepth {
		return errorAt(p.src, p.peek().pos, "split the query", "query is nested deeper than %d levels", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// labelName reads the name of a label.
func (p *parser) labelName() (string, error) {
	t := p.peek()
	if t.kind != tIdent {
		return "", p.expected("a label name", "")
	}
	if strings.ContainsAny(t.text, ".:") {
		fixed := strings.NewReplacer(".", "_", ":", "_").Replace(t.text)
		return "", errorAt(p.src, t.pos, "write "+fixed, "label names have letters, digits and underscores only, got %q", t.text)
	}
	p.i++
	return t.text, nil
}

func (p *parser) stringLit(hint string) (token, error) {
	if p.peek().kind != tString {
		return token{}, p.expected("a string", hint)
	}
	return p.next(), nil
}

// selector reads {a="b", …}.
func (p *parser) selector() ([]*labels.Matcher, error) {
	start := p.peek()
	if err := p.expectOp("{", ""); err != nil {
		return nil, err
	}
	var out []*labels.Matcher
	for !p.isOp("}") {
		m, err := p.matcher()
		if err != nil {
			return nil, err
		}
		out = append(out, m)
		if !p.takeOp(",") {
			break
		}
	}
	if err := p.expectOp("}", "matchers are separated by commas"); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(out, func(m *labels.Matcher) bool { return !m.Matches("") }) {
		return nil, errorAt(p.src, start.pos, "", "queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will")
	}
	return out, nil
}

var matchTypes = map[string]labels.MatchType{
	"=": labels.MatchEqual, "==": labels.MatchEqual, "!=": labels.MatchNotEqual,
	"=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp,
}

func (p *parser) matcher() (*labels.Matcher, error) {
	name, err := p.labelName()
	if err != nil {
		return nil, err
	}
	op := p.peek()
	mt, ok := matchTypes[op.text]
	if op.kind != tOp || !ok || op.text == "==" {
		return nil, p.expected("one of = != =~ !~", "")
	}
	p.next()
	val, err := p.stringLit("label values are quoted")
	if err != nil {
		return nil, err
	}
	return p.newMatcher(mt, name, val)
}

func (p *parser) newMatcher(mt labels.MatchType, name string, val token) (*labels.Matcher, error) {
	m, err := labels.NewMatcher(mt, name, val.text)
	if err != nil {
		return nil, errorAt(p.src, val.pos, "", "%s", err)
	}
	return m, nil
}

// duration reads 5m; also a bare 0.
func (p *parser) duration(hint string) (time.Duration, error) {
	t := p.peek()
	if t.kind == tDuration {
		p.next()
		d, err := parseDuration(t.text)
		if err != nil {
			return 0, errorAt(p.src, t.pos, hint, "%q is not a duration", t.text)
		}
		return d, nil
	}
	return 0, p.expected("a duration", hint)
}
