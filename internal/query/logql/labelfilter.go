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

// evalLabelExpr tells whether the labels pass. As in Loki, an absent label passes
// text filters only, and a label that cannot be read marks the line with an error,
// unless it has one, and lets it pass.
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
		if b.err != "" {
			return true // Only text filters judge a line with an error.
		}
		v, ok := b.get(e.Name)
		if !ok {
			return false
		}
		return e.ip.found(v) != e.Not
	case *LabelNumber:
		text, ok := b.get(e.Name)
		if !ok {
			return false
		}
		v, err := e.read(text)
		if err != nil {
			if b.err == "" {
				b.setError(errLabelFilter, err.Error())
			}
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
		d, err := time.ParseDuration(text)
		return d.Seconds(), err
	case 'b':
		return parseBytes(text)
	}
	return strconv.ParseFloat(text, 64)
}

// constant reads the number that a label is compared with. Unlike a label's text it
// may count days and weeks.
func (e *LabelNumber) constant(text string) (float64, error) {
	if e.Unit == 'd' {
		d, err := parseDuration(text)
		return d.Seconds(), err
	}
	return e.read(text)
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
