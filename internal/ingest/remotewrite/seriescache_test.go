package remotewrite

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
)

func TestSeriesCacheIsBounded(t *testing.T) {
	c := newSeriesCache(100)
	var p place
	key := func(i int) seriesKey { return c.key([]byte(fmt.Sprint(i))) }
	for i := range 10_000 {
		c.put(key(i), knownSeries{ref: storage.SeriesRef(i + 1)}, &p)
		// One series is in use all the time and must stay.
		if v, ok := c.get(key(0), &p); !ok || v.ref != 1 {
			t.Fatalf("after %d others the series in use is gone", i)
		}
		if n := c.size(); n > 100 {
			t.Fatalf("%d entries, the bound is 100", n)
		}
	}
	if _, ok := c.get(key(5), &p); ok {
		t.Error("a series that nobody used is still there")
	}
}

func TestSeriesCacheForgets(t *testing.T) {
	c := newSeriesCache(100)
	var p place
	keys := make([]seriesKey, 10)
	for i := range keys {
		keys[i] = c.key([]byte{byte(i)})
		c.put(keys[i], knownSeries{ref: storage.SeriesRef(i + 1)}, &p)
	}
	c.drop(keys[4])
	p = place{}
	for i, k := range keys {
		v, ok := c.get(k, &p)
		if ok != (i != 4) || ok && v.ref != storage.SeriesRef(i+1) {
			t.Errorf("entry %d: %v %v", i, v, ok)
		}
	}
	c.put(keys[4], knownSeries{ref: 99}, &p)
	if v, ok := c.get(keys[4], &place{}); !ok || v.ref != 99 {
		t.Errorf("the new reference: %v %v", v, ok)
	}
}

func TestSeriesCacheConcurrently(t *testing.T) {
	c := newSeriesCache(500)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var p place
			for i := range 20_000 {
				n := (i*(g+1) + g) % 1000
				k := c.key([]byte(fmt.Sprint(n)))
				if v, ok := c.get(k, &p); ok && v.ref != storage.SeriesRef(n+1) {
					t.Errorf("series %d has reference %d", n, v.ref)
					return
				} else if !ok {
					c.put(k, knownSeries{ref: storage.SeriesRef(n + 1)}, &p)
				}
				if i%97 == 0 {
					c.drop(k)
				}
			}
		})
	}
	wg.Wait()
}

// TestSeriesThatTheHeadDropped sends a series again after the head block let
// it go: its cached reference is unknown to the store by then.
func TestSeriesThatTheHeadDropped(t *testing.T) {
	in := newIntake(t, model.ScopeAll())
	now := time.Now()
	start := now.Add(-10 * time.Hour)
	send := func(name string, at time.Time, v float64) {
		t.Helper()
		w := in.post(encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: pairs("__name__", name, "x", "1"), Samples: []prompb.Sample{{Value: v, Timestamp: at.UnixMilli()}}}}}), "")
		if w.Code != http.StatusNoContent {
			t.Fatal(w.Code, w.Body)
		}
	}
	for i := range 3 {
		send("gone", start.Add(time.Duration(i)*time.Second), 1)
		send("other", start.Add(time.Duration(i)*time.Second), 1)
	}
	send("other", now.Add(-time.Minute), 2) // makes everything before old
	before := in.cache.size()
	if err := in.store.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := in.store.HeadSeries(); n != 1 {
		t.Fatalf("the head still has %d series: the test does not test", n)
	}
	if in.cache.size() != before {
		t.Fatal("the cache changed by itself")
	}
	for i := range 3 {
		send("gone", now.Add(time.Duration(i)*time.Second), 3)
		send("other", now.Add(time.Duration(i)*time.Second), 3)
	}
	ago := start.Sub(now).Milliseconds()
	var want []string
	for _, name := range []string{"gone", "other"} {
		for i := range int64(3) {
			want = append(want, fmt.Sprintf(`{__name__="%s", x="1"}@%d=1 st=0`, name, ago+i*1000))
		}
		if name == "other" {
			want = append(want, `{__name__="other", x="1"}@-60000=2 st=0`)
		}
		for i := range 3 {
			want = append(want, fmt.Sprintf(`{__name__="%s", x="1"}@%d=3 st=0`, name, i*1000))
		}
	}
	expect(t, in.query(t, model.ScopeAll(), now), want...)
}

// TestNarrowScopesDoNotShareReferences sends the same bytes with two
// credentials that lead to two products, and once without limits.
func TestNarrowScopesDoNotShareReferences(t *testing.T) {
	scope := model.ScopeAll()
	in := newIntake(t, model.ScopeAll())
	in.o.Appendables = func(*http.Request) (storage.AppendableV2, storage.Appendable) {
		return in.store.Appendable(scope), in.store.Appendable(scope)
	}
	now := time.Now()
	for i := range 4 {
		for n, s := range []model.Scope{model.ScopeProducts(model.RoleEditor, "shop"), model.ScopeAll(), model.ScopeProducts(model.RoleEditor, "bank")} {
			scope = s
			body := encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: pairs("__name__", "a"), Samples: []prompb.Sample{{Value: float64(n), Timestamp: now.UnixMilli() + int64(i)}}}}})
			if w := in.post(body, ""); w.Code != http.StatusNoContent {
				t.Fatal(w.Code, w.Body)
			}
		}
	}
	var want []string
	for _, s := range []string{`{__name__="a"}@%d=1 st=0`, `{__name__="a", product="bank"}@%d=2 st=0`, `{__name__="a", product="shop"}@%d=0 st=0`} {
		for i := range 4 {
			want = append(want, fmt.Sprintf(s, i))
		}
	}
	expect(t, in.query(t, model.ScopeAll(), now), want...)
}
