package company

// Ride is the one document that the services pass to each other; each reads and fills the fields it knows.
type Ride struct {
	RideID     string  `json:"ride_id,omitempty"`
	RiderID    string  `json:"rider_id,omitempty"`
	DriverID   string  `json:"driver_id,omitempty"`
	City       string  `json:"city,omitempty"`
	Tier       string  `json:"tier,omitempty"`
	DistanceKM float64 `json:"distance_km,omitempty"`
	// FareYen is the price in Japanese yen.
	FareYen    int     `json:"fare_yen,omitempty"`
	Surge      float64 `json:"surge,omitempty"`
	ETASeconds float64 `json:"eta_seconds,omitempty"`
	Stars      int     `json:"stars,omitempty"`
	// Status is requested, no_driver, completed, and for a payment captured, declined or deferred.
	Status   string `json:"status,omitempty"`
	Payment  string `json:"payment,omitempty"`
	Degraded bool   `json:"degraded,omitempty"`
	Error    string `json:"error,omitempty"`
}
