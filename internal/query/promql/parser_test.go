package promql

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

func TestExpressionsAreBounded(t *testing.T) {
	p := NewParser()
	nested := func(n int) string { return strings.Repeat("(", n) + "up" + strings.Repeat(")", n) }
	if _, err := p.ParseExpr(nested(maxLevels - 1)); err != nil {
		t.Errorf("%d parentheses: %.200s", maxLevels-1, err)
	}
	for _, query := range []string{nested(maxLevels + 1), nested(60_000), "1" + strings.Repeat("+1", 60_000), strings.Repeat("-", 100_000) + "1", strings.Repeat("abs(", 20_000) + "up" + strings.Repeat(")", 20_000), "up" + strings.Repeat("[1m:1s]", 10_000)} {
		_, err := p.ParseExpr(query)
		var bad parser.ParseErrors
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "more than 4000 operators") || !strings.Contains(err.Error(), "1:") {
			t.Errorf("%.10s…: %.200v", query, err)
		}
	}
	long := nested(10_000_000)
	if _, err := p.ParseExpr(long); err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "the limit is 131072") {
		t.Errorf("20 MB: %.300v", err)
	}
	for name, parse := range map[string]func() error{
		"metric":    func() error { _, err := p.ParseMetric(long); return err },
		"selector":  func() error { _, err := p.ParseMetricSelector(long); return err },
		"selectors": func() error { _, err := p.ParseMetricSelectors([]string{"up", long}); return err },
	} {
		if err := parse(); err == nil || !strings.Contains(err.Error(), "the limit is") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

func TestSubqueriesAreBounded(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	none := storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return storage.NoopQuerier(), nil })
	end := time.Unix(1_700_000_000, 0)
	for query, ok := range map[string]bool{
		"max_over_time(vector(1)[7d:1s])":                                    true,
		"max_over_time(vector(1)[1y:1ms])":                                   false,
		"max_over_time(max_over_time(vector(1)[1h:1ms])[30d:1d])":            false,
		"1 + sum(max_over_time(up[10y:1s]))":                                 false,
		"max_over_time(max_over_time(vector(1)[5d:1s])[1d:1s])":              false,
		"max_over_time(max_over_time(vector(1)[1h:1s])[1d:1m])":              true,
		"max_over_time(vector(1)[290y:])":                                    false,
		"max_over_time(max_over_time(vector(1)[1h:10s])[30d:1h])":            true,
		"max_over_time(vector(1)[1h:1s] @ 1000) + rate(up[5m])":              true,
		"max_over_time(max_over_time(up[100y:1y] @ 0)[100y:1s])":             false,
		"label_replace(max_over_time(up[1h:1ms]), \"a\", \"b\", \"\", \"\")": false,
	} {
		q, err := e.NewInstantQuery(t.Context(), none, nil, query, end)
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "longer step") {
			t.Errorf("%s: %v", query, err)
		}
		if err == nil {
			if res := q.Exec(t.Context()); res.Err != nil {
				t.Errorf("%s: %v", query, res.Err)
			}
			q.Close()
		}
	}
	// The range of the query counts too.
	if _, err := e.NewRangeQuery(t.Context(), none, nil, "max_over_time(up[1h:10s])", end.Add(-10*365*24*time.Hour), end, 8*time.Hour); err == nil {
		t.Error("ten years by ten seconds are accepted")
	}
}
