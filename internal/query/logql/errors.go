package logql

import (
	"errors"
	"fmt"
)

// ErrLimit is when a query asks for what it may not: too much, or something that
// has no meaning. The request is at fault.
var ErrLimit = errors.New("query limit")

// QueryError is an ErrLimit in the words that Loki's clients know.
type QueryError struct{ text string }

func queryErrorf(format string, args ...any) error {
	return &QueryError{fmt.Sprintf(format, args...)}
}

func (e *QueryError) Error() string { return e.text }

// Is makes errors.Is(err, ErrLimit) true.
func (e *QueryError) Is(target error) bool { return target == ErrLimit }

// PipelineError is when a metric query meets a line that a stage cannot handle.
type PipelineError struct{ Kind, Series, Details string }

func (e *PipelineError) Error() string {
	return fmt.Sprintf("pipeline error: '%s' for series: '%s'.\n"+
		"Use a label filter to intentionally skip this error. (e.g | __error__!=\"%s\").\n"+
		"To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"+
		"The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n",
		e.Kind, e.Series, e.Kind)
}

// AtFault tells whether an error is the query's fault.
func AtFault(err error) bool {
	var parse *ParseError
	var pipeline *PipelineError
	return errors.As(err, &parse) || errors.As(err, &pipeline) || errors.Is(err, ErrLimit)
}
