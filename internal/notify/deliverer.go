package notify

import (
	"context"
	"math/rand/v2"
	"time"

	"hinomi/internal/store"
)

// Target names one integration of a receiver.
type Target struct {
	Receiver    string
	Integration string // webhook, …
	Index       int
}

// Deliverer tries once. It returns nil when the other side has accepted the
// message; any error is tried again. key must reach the other side where its
// protocol has a place for it.
type Deliverer interface {
	Deliver(ctx context.Context, m Message, key string) error
}

// Limits of delivery.
const (
	// DefaultGiveUpAfter is the age at which a notification is dead: nobody is
	// helped by yesterday's page.
	DefaultGiveUpAfter = 24 * time.Hour
	// DefaultTimeout bounds one try.
	DefaultTimeout = 10 * time.Second
	// DefaultConcurrency bounds the tries under way, so that one receiver that
	// hangs does not hold up the others and many do not exhaust the process.
	DefaultConcurrency = 16

	firstBackoff = time.Second
	maxBackoff   = time.Minute
	// keepFor is how long what was delivered can be looked at.
	keepFor = 30 * 24 * time.Hour
)

// backoff is the wait after the nth failed try: doubled each time and spread by
// half, so that messages held up by one outage do not return as one burst.
func backoff(tries int) time.Duration {
	d := maxBackoff
	if tries < 7 {
		d = min(d, firstBackoff<<max(0, tries-1))
	}
	return d/2 + rand.N(d/2)
}

// outcome tells what becomes of a notification after a try.
func outcome(n store.Notification, err error, now time.Time, giveUpAfter time.Duration) (store.OutboxState, time.Time) {
	switch {
	case err == nil:
		return store.OutboxDelivered, now
	case now.Sub(n.Created) >= giveUpAfter:
		return store.OutboxDead, now
	}
	// Every error is tried again, also "401": a person repairs the token and the
	// page must still come.
	return store.OutboxPending, now.Add(backoff(n.Attempts + 1))
}
