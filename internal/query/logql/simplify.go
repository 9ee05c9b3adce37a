package logql

import (
	"slices"
	"strings"

	"hinomi/internal/query/plan"
)

// simplify leaves out the stages of a metric query whose results nothing reads:
// parsers whose labels nobody asks for, formatted lines that nobody looks at, and
// drop __error__ where there can be no error. What remains is often nothing, and
// then the store counts without reading lines.
func (p rangePlan) simplify() []Stage {
	stages := p.agg.Log.Stages
	need := p.need()
	live := liveness{
		line:   p.op == plan.Bytes,
		all:    need == nil,
		names:  newNameSet(p.names...),
		parsed: need == nil || len(need.m) > 0 || need.errors,
	}
	if u := p.agg.Unwrap; u != nil {
		live.names.add(u.Label)
		for _, f := range u.Filter {
			needs(f, live.names)
		}
	}
	var out []Stage
	for i := len(stages) - 1; i >= 0; i-- {
		if live.wants(stages[i], stages[:i]) {
			out = append(out, stages[i])
		}
	}
	slices.Reverse(out)
	return out
}

// liveness is what the stages behind a place read.
type liveness struct {
	line   bool // the text of the line
	all    bool // any label
	names  *nameSet
	parsed bool // labels that a parser finds matter to the query
}

// reads notes that a label is read.
func (l *liveness) reads(name string) bool { return l.all || l.names.has(name) }

// wants tells whether stage s, which comes behind before, does anything that is read
// later, and notes what s reads itself.
func (l *liveness) wants(s Stage, before []Stage) bool {
	switch s := s.(type) {
	case *LineFilter:
		l.line = true
	case *LabelFilter:
		needs(s, l.names)
	case *JSON, *Logfmt, *Regexp, *Pattern:
		if !l.parsed {
			return false
		}
		l.line = true
	case *Unpack:
		l.line = true
	case *Decolorize:
		return l.line
	case *LineFormat:
		if !l.line {
			return false
		}
		l.line = s.tmpl.readsLine()
		l.all = !needs(s, l.names) || l.all
	case *LabelFormat:
		if !slices.ContainsFunc(s.Ops, func(o FormatOp) bool { return l.reads(o.Label) || o.Rename && l.reads(o.Source) }) {
			return false
		}
		for _, o := range s.Ops {
			l.line = l.line || o.tmpl != nil && o.tmpl.readsLine()
		}
		l.all = !needs(s, l.names) || l.all
	case *DropKeep:
		if s.Keep && !l.all && l.keptBy(s) || !s.Keep && !slices.ContainsFunc(s.Names, func(d DropItem) bool { return l.drops(d.Name, before) }) {
			return false
		}
		needs(s, l.names)
	}
	return true
}

// keptBy tells whether keep leaves all labels that are read.
func (l *liveness) keptBy(s *DropKeep) bool {
	for name := range l.names.m {
		if !slices.ContainsFunc(s.Names, func(d DropItem) bool { return d.Matcher == nil && d.Name == name }) {
			return false
		}
	}
	return true
}

// drops tells whether it matters that a label is dropped.
func (l *liveness) drops(name string, before []Stage) bool {
	if name == errorLabel || name == detailsLabel {
		return slices.ContainsFunc(before, canFail)
	}
	return l.reads(name)
}

// canFail tells whether a stage may mark a line with an error.
func canFail(s Stage) bool {
	switch s := s.(type) {
	case *JSON, *Unpack, *LineFormat, *LabelFormat:
		return true
	case *Logfmt:
		return s.Strict
	case *LabelFilter:
		return filterCanFail(s.Expr)
	}
	return false
}

func filterCanFail(e LabelExpr) bool {
	switch e := e.(type) {
	case *LabelNumber:
		return true
	case *LabelBinary:
		return filterCanFail(e.L) || filterCanFail(e.R)
	}
	return false
}

// readsLine tells whether the template may look at the line.
func (t *template) readsLine() bool { return strings.Contains(t.text, "__line__") }
