package logql

import (
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// LabelFilter is | expr over labels.
type LabelFilter struct{ Expr LabelExpr }

func (f *LabelFilter) String() string { return "| " + f.Expr.String() }

// LabelExpr is *LabelText, *LabelNumber, *LabelIP or *LabelBinary.
type LabelExpr interface{ String() string }

// LabelText compares a label with a text: = != =~ !~.
type LabelText struct{ Matcher *labels.Matcher }

// LabelNumber compares a label, read as Unit says, with a number.
type LabelNumber struct {
	Name string
	Op   string // == != > >= < <=
	Val  float64
	Unit byte   // 'n' number, 'd' duration (Val is seconds), 'b' bytes
	Text string // the constant as written
}

// LabelIP is name = ip("…") or name != ip("…").
type LabelIP struct {
	Name string
	Not  bool
	Text string
	ip   *ipMatcher
}

// LabelBinary is and/or of two filters.
type LabelBinary struct {
	Or   bool
	L, R LabelExpr
}

func (e *LabelText) String() string   { return matcherString(e.Matcher) }
func (e *LabelNumber) String() string { return e.Name + e.Op + e.Text }
func (e *LabelIP) String() string {
	op := "="
	if e.Not {
		op = "!="
	}
	return e.Name + op + "ip(" + strconv.Quote(e.Text) + ")"
}
func (e *LabelBinary) String() string {
	op := " and "
	if e.Or {
		op = " or "
	}
	return "(" + e.L.String() + op + e.R.String() + ")"
}

// errLabelFilter is the value of __error__ when a label cannot be read as the
// filter's unit.
const errLabelFilter = "LabelFilterErr"

// eval tells whether the labels pass. As in Loki, a label that cannot be read
// marks the line with an error and lets it pass, and a line with an error is
// judged by text filters only.
func evalLabelExpr(e LabelExpr, b *lineLabels) bool {
	switch e := e.(type) {
	case *LabelText:
		return e.Matcher.Matches(b.value(e.Matcher.Name))
	case *LabelBinary:
		l := evalLabelExpr(e.L, b)
		if e.Or && l {
			return true
		}
		if !e.Or && !l {
			return false
		}
		return evalLabelExpr(e.R, b)
	case *LabelIP:
		v, ok := b.get(e.Name)
		if !ok {
			return false
		}
		return e.ip.matchExact(v) != e.Not
	case *LabelNumber:
		if b.err != "" {
			return true
		}
		text, ok := b.get(e.Name)
		if !ok {
			return false
		}
		v, err := e.read(text)
		if err != nil {
			b.setError(errLabelFilter, err.Error())
			return true
		}
		return compareFloat(e.Op, v, e.Val)
	}
	return false
}

// read turns a label's text into a number in the filter's unit.
func (e *LabelNumber) read(text string) (float64, error) {
	switch e.Unit {
	case 'd':
		d, err := parseDuration(text)
		if err != nil {
			return 0, &strconv.NumError{Func: "ParseDuration", Num: text, Err: err}
		}
		return time.Duration.Seconds(d), nil
	case 'b':
		n, err := parseBytes(text)
		if err != nil {
			return 0, &strconv.NumError{Func: "ParseBytes", Num: text, Err: err}
		}
		return n, nil
	}
	return strconv.ParseFloat(text, 64)
}

func compareFloat(op string, a, b float64) bool {
	switch op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	}
	return a <= b
}

// walkLabelExpr calls fn for the label name of every leaf.
func walkLabelExpr(e LabelExpr, fn func(name string)) {
	switch e := e.(type) {
	case *LabelText:
		fn(e.Matcher.Name)
	case *LabelNumber:
		fn(e.Name)
	case *LabelIP:
		fn(e.Name)
	case *LabelBinary:
		walkLabelExpr(e.L, fn)
		walkLabelExpr(e.R, fn)
	}
}
