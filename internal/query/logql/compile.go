package logql

import (
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// compiled is a selector and its pipeline, split into what the store does (scan)
// and what is done line by line (stages).
type compiled struct {
	scan   plan.Scan
	stages []lineStage
	drops  bool // a stage may drop lines
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
		if _, ok := st.(*Distinct); ok {
			// What follows must not keep lines from being the first.
			line, names = false, false
		}
		pushed := false
		switch st := st.(type) {
		case *LineFilter:
			if line {
				if p := pushLine(st); p.where != nil {
					where, pushed = append(where, p.where), p.exact
				}
			}
		case *LabelFilter:
			if names {
				if p := pushLabel(st.Expr, s); p.where != nil {
					where, pushed = append(where, p.where), p.exact
				}
			}
		}
		if !pushed {
			c.stages = append(c.stages, compileStage(st))
			c.drops = c.drops || dropsLines(st)
		}
		line = line && !mutatesLine(st)
		names = names && !mutatesLabels(st)
	}
	if len(where) > 0 {
		c.scan.Where = where
	}
	return c
}

// fork compiles e, of which c was compiled, for a further worker of the same scan.
func (c *compiled) fork(e *LogExpr) *compiled {
	f := compile(e, c.schema)
	f.scan, f.index = c.scan, c.index
	return f
}

// dropsLines tells whether a stage filters.
func dropsLines(s Stage) bool {
	switch s.(type) {
	case *LineFilter, *LabelFilter, *Distinct:
		return true
	}
	return false
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
