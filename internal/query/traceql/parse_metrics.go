package traceql

import (
	"slices"
	"strings"
)

// maxGroupBy is how many attributes a metrics function can be grouped by, and
// maxCompareTop how many values compare() can list; both as in Tempo.
const (
	maxGroupBy    = 5
	maxCompareTop = 1000
)

// metricFunctions begin a metrics query; topk and bottomk follow them.
var metricFunctions = []string{
	"rate", "count_over_time", "min_over_time", "max_over_time", "avg_over_time", "sum_over_time",
	"quantile_over_time", "histogram_over_time", "compare",
}

func isMetricFunction(t token) bool {
	return t.kind == tWord && slices.Contains(metricFunctions, t.text)
}

// metricsDepth is how deep in parentheses the first metrics function stands; -1
// when the query has none.
func (p *parser) metricsDepth() int {
	depth := 0
	for _, t := range p.toks {
		switch {
		case t.kind == tOp && t.text == "(":
			depth++
		case t.kind == tOp && t.text == ")":
			depth--
		case isMetricFunction(t):
			return depth
		}
	}
	return -1
}

// root reads everything but the hints.
func (p *parser) root() (*Query, error) {
	switch p.metricsDepth() {
	case -1:
		pipe, err := p.pipeline()
		return &Query{Pipe: pipe}, err
	case 0:
		m, err := p.metricsPipeline()
		if err != nil {
			return nil, err
		}
		e, err := p.secondStages(m)
		return &Query{Metrics: e}, err
	}
	e, err := p.metricsMath(4)
	if err != nil {
		return nil, err
	}
	if _, ok := e.(*MetricsNumber); ok {
		return nil, p.unexpected("")
	}
	e, err = p.secondStages(e)
	return &Query{Metrics: e}, err
}

// metricsPipeline reads spanset elements up to and including the function.
func (p *parser) metricsPipeline() (*MetricsPipeline, error) {
	out := &MetricsPipeline{Pipe: &Pipeline{}}
	for {
		if isMetricFunction(p.peek()) {
			if len(out.Pipe.Elems) == 0 {
				return nil, p.unexpected(elementHint)
			}
			var err error
			out.Agg, err = p.metricsAgg()
			return out, err
		}
		e, err := p.element(len(out.Pipe.Elems) == 0)
		if err != nil {
			return nil, err
		}
		out.Pipe.Elems = append(out.Pipe.Elems, e)
		if err := p.expect("|", "a metrics function follows a spanset: { status = error } | rate()"); err != nil {
			return nil, err
		}
	}
}

func (p *parser) metricsAgg() (*MetricsAgg, error) {
	t := p.next()
	a := &MetricsAgg{Op: t.text}
	if err := p.expect("(", ""); err != nil {
		return nil, err
	}
	var err error
	switch a.Op {
	case "rate", "count_over_time":
	case "compare":
		if err = p.compareArgs(a); err != nil {
			return nil, err
		}
	default:
		if a.Attr, err = p.attributeArg(a.Op + " takes an attribute: " + a.Op + "(duration)"); err != nil {
			return nil, err
		}
		if a.Op == "quantile_over_time" {
			if err = p.quantiles(a); err != nil {
				return nil, err
			}
		}
	}
	if err := p.expect(")", ""); err != nil {
		return nil, err
	}
	if a.Op != "compare" && p.word("by") {
		if a.By, err = p.attributeList("by"); err != nil {
			return nil, err
		}
	}
	limit := maxGroupBy
	if a.Op == "avg_over_time" || a.Op == "quantile_over_time" || a.Op == "histogram_over_time" {
		limit--
	}
	if len(a.By) > limit {
		return nil, errorAt(p.src, t.pos, "", "metrics group by %d values not yet supported", len(a.By))
	}
	return a, nil
}

func (p *parser) attributeArg(hint string) (*Attribute, error) {
	t := p.peek()
	if t.kind != tAttr {
		return nil, p.unexpected(hint)
	}
	p.next()
	return t.attr, nil
}

