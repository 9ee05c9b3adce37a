package logql

import (
	"regexp"
	"slices"
	"strings"
)

// errTemplate is the value of __error__ when a template fails.
const errTemplate = "TemplateFormatErr"

// lineStage does one stage for one line; false drops the line.
type lineStage func(b *lineLabels) bool

// compileStage makes a stage executable, for one worker.
func compileStage(s Stage) lineStage {
	switch s := s.(type) {
	case *LineFilter:
		return func(b *lineLabels) bool { return s.matches(b.line) }
	case *LabelFilter:
		return func(b *lineLabels) bool { return evalLabelExpr(s.Expr, b) }
	case *JSON:
		if len(s.Extracts) == 0 {
			return parsing((&flattener{}).apply)
		}
		var keys [][]string
		for _, x := range s.Extracts {
			keys = append(keys, jsonKeys(x.path))
		}
		return parsing(func(b *lineLabels) { extractJSON(b, s.Extracts, keys) })
	case *Logfmt:
		return parsing(newLogfmtParser(s).apply)
	case *Regexp:
		names := s.re.SubexpNames()
		return parsing(func(b *lineLabels) {
			loc := s.re.FindStringSubmatchIndex(b.line)
			for i := 0; i < len(loc); i += 2 {
				if names[i/2] == "" {
					continue
				}
				value := ""
				if loc[i] >= 0 {
					value = b.line[loc[i]:loc[i+1]]
				}
				b.addParsed(names[i/2], value)
			}
		})
	case *Pattern:
		return parsing(func(b *lineLabels) { s.pattern.extract(b.line, b.addParsed) })
	case *Unpack:
		return parsing(unpackJSON)
	case *LineFormat:
		tmpl := s.tmpl.fresh()
		return func(b *lineLabels) bool {
			out, err := tmpl.run(b)
			if err != nil {
				b.setError(errTemplate, err.Error())
				return true
			}
			b.line = out
			return true
		}
	case *LabelFormat:
		own := &LabelFormat{Ops: slices.Clone(s.Ops)}
		for i := range own.Ops {
			own.Ops[i].tmpl = own.Ops[i].tmpl.fresh()
		}
		return own.apply
	case *DropKeep:
		return s.apply
	case *Distinct:
		return s.following()
	case *Decolorize:
		return func(b *lineLabels) bool {
			if strings.IndexByte(b.line, '\x1b') >= 0 {
				b.line = ansi.ReplaceAllString(b.line, "")
			}
			return true
		}
	}
	return func(*lineLabels) bool { return true }
}

// parsing wraps a parser, which drops no line.
func parsing(fn func(b *lineLabels)) lineStage {
	return func(b *lineLabels) bool {
		fn(b)
		return true
	}
}

// ansi finds terminal control sequences.
var ansi = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07]*\x07")

// matches tells whether a line passes the filter. The texts of a negated filter
// must all be absent.
func (s *LineFilter) matches(line string) bool {
	any := false
	for i := range s.Any {
		if s.Any[i].found(s.Op, line) {
			any = true
			break
		}
	}
	return any != (s.Op[0] == '!')
}

func (m *LineMatch) found(op, line string) bool {
	switch {
	case m.IP:
		return m.ip.found(line)
	case m.re != nil:
		return m.re.MatchString(line)
	case m.pattern != nil:
		return m.pattern.match(line)
	}
	return strings.Contains(line, m.Text)
}

func (s *LabelFormat) apply(b *lineLabels) bool {
	for _, o := range s.Ops {
		if o.Rename {
			v, ok := b.get(o.Source)
			if ok {
				b.set(o.Label, v)
				if o.Source != o.Label {
					b.del(o.Source)
				}
			}
			continue
		}
		v, err := o.tmpl.run(b)
		if err != nil {
			b.setError(errTemplate, err.Error())
			continue
		}
		b.set(o.Label, v)
	}
	return true
}

func (s *DropKeep) apply(b *lineLabels) bool {
	if !s.Keep {
		for _, n := range s.Names {
			if n.Matcher == nil || n.Matcher.Matches(b.value(n.Name)) {
				b.del(n.Name)
			}
		}
		return true
	}
	kept := b.list[:0]
	for _, l := range b.list {
		for _, n := range s.Names {
			if n.Name == l.name && (n.Matcher == nil || n.Matcher.Matches(l.value)) {
				kept = append(kept, l)
				break
			}
		}
	}
	b.list = kept
	return true
}

// mutatesLine tells whether the line's text is another one behind the stage.
func mutatesLine(s Stage) bool {
	switch s.(type) {
	case *LineFormat, *Unpack, *Decolorize:
		return true
	}
	return false
}

// mutatesLabels tells whether labels are others behind the stage.
func mutatesLabels(s Stage) bool {
	switch s.(type) {
	case *LineFilter, *LabelFilter, *LineFormat, *Decolorize, *Distinct:
		return false
	}
	return true
}

// needs adds the labels that a stage reads; false when it may read any.
func needs(s Stage, into *nameSet) bool {
	switch s := s.(type) {
	case *LabelFilter:
		walkLabelExpr(s.Expr, into.add)
	case *LineFormat:
		return templateNeeds(s.tmpl, into)
	case *LabelFormat:
		for _, o := range s.Ops {
			if o.Rename {
				into.add(o.Source)
			} else if !templateNeeds(o.tmpl, into) {
				return false
			}
		}
	case *Distinct:
		for _, n := range s.Names {
			into.add(n)
		}
	case *DropKeep:
		for _, n := range s.Names {
			if n.Matcher != nil {
				into.add(n.Name)
			}
		}
	}
	return true
}

func templateNeeds(t *template, into *nameSet) bool {
	for _, f := range t.fields {
		into.add(f)
	}
	return !t.all
}
