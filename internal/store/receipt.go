package store

import (
	"context"

	"hinomi/internal/model"
)

// RequestID tells a request that is sent again from every other: a digest of the
// bytes that were sent and of what their sender may write.
type RequestID [16]byte

// Receipts is what a store remembers of the requests that it acknowledged, for a
// while and in bounded memory, so that a sender that lost the answer and sends
// the same bytes again gets the same answer and no second copy of its rows.
type Receipts interface {
	// RequestID digests a request. Two stores give the same request different ids.
	RequestID(scope model.Scope, body []byte) RequestID
	// Receipt returns what became of a request that was acknowledged. It is as
	// durable as the request's rows.
	Receipt(id RequestID) (WriteResult, bool)
}

type requestKey struct{}

// WithRequestID returns a context for one append: the store keeps a receipt with
// the rows if the result is Lasting.
func WithRequestID(ctx context.Context, id RequestID) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestIDFrom returns the id that WithRequestID put into ctx.
func RequestIDFrom(ctx context.Context) (RequestID, bool) {
	id, ok := ctx.Value(requestKey{}).(RequestID)
	return id, ok
}

// Lasting tells whether the same bytes would mean the same rows again: there are
// some, and each has a time of its own.
func (r WriteResult) Lasting() bool { return r.Stored > 0 && r.Stamped == 0 }
