package export

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/query/logql"
	"hinomi/internal/store"
)

// Where turns a LogQL query without parsers, for example {service_name="a"} |= "x",
// into a predicate.
func Where(ctx context.Context, s store.Scanner, scope model.Scope, r Request, query string) (store.Pred, error) {
	if query == "" {
		return nil, nil
	}
	if r.Signal != Logs {
		return nil, fmt.Errorf("a query selects logs only: leave it out to export all spans of the range")
	}
	l, err := logql.ParseLog(query)
	if err != nil {
		return nil, err
	}
	cols, err := s.Columns(ctx, scope, r.From, r.To)
	if err != nil {
		return nil, err
	}
	pred, err := logql.DeletePredicate(l, cols)
	if err != nil {
		return nil, fmt.Errorf("%s: an export takes, as a deletion, only a selector, line filters and filters on stored labels", query)
	}
	return pred, nil
}

// ParseTime reads a bound: RFC 3339, a day as 2006-01-02 (UTC), or Unix seconds.
func ParseTime(text string) (int64, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			if at.Year() < 1970 || at.Year() > 2261 {
				break
			}
			return at.UnixNano(), nil
		}
	}
	if s, err := strconv.ParseInt(text, 10, 64); err == nil && s >= 0 && s < 1<<33 {
		return s * int64(time.Second), nil
	}
	return 0, fmt.Errorf("%q is not a time: write for example 2026-11-21T08:00:00Z, 2026-11-21, or Unix seconds", text)
}
