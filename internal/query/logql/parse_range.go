package logql

import (
	"math"
	"slices"
)

func (p *parser) rangeAgg(name string, at token) (Expr, error) {
	spec := rangeOps[name]
	e := &RangeAgg{Op: name}
	if err := p.expectOp("(", ""); err != nil {
		return nil, err
	}
	if spec.param {
		q, err := p.number()
		if err != nil {
			return nil, p.expected("a number", "parameter required for operation "+name)
		}
		e.Param = &q
		if err := p.expectOp(",", "write "+name+"(0.99, {…} | unwrap x [5m])"); err != nil {
			return nil, err
		}
	}
	if err := p.logRange(e); err != nil {
		return nil, err
	}
	if err := p.expectOp(")", ""); err != nil {
		return nil, err
	}
	g, err := p.grouping()
	if err != nil {
		return nil, err
	}
	e.Grouping = g
	switch {
	case g != nil && !spec.grouping:
		return nil, errorAt(p.src, at.pos, "wrap it: sum by (…) ("+name+"(…))", "grouping not allowed for %s aggregation", name)
	case spec.unwrap && e.Unwrap == nil:
		return nil, errorAt(p.src, at.pos, "add | unwrap <label> before the range", "invalid aggregation %s without unwrap", name)
	case !spec.unwrap && e.Unwrap != nil && name != "rate" && name != "absent_over_time":
		return nil, errorAt(p.src, at.pos, "use sum_over_time or another function of values", "invalid aggregation %s with unwrap", name)
	}
	return e, nil
}

// logRange reads selector, pipeline, unwrap, [range] and offset; the range may
// also stand right behind the selector.
func (p *parser) logRange(e *RangeAgg) error {
	parens := 0
	for p.isOp("(") && parens < maxDepth {
		p.next()
		parens++
	}
	m, err := p.selector()
	if err != nil {
		return err
	}
	e.Log = &LogExpr{Matchers: m}
	if err := p.maybeRange(e); err != nil {
		return err
	}
	pos := p.peek().pos
	if e.Log.Stages, err = p.pipeline(); err != nil {
		return err
	}
	if slices.ContainsFunc(e.Log.Stages, isDistinct) {
		return errorAt(p.src, pos, "count the values instead: count(count by (label) (count_over_time(…)))", "distinct is a stage of log queries")
	}
	if p.isOp("|") {
		if err := p.unwrap(e); err != nil {
			return err
		}
	}
	for parens > 0 && p.takeOp(")") {
		parens--
	}
	if err := p.maybeRange(e); err != nil {
		return err
	}
	for parens > 0 && p.takeOp(")") {
		parens--
	}
	if parens > 0 {
		return p.expected("\")\"", "")
	}
	if e.Range == 0 {
		return p.expected("a range such as [5m]", "")
	}
	return nil
}

func (p *parser) maybeRange(e *RangeAgg) error {
	if e.Range != 0 || !p.isOp("[") {
		return nil
	}
	p.next()
	if t := p.peek(); t.kind == tIdent {
		return errorAt(p.src, t.pos, "write a duration such as [5m]; variables such as $__auto are replaced by the client", "syntax error: %q is not a duration", t.text)
	}
	at := p.peek()
	d, err := p.duration("write a duration such as [5m]")
	if err != nil {
		return err
	}
	if d <= 0 {
		return errorAt(p.src, at.pos, "", "a range must be longer than 0")
	}
	e.Range = d
	if err := p.expectOp("]", ""); err != nil {
		return err
	}
	return p.rangeModifiers(e)
}

// rangeModifiers reads offset and @, in any order.
func (p *parser) rangeModifiers(e *RangeAgg) error {
	var err error
	offset := false
	for {
		switch at := p.peek(); {
		case p.isWord("offset"):
			if offset {
				return errorAt(p.src, at.pos, "", "offset may not be set multiple times")
			}
			offset = true
			p.next()
			neg := p.takeOp("-")
			if e.Offset, err = p.duration("write offset 5m"); err != nil {
				return err
			}
			if neg {
				e.Offset = -e.Offset
			}
		case p.isOp("@"):
			if e.At != nil {
				return errorAt(p.src, at.pos, "", "@ may not be set multiple times")
			}
			p.next()
			if e.At, err = p.atTime(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// maxAtSeconds is the largest time of @, the year 2262, in which Unix nanoseconds
// no longer fit into an integer.
const maxAtSeconds = math.MaxInt64 / 1e9

// atTime reads what follows @: start(), end() or Unix seconds.
func (p *parser) atTime() (*AtTime, error) {
	for _, word := range []string{"start", "end"} {
		if p.takeWord(word) {
			if err := p.expectOp("(", "write @ "+word+"()"); err != nil {
				return nil, err
			}
			return &AtTime{Bound: word}, p.expectOp(")", "")
		}
	}
	t := p.peek()
	secs, err := p.number()
	if err != nil {
		return nil, p.expected("start(), end() or a time in Unix seconds", "")
	}
	if math.Abs(secs) >= maxAtSeconds {
		return nil, errorAt(p.src, t.pos, "write the time in Unix seconds", "timestamp out of bounds for @ modifier: %s", formatNumber(secs))
	}
	return &AtTime{Nanos: int64(math.Round(secs*1000)) * 1e6}, nil
}

func (p *parser) unwrap(e *RangeAgg) error {
	p.next() // |
	p.next() // unwrap
	u := &Unwrap{}
	t := p.peek()
	name, err := p.labelName()
	if err != nil {
		return err
	}
	u.Label = name
	if p.takeOp("(") {
		if !slices.Contains([]string{"duration", "duration_seconds", "bytes"}, name) {
			return errorAt(p.src, t.pos, "unwrap converts with duration(), duration_seconds() and bytes()", "unknown conversion %q", name)
		}
		u.Conv = name
		if u.Label, err = p.labelName(); err != nil {
			return err
		}
		if err := p.expectOp(")", ""); err != nil {
			return err
		}
	}
	e.Unwrap = u
	u.Filter, err = p.filterAfterUnwrap()
	return err
}
