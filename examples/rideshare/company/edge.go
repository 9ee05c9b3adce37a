package company

import (
	"strings"
)

// gatewayRide is the journey of a ride. Auth, matching and dispatch are needed; without the others the rider gets a
// ride all the same.
func gatewayRide(r *request, in Ride) (Ride, error) {
	if _, err := r.call("POST", "auth", "/v1/verify", "/v1/verify", &Ride{RiderID: in.RiderID}); err != nil {
		return in, err
	}
	r.count(ridesRequested, "city", in.City, "tier", in.Tier)
	if _, err := r.call("GET", "rider", "/v1/riders/{id}", "/v1/riders/"+in.RiderID, nil); err != nil {
		r.degraded("rider profile", err)
	}
	if quote, err := r.call("POST", "pricing", "/v1/quotes", "/v1/quotes", &in); err != nil {
		r.degraded("quote", err)
		in.FareYen, in.Surge = baseFare(in.DistanceKM), 1
	} else {
		in = quote
	}
	match, err := r.call("POST", "matching", "/v1/matches", "/v1/matches", &in)
	if err != nil {
		return in, err
	}
	if match.DriverID == "" {
		match.Status = "no_driver"
		r.log.WarnContext(r.ctx, "no driver accepted the ride", "city", in.City)
		return match, nil
	}
	return r.call("POST", "dispatch", "/v1/dispatches", "/v1/dispatches", &match)
}

// degraded logs that the service goes on without something.
func (r *request) degraded(what string, err error) {
	r.log.WarnContext(r.ctx, "going on without "+what, "error", err.Error())
}

// forward passes a lighter request on. When the service behind it fails, the application shows the page without
// that part, so the gateway itself answers 200.
func forward(method, target, template string) func(*request, Ride) (Ride, error) {
	return func(r *request, in Ride) (Ride, error) {
		body := &in
		if method == "GET" {
			body = nil
		}
		out, err := r.call(method, target, template, strings.ReplaceAll(template, "{id}", r.path("id")), body)
		if err != nil {
			r.degraded(target, err)
			return Ride{Degraded: true}, nil
		}
		return out, nil
	}
}

func authVerify(r *request, in Ride) (Ride, error) {
	r.cache("GET", "session:"+in.RiderID, 1*ms)
	return in, nil
}

func riderGet(r *request, _ Ride) (Ride, error) {
	id := r.path("id")
	// A third of the profiles is not in the cache.
	miss := r.rng.Float64() < 0.3
	if hit := r.cache("GET", "rider:"+id, 1*ms); !hit || miss {
		if err := r.query("SELECT", "riders", "SELECT id, name, tier FROM riders WHERE id = $1", 4*ms); err != nil {
			return Ride{}, err
		}
	}
	return Ride{RiderID: id}, nil
}
