package promql

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Bounds of one expression. Prometheus' parser has none, and what checks, walks
// or prints an expression calls itself for every level: a few megabytes of
// parentheses overflow the stack, which ends a Go process, and a hundred
// kilobytes take many seconds. Only parentheses, brackets and operators make
// levels, so that their number bounds the depth.
const (
	maxQueryBytes = 128 << 10
	maxLevels     = 4000
)

// NewParser is the parser for stable PromQL, for every part that parses expressions.
func NewParser() parser.Parser { return bounded{parser.NewParser(parser.Options{})} }

// bounded refuses expressions that are too long or may nest too deep.
type bounded struct{ parser.Parser }

// ParseExpr implements parser.Parser.
func (b bounded) ParseExpr(input string) (parser.Expr, error) {
	if err := checkLength(input); err != nil {
		return nil, err
	}
	if err := checkLevels(input); err != nil {
		return nil, err
	}
	return b.Parser.ParseExpr(input)
}

// ParseMetric implements parser.Parser.
func (b bounded) ParseMetric(input string) (labels.Labels, error) {
	if err := checkLength(input); err != nil {
		return labels.EmptyLabels(), err
	}
	return b.Parser.ParseMetric(input)
}

// ParseMetricSelector implements parser.Parser.
func (b bounded) ParseMetricSelector(input string) ([]*labels.Matcher, error) {
	if err := checkLength(input); err != nil {
		return nil, err
	}
	return b.Parser.ParseMetricSelector(input)
}

// ParseMetricSelectors implements parser.Parser.
func (b bounded) ParseMetricSelectors(inputs []string) ([][]*labels.Matcher, error) {
	for _, input := range inputs {
		if err := checkLength(input); err != nil {
			return nil, err
		}
	}
	return b.Parser.ParseMetricSelectors(inputs)
}

func checkLength(input string) error {
	if len(input) <= maxQueryBytes {
		return nil
	}
	return fmt.Errorf("1:%d: parse error: the expression has %d bytes, the limit is %d: split it with recording rules", maxQueryBytes+1, len(input), maxQueryBytes)
}

func checkLevels(input string) error {
	lex := parser.Lex(input)
	levels := 0
	for {
		var item parser.Item
		lex.NextItem(&item)
		switch {
		case item.Typ == parser.EOF || item.Typ == parser.ERROR:
			return nil // The parser explains it better.
		case item.Typ == parser.LEFT_PAREN || item.Typ == parser.LEFT_BRACKET || item.Typ.IsOperator():
			if levels++; levels > maxLevels {
				return parser.ParseErrors{{
					PositionRange: item.PositionRange(), Query: input,
					Err: fmt.Errorf("more than %d operators, parentheses and ranges in one expression: split it with recording rules", maxLevels),
				}}
			}
		}
	}
}
