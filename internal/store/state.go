package store

import (
	"context"
	"time"

	"hinomi/internal/model"
)

// StateEntry is a small record that its owner encodes: a silence, an entry of
// the notification log.
type StateEntry struct {
	Product string
	Key     string
	Body    []byte
	Expires time.Time // when it may be forgotten
}

// Journal keeps the newest entry of each key. Put returns when the entry is on
// disk. Implementations are safe for concurrent use.
type Journal interface {
	Put(ctx context.Context, scope model.Scope, e StateEntry) error
	// All returns the entries inside scope, in no order.
	All(ctx context.Context, scope model.Scope) ([]StateEntry, error)
	// Prune forgets entries that expired before t.
	Prune(ctx context.Context, scope model.Scope, t time.Time) error
}

// AlertRecord is what rules last said of one alert. Ends in the future means
// firing until then unless said again.
type AlertRecord struct {
	Product      string
	Fingerprint  string // of the labels, hexadecimal
	Labels       map[string]string
	Annotations  map[string]string
	GeneratorURL string
	Starts, Ends time.Time
	Updated      time.Time
	Timeout      bool // Ends is only a timeout, not a resolution
}

// AlertState remembers alerts, so that a restart neither repeats a page nor
// loses a resolution.
type AlertState interface {
	// PutAlerts stores records whole or not at all. A record that continues an
	// unfinished one keeps the earlier Starts.
	PutAlerts(ctx context.Context, scope model.Scope, records []AlertRecord) error
	// LoadAlerts returns the alerts inside scope, in no order.
	LoadAlerts(ctx context.Context, scope model.Scope) ([]AlertRecord, error)
	// PruneAlerts forgets alerts that ended before t.
	PruneAlerts(ctx context.Context, scope model.Scope, t time.Time) error
}

// OutboxState is where a notification is on its way.
type OutboxState string

// The states of a notification.
const (
	OutboxPending   OutboxState = "pending"
	OutboxDelivered OutboxState = "delivered"
	OutboxDead      OutboxState = "dead" // given up: too old, or refused for good
)

// Notification is one message to one integration of a receiver.
type Notification struct {
	ID      int64 // given by the store
	Product string
	// Key is the same for the same message after a crash, so that it is stored
	// once, and goes to the receiver, which can drop what it has already.
	Key         string
	Receiver    string // name
	Integration string // kind: webhook, …
	Index       int    // which of the receiver's integrations of that kind
	GroupKey    string
	Payload     []byte
	Created     time.Time
	State       OutboxState
	Attempts    int
	Next        time.Time // not to be tried before
}

// Attempt is one try to deliver a notification.
type Attempt struct {
	Notification int64
	At           time.Time
	Duration     time.Duration
	Error        string // empty: delivered
}

// Delivery is a notification with its attempts, oldest first.
type Delivery struct {
	Notification
	Tries []Attempt
}

// Outbox keeps notifications until they are delivered. Implementations are safe
// for concurrent use.
type Outbox interface {
	// Enqueue returns when n is on disk; added is false when its key was there.
	Enqueue(ctx context.Context, scope model.Scope, n Notification) (added bool, err error)
	// Due returns what may be tried at t, oldest first, at most one per receiver
	// integration and group: a resolution never overtakes its page.
	Due(ctx context.Context, scope model.Scope, t time.Time, limit int) ([]Notification, error)
	// NextDue is when the earliest pending notification may be tried, the zero
	// time when there is none.
	NextDue(ctx context.Context, scope model.Scope) (time.Time, error)
	// Finish records a try and what became of the notification.
	Finish(ctx context.Context, scope model.Scope, try Attempt, state OutboxState, next time.Time) error
	// Deliveries lists the newest notifications with their attempts.
	Deliveries(ctx context.Context, scope model.Scope, limit int) ([]Delivery, error)
	// PruneOutbox forgets what is delivered or dead and was created before t.
	PruneOutbox(ctx context.Context, scope model.Scope, t time.Time) error
}
