package company

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Prometheus names of the business metrics, as the standard OTLP translation makes them. The ledger uses them too.
const (
	ridesRequested   = "rides_requested_total"
	ridesCompleted   = "rides_completed_total"
	matchingAttempts = "matching_attempts_total"
	matchingSuccess  = "matching_success_total"
	payments         = "payments_total"
	paymentAmount    = "payment_amount"
	etaError         = "eta_error_seconds"
	driversOnline    = "drivers_online"
)

// instruments are made once per revision. Those that belong to another service stay nil.
type instruments struct {
	duration metric.Float64Histogram
	counters map[string]metric.Int64Counter
	values   map[string]metric.Float64Histogram
}

// durationBounds are the bucket bounds that the HTTP semantic conventions advise, in seconds.
var durationBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

func (i *instruments) create(s *service, m metric.Meter) error {
	i.counters, i.values = map[string]metric.Int64Counter{}, map[string]metric.Float64Histogram{}
	var errs []error
	counter := func(prometheus, name, unit, description string) {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		i.counters[prometheus] = c
	}
	values := func(prometheus, name, unit, description string, bounds ...float64) {
		h, err := m.Float64Histogram(name, metric.WithUnit(unit), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(bounds...))
		errs = append(errs, err)
		i.values[prometheus] = h
	}
	var err error
	i.duration, err = m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of HTTP server requests."), metric.WithExplicitBucketBoundaries(durationBounds...))
	errs = append(errs, err)
	// Units in braces are annotations: they add nothing to the Prometheus name.
	switch s.name {
	case "gateway":
		counter(ridesRequested, "rides.requested", "{ride}", "Rides that riders asked for.")
	case "matching":
		counter(matchingAttempts, "matching.attempts", "{attempt}", "Offers of a ride to a driver.")
		counter(matchingSuccess, "matching.success", "{attempt}", "Offers of a ride that a driver accepted.")
	case "trip":
		counter(ridesCompleted, "rides.completed", "{ride}", "Rides that reached their destination.")
		values(etaError, "eta.error", "s", "Absolute difference between estimated and actual arrival.", 5, 10, 20, 30, 60, 90, 120, 180, 300, 600)
	case "payment":
		counter(payments, "payments", "{payment}", "Payments by result.")
		values(paymentAmount, "payment.amount", "{JPY}", "Amounts of captured payments in Japanese yen.", 500, 1000, 1500, 2000, 3000, 5000, 7500, 10000, 20000)
	case "driver":
		_, err := m.Int64ObservableGauge("drivers.online", metric.WithUnit("{driver}"), metric.WithDescription("Drivers that are online and free."),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				for _, city := range Cities {
					n := s.c.fleet.free(city)
					s.c.ledger.Set(driversOnline, float64(n), "city", city)
					o.Observe(n, metric.WithAttributes(attribute.String("city", city)))
				}
				return nil
			}))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// count adds one to a business counter and to the ledger; labels are name, value pairs.
func (r *request) count(prometheus string, labels ...string) {
	r.rev.instruments.counters[prometheus].Add(r.ctx, 1, metric.WithAttributes(pairs(labels)...))
	r.c.ledger.Add(prometheus, 1, labels...)
}

// observe records one value of a business histogram and tells the ledger.
func (r *request) observe(prometheus string, value float64, labels ...string) {
	r.rev.instruments.values[prometheus].Record(r.ctx, value, metric.WithAttributes(pairs(labels)...))
	r.c.ledger.Observe(prometheus, value, labels...)
}

func pairs(labels []string) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		out = append(out, attribute.String(labels[i], labels[i+1]))
	}
	return out
}
