package logql

import (
	"regexp"
	"slices"
	"strings"
)

var lineOps = []string{"|=", "!=", "|~", "!~", "|>", "!>"}

// pipeline reads stages until something that is none. It stops before unwrap.
func (p *parser) pipeline() ([]Stage, error) {
	var out []Stage
	for {
		t := p.peek()
		if t.kind != tOp {
			return out, nil
		}
		var s Stage
		var err error
		switch {
		case slices.Contains(lineOps, t.text):
			s, err = p.lineFilter()
		case t.text == "|":
			if n := p.toks[p.i+1]; n.kind == tIdent && strings.EqualFold(n.text, "unwrap") && !p.comparesAt(p.i+2) {
				return out, nil
			}
			p.next()
			s, err = p.pipeStage()
		default:
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if isDistinct(s) && slices.ContainsFunc(out, isDistinct) {
			return nil, errorAt(p.src, t.pos, "name all labels in one: | distinct a, b", "a pipeline has one distinct")
		}
		out = append(out, s)
	}
}

func isDistinct(s Stage) bool {
	_, ok := s.(*Distinct)
	return ok
}

func (p *parser) lineFilter() (Stage, error) {
	f := &LineFilter{Op: p.next().text}
	for {
		m, err := p.lineMatch(f.Op)
		if err != nil {
			return nil, err
		}
		f.Any = append(f.Any, m)
		if !p.isWord("or") {
			return f, nil
		}
		if n := p.toks[p.i+1]; n.kind != tString && (n.kind != tIdent || !strings.EqualFold(n.text, "ip")) {
			return f, nil // the or of two metric queries
		}
		p.next()
	}
}

func (p *parser) lineMatch(op string) (LineMatch, error) {
	var m LineMatch
	if p.isWord("ip") {
		t := p.next()
		if op != "|=" && op != "!=" {
			return m, errorAt(p.src, t.pos, "write |= ip(…) or != ip(…)", "ip() does not go with %s", op)
		}
		text, ip, err := p.ipArg()
		if err != nil {
			return m, err
		}
		m.Text, m.IP, m.ip = text, true, ip
		return m, nil
	}
	t, err := p.stringLit("text to look for is quoted")
	if err != nil {
		return m, err
	}
	m.Text = t.text
	switch op {
	case "|~", "!~":
		if m.re, err = regexp.Compile(t.text); err != nil {
			return m, errorAt(p.src, t.pos, "to look for plain text use |=", "%s", err)
		}
	case "|>", "!>":
		var perr error
		if m.pattern, perr = parsePattern(t.text, true); perr != nil {
			return m, errorAt(p.src, t.pos, "", "%s", perr)
		}
	}
	return m, nil
}

func (p *parser) ipArg() (string, *ipMatcher, error) {
	if err := p.expectOp("(", ""); err != nil {
		return "", nil, err
	}
	t, err := p.stringLit("ip(\"192.168.0.0/16\")")
	if err != nil {
		return "", nil, err
	}
	ip, err := parseIPMatcher(t.text)
	if err != nil {
		return "", nil, errorAt(p.src, t.pos, "write an address, a range a-b or a CIDR", "%s", err)
	}
	return t.text, ip, p.expectOp(")", "")
}

// pipeStage reads what follows a |.
func (p *parser) pipeStage() (Stage, error) {
	t := p.peek()
	// A label may be called like a stage: | pattern="x".
	if t.kind == tIdent && !p.comparesAt(p.i+1) {
		switch strings.ToLower(t.text) {
		case "json":
			p.next()
			x, err := p.extracts(true)
			return &JSON{Extracts: x}, err
		case "logfmt":
			p.next()
			return p.logfmt()
		case "regexp":
			p.next()
			return p.regexpStage()
		case "pattern":
			p.next()
			return p.patternStage()
		case "unpack":
			p.next()
			return &Unpack{}, nil
		case "decolorize":
			p.next()
			return &Decolorize{}, nil
		case "line_format":
			p.next()
			return p.lineFormat()
		case "label_format":
			p.next()
			return p.labelFormat()
		case "drop", "keep":
			p.next()
			return p.dropKeep(strings.EqualFold(t.text, "keep"))
		case "distinct":
			p.next()
			return p.distinct()
		}
	}
	if t.kind != tIdent && !p.isOp("(") {
		return nil, p.expected("a parser, a formatter or a label filter", "for example | json, | line_format \"{{.msg}}\" or | status >= 400")
	}
	e, err := p.labelExpr()
	if err != nil {
		return nil, err
	}
	return &LabelFilter{Expr: e}, nil
}

// comparesAt tells whether token i compares. != and !~ do not count: behind a stage
// they are line filters.
func (p *parser) comparesAt(i int) bool {
	if i >= len(p.toks) || p.toks[i].kind != tOp || p.toks[i].text[0] == '!' {
		return false
	}
	return slices.Contains(comparisons, p.toks[i].text)
}

// extracts reads label="expr", label2="expr", label3.
func (p *parser) extracts(json bool) ([]Extract, error) {
	var out []Extract
	for p.peek().kind == tIdent && !p.isWord("or") {
		name, err := p.labelName()
		if err != nil {
			return nil, err
		}
		x := Extract{Label: name, Expr: name}
		pos := p.peek().pos
		if p.takeOp("=") {
			t, err := p.stringLit("")
			if err != nil {
				return nil, err
			}
			x.Expr, pos = t.text, t.pos
		}
		if json {
			if x.path, err = parsePath(x.Expr); err != nil {
				return nil, errorAt(p.src, pos, "write a path such as request.headers[0] or [\"a key\"]", "cannot parse expression [%s]: %s", x.Expr, err)
			}
		}
		out = append(out, x)
		if !p.takeOp(",") {
			break
		}
	}
	return out, nil
}

func (p *parser) logfmt() (Stage, error) {
	s := &Logfmt{}
	for p.peek().kind == tFlag {
		switch t := p.next(); t.text {
		case "--strict":
			s.Strict = true
		case "--keep-empty":
			s.KeepEmpty = true
		default:
			return nil, errorAt(p.src, t.pos, "logfmt knows --strict and --keep-empty", "syntax error: unknown flag %s", t.text)
		}
	}
	var err error
	s.Extracts, err = p.extracts(false)
	return s, err
}

func (p *parser) regexpStage() (Stage, error) {
	t, err := p.stringLit("")
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(t.text)
	if err != nil {
		return nil, errorAt(p.src, t.pos, "", "%s", err)
	}
	seen := map[string]bool{}
	for _, n := range re.SubexpNames() {
		if n == "" {
			continue
		}
		if seen[n] {
			return nil, errorAt(p.src, t.pos, "", "duplicate extracted label name '%s'", n)
		}
		seen[n] = true
	}
	if len(seen) == 0 {
		return nil, errorAt(p.src, t.pos, "name a group: (?P<status>\\d+)", "at least one named capture must be supplied")
	}
	return &Regexp{Text: t.text, re: re}, nil
}

func (p *parser) patternStage() (Stage, error) {
	t, err := p.stringLit("")
	if err != nil {
		return nil, err
	}
	pat, perr := parsePattern(t.text, false)
	if perr != nil {
		return nil, errorAt(p.src, t.pos, "", "%s", perr)
	}
	return &Pattern{Text: t.text, pattern: pat}, nil
}

func (p *parser) lineFormat() (Stage, error) {
	t, err := p.stringLit("line_format \"{{.status}} {{__line__}}\"")
	if err != nil {
		return nil, err
	}
	tmpl, terr := newTemplate(t.text)
	if terr != nil {
		return nil, errorAt(p.src, t.pos, "", "invalid line template: %s", terr)
	}
	return &LineFormat{Text: t.text, tmpl: tmpl}, nil
}

func (p *parser) labelFormat() (Stage, error) {
	s := &LabelFormat{}
	for {
		pos := p.peek().pos
		name, err := p.labelName()
		if err != nil {
			return nil, err
		}
		if name == errorLabel {
			return nil, errorAt(p.src, pos, "", "%s cannot be formatted", name)
		}
		if slices.ContainsFunc(s.Ops, func(o FormatOp) bool { return o.Label == name }) {
			return nil, errorAt(p.src, pos, "", "multiple label name '%s' not allowed in a single format operation", name)
		}
		if err := p.expectOp("=", ""); err != nil {
			return nil, err
		}
		op := FormatOp{Label: name}
		switch t := p.peek(); t.kind {
		case tIdent:
			if op.Source, err = p.labelName(); err != nil {
				return nil, err
			}
			op.Rename = true
		case tString:
			p.next()
			op.Source = t.text
			if op.tmpl, err = newTemplate(t.text); err != nil {
				return nil, errorAt(p.src, t.pos, "", "invalid template for label '%s': %s", name, err)
			}
		default:
			return nil, p.expected("a label name or a template string", "")
		}
		s.Ops = append(s.Ops, op)
		if !p.takeOp(",") {
			return s, nil
		}
	}
}

// distinct reads the labels of | distinct a, b.
func (p *parser) distinct() (Stage, error) {
	s := &Distinct{}
	for {
		name, err := p.labelName()
		if err != nil {
			return nil, err
		}
		if s.Names = append(s.Names, name); !p.takeOp(",") {
			return s, nil
		}
	}
}

func (p *parser) dropKeep(keep bool) (Stage, error) {
	s := &DropKeep{Keep: keep}
	for {
		t := p.toks[min(p.i+1, len(p.toks)-1)]
		var item DropItem
		if _, isMatch := matchTypes[t.text]; isMatch && t.kind == tOp && t.text != "==" && p.toks[min(p.i+2, len(p.toks)-1)].kind == tString {
			m, err := p.matcher()
			if err != nil {
				return nil, err
			}
			item = DropItem{Name: m.Name, Matcher: m}
		} else {
			name, err := p.labelName()
			if err != nil {
				return nil, err
			}
			item.Name = name
		}
		s.Names = append(s.Names, item)
		if !p.takeOp(",") {
			return s, nil
		}
	}
}