// attributeList reads (attribute, …).
func (p *parser) attributeList(of string) ([]*Attribute, error) {
	if err := p.expect("(", ""); err != nil {
		return nil, err
	}
	var out []*Attribute
	for {
		a, err := p.attributeArg(of + " takes attributes: " + of + "(span.http.url, name)")
		if err != nil {
			return nil, err
		}
		out = append(out, a)
		if !p.op(",") {
			return out, p.expect(")", "")
		}
	}
}

func (p *parser) quantiles(a *MetricsAgg) error {
	if !p.isOp(",") {
		return p.unexpected("name the quantiles: quantile_over_time(duration, .5, .99)")
	}
	for p.op(",") {
		t := p.next()
		q, ok := t.val.number()
		if !ok || t.kind == tDuration {
			p.i = max(0, p.i-1)
			return p.unexpected("quantiles are numbers from 0 to 1")
		}
		if q < 0 || q > 1 {
			return errorAt(p.src, t.pos, "", "quantile must be between 0 and 1: %v", q)
		}
		a.Qs = append(a.Qs, q)
	}
	return nil
}

func (p *parser) compareArgs(a *MetricsAgg) error {
	at := p.peek()
	e, err := p.spansetOperand()
	if err != nil {
		return err
	}
	sel, ok := e.(*SpansetFilter)
	if !ok {
		return errorAt(p.src, at.pos, "compare({ status = error }, 10)", "syntax error: compare() takes one spanset filter")
	}
	a.Sel, a.TopN = sel, 10
	var ints []int64
	for p.op(",") {
		t := p.peek()
		if t.kind != tInt {
			return p.unexpected("compare({ status = error }, 10, start, end)")
		}
		p.next()
		ints = append(ints, t.val.Int)
	}
	switch len(ints) {
	case 0, 1, 3:
	default:
		return p.unexpected("give both start and end in Unix nanoseconds, or neither")
	}
	if len(ints) > 0 {
		if ints[0] <= 0 || ints[0] > maxCompareTop {
			return errorAt(p.src, at.pos, "", "compare() top number of values must be an integer between 1 and %d", maxCompareTop)
		}
		a.TopN = int(ints[0])
	}
	if len(ints) == 3 {
		a.Start, a.End = ints[1], ints[2]
		switch {
		case a.Start == 0 && a.End == 0:
		case a.Start <= 0 || a.End <= 0:
			return errorAt(p.src, at.pos, "", "compare() timestamps must be positive integer unix nanoseconds")
		case a.End <= a.Start:
			return errorAt(p.src, at.pos, "", "compare() end timestamp must be greater than start timestamp")
		}
	}
	return nil
}

// secondStages reads | topk(n), | bottomk(n) and comparisons behind x.
func (p *parser) secondStages(x MetricsExpr) (MetricsExpr, error) {
	for {
		t := p.peek()
		switch {
		case p.isOp("|"):
			p.next()
			f := p.peek()
			if f.kind != tWord || f.text != "topk" && f.text != "bottomk" {
				return nil, p.unexpected("only topk(n) and bottomk(n) follow a metrics function")
			}
			p.next()
			n, err := p.limitArg()
			if err != nil {
				return nil, err
			}
			x = &TopK{Op: f.text, N: n, X: x}
		case t.kind == tOp && fieldOps[t.text] == 3 && !strings.HasSuffix(t.text, "~"):
			p.next()
			v, err := p.constant(4)
			if err != nil {
				return nil, err
			}
			x = &Threshold{Op: t.text, Val: v, X: x}
		default:
			return x, nil
		}
		if hasCompare(x) {
			return nil, errorAt(p.src, t.pos, "", "`compare()` cannot be used with second stage functions")
		}
	}
}

func hasCompare(e MetricsExpr) bool {
	return slices.ContainsFunc(pipelines(e), func(m *MetricsPipeline) bool { return m.Agg.Op == "compare" })
}

func (p *parser) limitArg() (int, error) {
	if err := p.expect("(", ""); err != nil {
		return 0, err
	}
	t := p.peek()
	if t.kind != tInt {
		return 0, p.unexpected("say how many: topk(10)")
	}
	p.next()
	if t.val.Int <= 0 || t.val.Int > 1<<31 {
		return 0, errorAt(p.src, t.pos, "", "limit must be greater than 0")
	}
	return int(t.val.Int), p.expect(")", "")
}

