package company

import "time"

const ms = time.Millisecond

// Natural trouble. The services that a ride cannot go without have less of it, because their errors reach the rider.
const (
	rare     = 0.0003
	ordinary = 0.002
)

// definition is a service as the table in README.md describes it.
type definition struct {
	name, team string
	endpoints  []endpoint
}

func definitions() []definition {
	return []definition{
		{"gateway", "edge", []endpoint{
			{"POST", "/v1/rides", 3 * ms, rare, "gateway: upstream connect error or disconnect/reset before headers", gatewayRide},
			{"POST", "/v1/rides/{id}/rating", 2 * ms, rare, "gateway: upstream connect error or disconnect/reset before headers", forward("POST", "ratings", "/v1/ratings")},
			{"GET", "/v1/drivers/nearby", 2 * ms, rare, "gateway: upstream connect error or disconnect/reset before headers", forward("GET", "driver", "/v1/drivers/nearby")},
			{"GET", "/v1/rides/{id}", 2 * ms, rare, "gateway: upstream connect error or disconnect/reset before headers", forward("GET", "trip", "/v1/trips/{id}")},
			{"GET", "/v1/invoices/{id}", 2 * ms, rare, "gateway: upstream connect error or disconnect/reset before headers", forward("GET", "billing", "/v1/invoices/{id}")},
			{"GET", "/v1/inbox/{id}", 2 * ms, rare, "gateway: upstream connect error or disconnect/reset before headers", forward("GET", "notification", "/v1/inbox/{id}")},
		}},
		{"auth", "identity", []endpoint{{"POST", "/v1/verify", 3 * ms, rare, "auth: signing key rotation in progress", authVerify}}},
		{"rider", "identity", []endpoint{{"GET", "/v1/riders/{id}", 4 * ms, ordinary, "rider: pq: canceling statement due to statement timeout", riderGet}}},
		{"pricing", "marketplace", []endpoint{{"POST", "/v1/quotes", 6 * ms, ordinary, "pricing: no tariff for the zone", pricingQuote}}},
		{"maps", "geo", []endpoint{{"POST", "/v1/routes", 14 * ms, ordinary, "maps: routing graph shard is reloading", mapsRoute}}},
		{"eta", "geo", []endpoint{{"POST", "/v1/estimates", 7 * ms, ordinary, "eta: model server returned no prediction", etaEstimate}}},
		{"matching", "marketplace", []endpoint{{"POST", "/v1/matches", 12 * ms, rare, "matching: candidate set expired", matchingMatch}}},
		{"driver", "marketplace", []endpoint{
			{"POST", "/v1/drivers/{id}/offers", 9 * ms, rare, "driver: pq: could not serialize access due to concurrent update", driverOffer},
			{"GET", "/v1/drivers/nearby", 4 * ms, rare, "driver: geo index is rebuilding", driverNearby},
		}},
		{"dispatch", "operations", []endpoint{{"POST", "/v1/dispatches", 5 * ms, rare, "dispatch: pq: deadlock detected", dispatchRide}}},
		{"trip", "operations", []endpoint{
			{"POST", "/v1/trips", 8 * ms, rare, "trip: pq: deadlock detected", tripRun},
			{"GET", "/v1/trips/{id}", 3 * ms, rare, "trip: pq: canceling statement due to statement timeout", tripGet},
		}},
		{"payment", "money", []endpoint{{"POST", "/v1/charges", 28 * ms, ordinary, "payment: card network timed out", paymentCharge}}},
		{"billing", "money", []endpoint{{"GET", "/v1/invoices/{id}", 5 * ms, ordinary, "billing: pq: canceling statement due to statement timeout", billingGet}}},
		{"fraud", "money", []endpoint{{"POST", "/v1/checks", 11 * ms, ordinary, "fraud: feature store returned stale data", fraudCheck}}},
		{"notification", "engagement", []endpoint{{"GET", "/v1/inbox/{id}", 4 * ms, ordinary, "notification: inbox shard is moving", notificationInbox}}},
		{"ratings", "engagement", []endpoint{{"POST", "/v1/ratings", 5 * ms, ordinary, "ratings: pq: duplicate key value violates unique constraint \"ratings_ride_key\"", ratingsAdd}}},
	}
}

// Services returns the names of the fifteen services.
func Services() []string {
	var names []string
	for _, d := range definitions() {
		names = append(names, d.name)
	}
	return names
}
