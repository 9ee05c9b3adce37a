package gate

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"hinomi/internal/store"
)

// Receipt collects what became of one request's rows on the way through a
// synchronous Collector pipeline, whose interfaces can only say yes or no. A
// pipeline with an asynchronous processor (batch) leaves it empty.
type Receipt struct {
	mu  sync.Mutex
	res store.WriteResult
}

type receiptKey struct{}

// WithReceipt returns a context that collects into the receipt.
func WithReceipt(ctx context.Context) (context.Context, *Receipt) {
	r := &Receipt{}
	return context.WithValue(ctx, receiptKey{}, r), r
}

func receiptFrom(ctx context.Context) *Receipt {
	r, _ := ctx.Value(receiptKey{}).(*Receipt)
	return r
}

func (r *Receipt) add(res store.WriteResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Stored += res.Stored
	r.res.Stamped += res.Stamped
	for reason, n := range res.Rejected {
		r.res.Reject(reason, n, res.Example[reason])
	}
}

// Rejected returns how many rows were refused for good, and why in words.
func (r *Receipt) Rejected() (n int, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reasons := slices.SortedFunc(maps.Keys(r.res.Rejected), func(a, b store.RejectReason) int { return cmp.Compare(a, b) })
	var parts []string
	for _, reason := range reasons {
		parts = append(parts, string(reason)+": "+r.res.Example[reason])
	}
	return r.res.RejectedTotal(), strings.Join(parts, "; ")
}

// result is what the receipt tells; it must not be changed.
func (r *Receipt) result() store.WriteResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.res
}

// Stored is how many rows were stored.
func (r *Receipt) Stored() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.res.Stored
}