// metricsMath reads arithmetic of metrics queries in parentheses and numbers.
func (p *parser) metricsMath(minPrec int) (MetricsExpr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	l, err := p.metricsOperand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		prec := fieldOps[t.text]
		if t.kind != tOp || prec < minPrec || prec > 5 || t.text == "%" {
			return l, nil
		}
		p.next()
		r, err := p.metricsMath(prec + 1)
		if err != nil {
			return nil, err
		}
		m := &MetricsMath{Op: t.text, L: l, R: r}
		if hasCompare(m) {
			return nil, errorAt(p.src, t.pos, "", "`compare()` cannot be used with second stage functions")
		}
		l = m
		if x, ok := m.L.(*MetricsNumber); ok {
			if y, ok := m.R.(*MetricsNumber); ok {
				// Numbers fold before they meet a series, so 1/2 is 0 as between integers.
				v := arithmetic(t.text, x.Val, y.Val)
				if v.Type == TypeNil {
					return nil, errorAt(p.src, t.pos, "", "division by zero")
				}
				l = &MetricsNumber{v}
			}
		}
	}
}

func (p *parser) metricsOperand() (MetricsExpr, error) {
	t := p.peek()
	switch {
	case t.kind == tDuration:
		return nil, errorAt(p.src, t.pos, "", "duration cannot be used as a scalar operand in metric arithmetic")
	case t.kind == tInt || t.kind == tFloat:
		p.next()
		return &MetricsNumber{t.val}, nil
	case p.op("-"):
		x, err := p.metricsMath(6)
		if err != nil {
			return nil, err
		}
		n, ok := x.(*MetricsNumber)
		if !ok {
			return nil, errorAt(p.src, t.pos, "multiply by -1", "syntax error: only a number can be negated here")
		}
		return &MetricsNumber{unary("-", n.Val)}, nil
	case !p.isOp("("):
		return nil, p.unexpected("metrics queries are put in parentheses to compute with them: ({ status = error } | rate()) / ({ } | rate())")
	}
	p.next()
	var x MetricsExpr
	var err error
	if p.isOp("{") || p.isOp("(") && p.spansetAhead() && !p.metricsInside() || p.peek().kind == tWord {
		x, err = p.metricsPipeline()
	} else {
		x, err = p.metricsMath(4)
	}
	if err != nil {
		return nil, err
	}
	if x, err = p.secondStages(x); err != nil {
		return nil, err
	}
	return x, p.expect(")", "")
}

// metricsInside tells whether the parentheses that open here hold a metrics
// function.
func (p *parser) metricsInside() bool {
	depth := 0
	for _, t := range p.toks[p.i:] {
		switch {
		case t.kind == tOp && t.text == "(":
			depth++
		case t.kind == tOp && t.text == ")":
			if depth--; depth == 0 {
				return false
			}
		case isMetricFunction(t):
			return true
		}
	}
	return false
}

// constant reads arithmetic of numbers and folds it.
func (p *parser) constant(minPrec int) (Static, error) {
	at := p.peek()
	e, err := p.scalar(minPrec)
	if err != nil {
		return Static{}, err
	}
	v, ok := fold(e)
	if !ok {
		return v, errorAt(p.src, at.pos, "", "syntax error: expecting a number")
	}
	if _, isOp := e.(*ScalarOp); isOp && usesDuration(e) {
		return v, errorAt(p.src, at.pos, "", "duration cannot be used in scalar arithmetic")
	}
	if v.Type == TypeNil {
		return v, errorAt(p.src, at.pos, "", "division by zero")
	}
	return v, nil
}

// fold evaluates a scalar expression without aggregates.
func fold(e ScalarExpr) (Static, bool) {
	switch e := e.(type) {
	case *Static:
		return *e, true
	case *ScalarOp:
		l, ok1 := fold(e.L)
		r, ok2 := fold(e.R)
		return arithmetic(e.Op, l, r), ok1 && ok2
	}
	return Static{}, false
}

func usesDuration(e ScalarExpr) bool {
	switch e := e.(type) {
	case *Static:
		return e.Type == TypeDuration
	case *ScalarOp:
		return usesDuration(e.L) || usesDuration(e.R)
	}
	return false
}
