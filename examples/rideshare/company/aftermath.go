package company

func billingGet(r *request, _ Ride) (Ride, error) {
	if err := r.query("SELECT", "invoices", "SELECT id, amount, issued FROM invoices WHERE ride_id = $1", 4*ms); err != nil {
		return Ride{}, err
	}
	return Ride{RideID: r.path("id")}, nil
}

// billingConsume writes the invoice of a completed ride.
func billingConsume(r *request, in Ride) error {
	if err := r.query("INSERT", "invoices", "INSERT INTO invoices (ride_id, amount) VALUES ($1, $2)", 6*ms); err != nil {
		return err
	}
	r.log.InfoContext(r.ctx, "invoice issued", "ride.id", in.RideID, "amount_yen", in.FareYen)
	return nil
}

func notificationInbox(r *request, _ Ride) (Ride, error) {
	r.cache("LRANGE", "inbox:"+r.path("id"), 1*ms)
	return Ride{RiderID: r.path("id")}, nil
}

// notificationConsume tells the rider that the ride is over, in the language of the profile.
func notificationConsume(r *request, in Ride) error {
	if _, err := r.call("GET", "rider", "/v1/riders/{id}", "/v1/riders/"+in.RiderID, nil); err != nil {
		r.degraded("the rider's language", err)
	}
	r.cache("LPUSH", "inbox:"+in.RiderID, 1*ms)
	r.log.InfoContext(r.ctx, "receipt sent", "ride.id", in.RideID, "channel", "push")
	return nil
}

func ratingsAdd(r *request, in Ride) (Ride, error) {
	if err := r.query("INSERT", "ratings", "INSERT INTO ratings (ride_id, stars) VALUES ($1, $2)", 5*ms); err != nil {
		return in, err
	}
	r.log.InfoContext(r.ctx, "ride rated", "ride.id", in.RideID, "stars", in.Stars)
	return in, nil
}
