// Package traffic is the riders of the rideshare company: it asks for rides and reads, decided by a seed.
package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"hinomi/examples/rideshare/company"
)

// Options for a Riders.
type Options struct {
	// Do sends a request to the gateway; it may wait while the company drains.
	Do   func(*http.Request) (*http.Response, error)
	Seed uint64
	// Rate is rides per second.
	Rate float64
	// Rides is how many rides to ask for; 0 means without end.
	Rides int
	// DailyCurve makes the rate follow the hour of the day.
	DailyCurve bool
	// Instant leaves out the pauses of riders between a ride and what follows it, for tests.
	Instant bool
}

// Riders makes the traffic.
type Riders struct{ o Options }

// New checks the options.
func New(o Options) (*Riders, error) {
	if !(o.Rate > 0) || o.Rate > 10_000 {
		return nil, fmt.Errorf("rate %v; use rides per second above 0 and up to 10000", o.Rate)
	}
	if o.Rides < 0 {
		return nil, fmt.Errorf("rides %d; use 0 for no end, or a number", o.Rides)
	}
	return &Riders{o}, nil
}

// Run asks for rides until the context ends or all rides were made, and waits for all of them.
func (t *Riders) Run(ctx context.Context) error {
	var riders sync.WaitGroup
	defer riders.Wait()
	gaps := company.Draws(t.o.Seed, "arrivals")
	next := time.Now()
	for i := 0; t.o.Rides == 0 || i < t.o.Rides; i++ {
		rate := t.o.Rate
		if t.o.DailyCurve {
			rate *= Curve(next)
		}
		next = next.Add(time.Duration(gaps.ExpFloat64() / rate * float64(time.Second)))
		if late := time.Since(next); late > time.Second {
			// After a hold, the riders do not all come at once.
			next = time.Now()
		}
		if err := pause(ctx, time.Until(next)); err != nil {
			return nil
		}
		riders.Go(func() { t.ride(ctx, i) })
	}
	return nil
}

// Curve is the factor of the hour: two rush hours, a quiet night, about 1 on average over the day.
func Curve(at time.Time) float64 {
	hour := float64(at.Hour()) + float64(at.Minute())/60
	peak := func(center, width float64) float64 {
		d := math.Abs(hour - center)
		d = min(d, 24-d)
		return math.Exp(-d * d / (2 * width * width))
	}
	return 0.45 + 0.9*peak(8.5, 2) + 1.1*peak(19.5, 3)
}

// ride is one rider: the ride, then lighter reads, then perhaps a rating.
func (t *Riders) ride(ctx context.Context, i int) {
	id := fmt.Sprintf("ride-%07d", i)
	rng := company.Draws(t.o.Seed, id)
	city := company.Cities[pick(rng, 0.42, 0.25, 0.14, 0.08)]
	tier := []string{"standard", "gold", "platinum"}[pick(rng, 0.7, 0.22)]
	r := company.Ride{RideID: id, RiderID: fmt.Sprintf("r-%d", rng.IntN(5000)), City: city, Tier: tier, DistanceKM: math.Round(10*min(40, math.Exp(1.2+0.6*rng.NormFloat64()))) / 10}
	reads := []string{"/v1/drivers/nearby", "/v1/rides/" + id, "/v1/invoices/" + id, "/v1/inbox/" + r.RiderID}
	var wanted []string
	for _, path := range reads {
		if rng.Float64() < 0.4 {
			wanted = append(wanted, path)
		}
	}
	rates, stars := rng.Float64() < 0.4, 1+pick(rng, 0.02, 0.03, 0.1, 0.25)

	bag := "rider.tier=" + tier + ",city=" + city
	done, ok := t.send(ctx, http.MethodPost, "/v1/rides", id, bag, &r)
	for n, path := range wanted {
		if t.think(ctx, rng) != nil {
			return
		}
		t.send(ctx, http.MethodGet, path, fmt.Sprintf("%s-read-%d", id, n), bag, nil)
	}
	if !ok || done.Status != "completed" || !rates || t.think(ctx, rng) != nil {
		return
	}
	t.send(ctx, http.MethodPost, "/v1/rides/"+id+"/rating", id+"-rating", bag, &company.Ride{RideID: id, Stars: stars})
}

// send does one request. What goes wrong is in the company's own telemetry; a rider only gives up.
func (t *Riders) send(ctx context.Context, method, path, id, bag string, body *company.Ride) (company.Ride, bool) {
	var out company.Ride
	var payload io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return out, false
		}
		payload = bytes.NewReader(data)
	}
	// A request that has begun is finished when traffic stops: a cut one would leave half a trace.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), method, "http://gateway"+path, payload)
	if err != nil || ctx.Err() != nil {
		return out, false
	}
	req.Header.Set("User-Agent", "rider-app/5.2")
	req.Header.Set("X-Request-Id", id)
	req.Header.Set("Baggage", bag)
	resp, err := t.o.Do(req)
	if err != nil {
		return out, false
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&out)
	return out, err == nil && resp.StatusCode < 400
}

// think is the pause of a person, one to four seconds.
func (t *Riders) think(ctx context.Context, rng *rand.Rand) error {
	d := time.Duration((1 + 3*rng.Float64()) * float64(time.Second))
	if t.o.Instant {
		d = 0
	}
	return pause(ctx, d)
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pick draws an index with the given shares; the last index has the rest.
func pick(rng *rand.Rand, shares ...float64) int {
	x := rng.Float64()
	for i, s := range shares {
		if x < s {
			return i
		}
		x -= s
	}
	return len(shares)
}
