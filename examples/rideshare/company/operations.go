package company

import (
	"math"
	"net/http"
)

func dispatchRide(r *request, in Ride) (Ride, error) {
	if err := r.query("INSERT", "dispatches", "INSERT INTO dispatches (ride_id, driver_id) VALUES ($1, $2)", 5*ms); err != nil {
		return in, err
	}
	r.log.InfoContext(r.ctx, "driver dispatched", "ride.id", in.RideID, "driver.id", in.DriverID)
	return r.call("POST", "trip", "/v1/trips", "/v1/trips", &in)
}

// tripRun takes the rider to the destination. A payment that fails is deferred: the rider is not left on the road.
func tripRun(r *request, in Ride) (Ride, error) {
	r.c.fleet.add(in.City, 1)
	defer r.c.fleet.add(in.City, -1)
	missed := math.Abs(r.rng.NormFloat64()) * (15 + in.ETASeconds*0.08)
	if err := r.query("INSERT", "trips", "INSERT INTO trips (id, rider_id, driver_id, fare) VALUES ($1, $2, $3, $4)", 6*ms); err != nil {
		return in, err
	}
	charge, err := r.call("POST", "payment", "/v1/charges", "/v1/charges", &in)
	if err != nil {
		in.Payment = "deferred"
		r.degraded("payment, it is deferred", err)
	} else {
		in.Payment = charge.Payment
	}
	if err := r.query("UPDATE", "trips", "UPDATE trips SET state = 'completed', payment = $2 WHERE id = $1", 4*ms); err != nil {
		return in, err
	}
	in.Status = "completed"
	r.count(ridesCompleted, "city", in.City, "tier", in.Tier)
	r.observe(etaError, missed, "city", in.City)
	if err := r.publish(in); err != nil {
		r.log.ErrorContext(r.ctx, "ride not published", "ride.id", in.RideID, "error", err.Error())
	}
	r.log.InfoContext(r.ctx, "ride completed", "ride.id", in.RideID, "city", in.City, "payment", in.Payment)
	return in, nil
}

func tripGet(r *request, _ Ride) (Ride, error) {
	if err := r.query("SELECT", "trips", "SELECT id, state, fare FROM trips WHERE id = $1", 3*ms); err != nil {
		return Ride{}, err
	}
	return Ride{RideID: r.path("id")}, nil
}

// declined is the share of payments that the card network refuses: a business outcome, not an error.
const declined = 0.02

func paymentCharge(r *request, in Ride) (Ride, error) {
	refused := r.rng.Float64() < declined
	if _, err := r.call("POST", "fraud", "/v1/checks", "/v1/checks", &in); err != nil {
		r.degraded("fraud check, the payment is marked for review", err)
	}
	if err := r.query("INSERT", "payments", "INSERT INTO payments (ride_id, amount, state) VALUES ($1, $2, 'pending')", 5*ms); err != nil {
		r.count(payments, "result", "failed")
		return in, err
	}
	if refused {
		in.Payment = "declined"
		r.count(payments, "result", "declined")
		r.log.WarnContext(r.ctx, "payment declined", "ride.id", in.RideID, "amount_yen", in.FareYen, "reason", "insufficient_funds")
		return in, nil
	}
	if err := r.query("UPDATE", "payments", "UPDATE payments SET state = 'captured' WHERE ride_id = $1", 4*ms); err != nil {
		r.count(payments, "result", "failed")
		return in, fail(http.StatusInternalServerError, "postgres_unavailable", err)
	}
	in.Payment = "captured"
	r.count(payments, "result", "captured")
	r.observe(paymentAmount, float64(in.FareYen), "city", in.City)
	r.log.InfoContext(r.ctx, "payment captured", "ride.id", in.RideID, "amount_yen", in.FareYen)
	return in, nil
}

func fraudCheck(r *request, in Ride) (Ride, error) {
	r.cache("HGETALL", "risk:"+in.RiderID, 1*ms)
	if err := r.query("SELECT", "rules", "SELECT id, weight FROM rules WHERE enabled", 3*ms); err != nil {
		return in, err
	}
	return in, nil
}
