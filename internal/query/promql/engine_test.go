package promql_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/query/promql"
	"hinomi/internal/store/metricstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scopedStorage is our store as the script runner wants it: read and written
// through the same scoped paths as in production.
type scopedStorage struct {
	*metricstore.Queryable
	*metricstore.Appendable
	store *metricstore.Store
}

func (s scopedStorage) StartTime() (int64, error) { return s.store.StartTime() }
func (s scopedStorage) Close() error              { return s.store.Close() }

func openStorage(t testing.TB, scope model.Scope) storage.Storage {
	s, err := metricstore.Open(metricstore.Options{
		Dir: t.TempDir(), Retention: -1, OutOfOrderWindow: -1, MinFreeBytes: -1,
		// The scripts load whole days in any order of series.
		BlockDuration: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return scopedStorage{s.Queryable(scope), s.Appendable(scope), s}
}

// TestPrometheusScripts runs every script of Prometheus' own PromQL suite on our store.
func TestPrometheusScripts(t *testing.T) {
	// With our engine around the one that the scripts are written for.
	engine := &promql.Engine{Engine: promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)}
	promqltest.RunBuiltinTestsWithStorage(t, engine,
		func(t testing.TB) storage.Storage { return openStorage(t, model.ScopeAll()) })
}

// TestPrometheusScriptsInDefaultProduct runs them inside the scope of one
// product: the matcher that every read gets must not change an answer.
func TestPrometheusScriptsInDefaultProduct(t *testing.T) {
	promqltest.RunBuiltinTestsWithStorage(t, promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery),
		func(t testing.TB) storage.Storage {
			return openStorage(t, model.ScopeProducts(model.RoleAdmin, ""))
		})
}

func TestLimits(t *testing.T) {
	st := openStorage(t, model.ScopeAll())
	app := st.Appender(context.Background())
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 600 {
		if _, err := app.Append(0, labels.FromStrings(labels.MetricName, "m"), start.Add(time.Duration(i)*time.Second).UnixMilli(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	end := start.Add(10 * time.Minute)
	run := func(e upstream.QueryEngine, ctx context.Context, expr string) error {
		q, err := e.NewInstantQuery(ctx, st, nil, expr, end)
		if err != nil {
			return err
		}
		defer q.Close()
		return q.Exec(ctx).Err
	}

	e, err := promql.New(promql.Options{MaxSamples: 100})
	if err != nil {
		t.Fatal(err)
	}
	var tooMany upstream.ErrTooManySamples
	if err := run(e, context.Background(), "m[10m]"); !errors.As(err, &tooMany) {
		t.Errorf("600 samples with a limit of 100 = %v", err)
	}
	var parseErr parser.ParseErrors
	if err := run(e, context.Background(), "sum(m"); !errors.As(err, &parseErr) || !strings.Contains(err.Error(), "1:") {
		t.Errorf("bad query = %v, want a position", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var canceled upstream.ErrQueryCanceled
	if err := run(e, ctx, "m"); !errors.As(err, &canceled) {
		t.Errorf("query of a client that went away = %v", err)
	}

	e, err = promql.New(promql.Options{Timeout: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	var timeout upstream.ErrQueryTimeout
	if err := run(e, context.Background(), "m"); !errors.As(err, &timeout) {
		t.Errorf("query over its time = %v", err)
	}
	if _, err := promql.New(promql.Options{MaxSamples: -1}); err == nil {
		t.Error("negative limit was accepted")
	}
}

// blockedQueryable holds a query in its first read until release is closed.
type blockedQueryable struct{ entered, release chan struct{} }

func (b blockedQueryable) Querier(int64, int64) (storage.Querier, error) {
	b.entered <- struct{}{}
	<-b.release
	return storage.NoopQuerier(), nil
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := promql.New(promql.Options{MaxConcurrent: 1})
		if err != nil {
			t.Fatal(err)
		}
		b := blockedQueryable{entered: make(chan struct{}, 2), release: make(chan struct{})}
		done := make(chan error, 2)
		for range 2 {
			go func() {
				q, err := e.NewInstantQuery(context.Background(), b, nil, "m", time.Now())
				if err != nil {
					done <- err
					return
				}
				defer q.Close()
				done <- q.Exec(context.Background()).Err
			}()
		}
		synctest.Wait()
		if n := len(b.entered); n != 1 {
			t.Errorf("%d queries run at once, want 1", n)
		}
		close(b.release)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
