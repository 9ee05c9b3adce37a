package company

import (
	"fmt"
	"math"
)

// Fares in Japanese yen.
const (
	flagFall    = 500
	perKM       = 320
	offersLimit = 3
	// accepts is the probability that a driver accepts an offer.
	accepts = 0.88
)

func baseFare(km float64) int { return flagFall + int(math.Round(km*perKM/10))*10 }

func pricingQuote(r *request, in Ride) (Ride, error) {
	in.Surge = 1 + math.Round(max(0, r.rng.NormFloat64()*0.2)*10)/10
	r.cache("GET", "surge:"+in.City, 1*ms)
	if _, err := r.call("POST", "maps", "/v1/routes", "/v1/routes", &in); err != nil {
		r.degraded("route", err)
	}
	in = r.estimate(in)
	in.FareYen = int(float64(baseFare(in.DistanceKM)) * in.Surge)
	r.log.InfoContext(r.ctx, "quote made", "fare_yen", in.FareYen, "surge", in.Surge, "city", in.City)
	return in, nil
}

// estimate asks eta for the time of arrival, with three minutes a kilometre when it has no answer.
func (r *request) estimate(in Ride) Ride {
	out, err := r.call("POST", "eta", "/v1/estimates", "/v1/estimates", &in)
	if err != nil {
		r.degraded("estimate", err)
		in.ETASeconds = in.DistanceKM * 180
		return in
	}
	return out
}

func mapsRoute(r *request, in Ride) (Ride, error) {
	// Four of five routes are in the tile cache.
	miss := r.rng.Float64() < 0.2
	if hit := r.cache("GET", "tile:"+in.City, 1*ms); !hit || miss {
		r.spend(25 * ms)
	}
	return in, nil
}

func etaEstimate(r *request, in Ride) (Ride, error) {
	in.ETASeconds = math.Round(in.DistanceKM*150*(0.9+0.2*r.rng.Float64())) + 60
	if _, err := r.call("POST", "maps", "/v1/routes", "/v1/routes", &in); err != nil {
		r.degraded("route", err)
	}
	return in, nil
}

// matchingMatch offers the ride to up to three drivers, nearest first.
func matchingMatch(r *request, in Ride) (Ride, error) {
	r.cache("GEOSEARCH", "drivers:"+in.City, 3*ms)
	in = r.estimate(in)
	for i := range offersLimit {
		driver := fmt.Sprintf("d-%s-%d", in.City, r.rng.Int64N(fleetSize[in.City]+1))
		offer := in
		offer.DriverID = driver
		r.count(matchingAttempts, "city", in.City)
		answer, err := r.call("POST", "driver", "/v1/drivers/{id}/offers", "/v1/drivers/"+driver+"/offers", &offer)
		if err != nil {
			return in, err
		}
		if answer.Status == "accepted" {
			r.count(matchingSuccess, "city", in.City)
			r.log.InfoContext(r.ctx, "driver matched", "driver.id", driver, "offer", i+1, "city", in.City)
			offer.Status = ""
			return offer, nil
		}
		r.log.DebugContext(r.ctx, "driver declined", "driver.id", driver, "offer", i+1)
	}
	return in, nil
}

func driverOffer(r *request, in Ride) (Ride, error) {
	accepted := r.rng.Float64() < accepts
	if err := r.query("UPDATE", "drivers", "UPDATE drivers SET offer = $1 WHERE id = $2 AND offer IS NULL", 4*ms); err != nil {
		return in, err
	}
	in.Status = "declined"
	if accepted {
		in.Status = "accepted"
	}
	return in, nil
}

func driverNearby(r *request, _ Ride) (Ride, error) {
	r.cache("GEOSEARCH", "drivers", 3*ms)
	return Ride{}, nil
}
