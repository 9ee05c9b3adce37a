package logql

import (
	"hinomi/internal/store"
)

// DeletePredicate is what a delete request's query selects, as a predicate over the
// columns of the store. The query may have line filters and label filters on stored
// labels; anything else is an error, because it would have to guess.
func DeletePredicate(l *LogExpr, cols []store.ColumnInfo) (store.Pred, error) {
	c := compile(l, newSchema(cols))
	if len(c.stages) > 0 {
		return nil, queryErrorf("a delete query takes a selector, line filters and filters on stored labels: %q needs lines to be parsed", l.String())
	}
	if c.scan.Where == nil {
		return store.True{}, nil
	}
	return c.scan.Where, nil
}
