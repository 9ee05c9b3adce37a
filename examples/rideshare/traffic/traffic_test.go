package traffic

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func requests(t *testing.T, seed uint64) []string {
	var mu sync.Mutex
	var got []string
	riders, err := New(Options{Seed: seed, Rate: 5000, Rides: 50, Instant: true, Do: func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, strings.Join([]string{r.Header.Get("X-Request-Id"), r.Method, r.URL.Path, r.Header.Get("Baggage"), string(body)}, " "))
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"status":"completed"}`))}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := riders.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

func TestSameSeedAsksTheSame(t *testing.T) {
	a, b, other := requests(t, 7), requests(t, 7), requests(t, 8)
	if !slices.Equal(a, b) {
		t.Error("two runs with one seed differ")
	}
	if slices.Equal(a, other) {
		t.Error("two seeds give the same rides")
	}
	rides := slices.DeleteFunc(slices.Clone(a), func(s string) bool {
		return !strings.Contains(s, "POST /v1/rides baggage") && !strings.Contains(s, " POST /v1/rides rider")
	})
	if len(rides) != 50 {
		t.Errorf("%d rides, want 50", len(rides))
	}
}

func TestCurveHasRushHoursAndANight(t *testing.T) {
	at := func(h int) float64 { return Curve(time.Date(2026, 3, 4, h, 0, 0, 0, time.UTC)) }
	if !(at(3) < 0.6 && at(8) > 1.2 && at(19) > 1.4) {
		t.Errorf("03:00 %v, 08:00 %v, 19:00 %v", at(3), at(8), at(19))
	}
}

func TestNewRefusesBadRates(t *testing.T) {
	for _, o := range []Options{{Rate: 0}, {Rate: -1}, {Rate: 1e9}, {Rate: 1, Rides: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
