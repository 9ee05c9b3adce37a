package logql

import (
	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// compiled is a selector and its pipeline, split into what the store does (scan)
// and what is done line by line (stages).
type compiled struct {
	scan   plan.Scan
	stages []lineStage
	schema *schema
	index  map[store.ColumnRef]int
}

// column makes sure that the scan reads c and returns its place in a frame.
func (c *compiled) column(ref store.ColumnRef) int {
	if i, ok := c.index[ref]; ok {
		return i
	}
	i := len(c.scan.Columns)
	c.index[ref] = i
	c.scan.Columns = append(c.scan.Columns, ref)
	return i
}

// compile pushes down what the store can do: matchers, line filters up to the
// first stage that changes the line, and text filters on labels up to the first
// stage that changes labels.
func compile(e *LogExpr, s *schema) *compiled {
	c := &compiled{schema: s, index: map[store.ColumnRef]int{}}
	c.column(store.Col(store.ColTime))
	var where store.And
	for _, m := range e.Matchers {
		if p, ok := s.push(m, []store.ColumnRef{{Scope: store.Stream, Name: m.Name}}); ok {
			where = append(where, p)
		}
	}
	line, names := true, true
	for _, st := range e.Stages {
		pushed := false
		switch st := st.(type) {
		case *LineFilter:
			if line {
				var p store.Pred
				if p, pushed = pushLine(st); pushed {
					where = append(where, p)
				}
			}
		case *LabelFilter:
			if names {
				var p store.Pred
				if p, pushed = pushLabel(st.Expr, s); pushed {
					where = append(where, p)
				}
			}
		}
		if !pushed {
			c.stages = append(c.stages, compileStage(st))
		}
		line = line && !mutatesLine(st)
		names = names && !mutatesLabels(st)
	}
	if len(where) > 0 {
		c.scan.Where = where
	}
	return c
}

func pushLine(f *LineFilter) (store.Pred, bool) {
	body := store.Col(store.ColBody)
	var or store.Or
	for _, m := range f.Any {
		switch {
		case m.IP || m.pattern != nil:
			return nil, false
		case m.re != nil:
			or = append(or, store.Match{Col: body, Re: m.re})
		case m.Text == "":
			or = append(or, store.True{})
		default:
			or = append(or, store.Contains{Col: body, Sub: m.Text})
		}
	}
	var p store.Pred = or
	if len(or) == 1 {
		p = or[0]
	}
	if f.Op[0] == '!' {
		p = store.Not{P: p}
	}
	return p, true
}

// pushLabel turns a label filter into a predicate. Filters by number, duration,
// size and address are judged line by line because they can set __error__.
func pushLabel(e LabelExpr, s *schema) (store.Pred, bool) {
	switch e := e.(type) {
	case *LabelText:
		switch e.Matcher.Name {
		case errorLabel, detailsLabel:
			// Nothing before a parser sets an error.
			if e.Matcher.Matches("") {
				return store.True{}, true
			}
			return store.Or{}, true
		}
		if extractedName(e.Matcher) {
			return nil, false
		}
		return s.push(e.Matcher, s.candidates(e.Matcher.Name))
	case *LabelBinary:
		l, ok := pushLabel(e.L, s)
		if !ok {
			return nil, false
		}
		r, ok := pushLabel(e.R, s)
		if !ok {
			return nil, false
		}
		if e.Or {
			return store.Or{l, r}, true
		}
		return store.And{l, r}, true
	}
	return nil, false
}

func extractedName(m *labels.Matcher) bool {
	n := len(m.Name) - len(extractedSuffix)
	return n > 0 && m.Name[n:] == extractedSuffix
}

// run sends one line through the stages.
func (c *compiled) run(b *lineLabels) bool {
	for _, s := range c.stages {
		if !s(b) {
			return false
		}
	}
	return true
}
