package gate

import (
	"context"
	"errors"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// errUnfinished is when the request that others wait for ended without a result.
var errUnfinished = errors.New("the request ended early")

type flightKey struct {
	signal model.Signal
	id     store.RequestID
}

// flight is a request under way. What it became is set before done is closed.
type flight struct {
	done chan struct{}
	res  store.WriteResult
	err  error
}

// Once lets do store the request that body is, unless the same one was
// acknowledged a while ago: then ctx's receipt tells what became of its rows, and
// they are counted as duplicates. One that comes while the same is under way waits
// for it, and is tried itself if that fails. Without a receipt in ctx, or a store
// that remembers, every request is a new one.
func (g *Gate) Once(ctx context.Context, scope model.Scope, source string, signal model.Signal, body []byte, do func(context.Context) error) error {
	known, receipt := g.o.Receipts[signal], receiptFrom(ctx)
	if known == nil || receipt == nil {
		return do(ctx)
	}
	key := flightKey{signal, known.RequestID(scope, body)}
	for {
		f, first := g.join(key)
		if first {
			return g.fly(ctx, f, key, known, source, receipt, do)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case f.err != nil: // One of those who wait is the next to try.
		case f.res.Lasting():
			g.duplicate(source, signal, receipt, f.res)
			return nil
		default: // The same bytes mean other rows: nobody waits for anybody.
			return do(ctx)
		}
	}
}

// join returns the flight of a request and whether it begins now.
func (g *Gate) join(key flightKey) (f *flight, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f = g.flights[key]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{}), err: errUnfinished}
	g.flights[key] = f
	return f, true
}

func (g *Gate) fly(ctx context.Context, f *flight, key flightKey, known store.Receipts, source string, receipt *Receipt, do func(context.Context) error) error {
	// The store remembers before the flight ends, so that nobody comes between.
	defer func() {
		g.mu.Lock()
		delete(g.flights, key)
		g.mu.Unlock()
		close(f.done)
	}()
	if res, ok := known.Receipt(key.id); ok {
		f.res, f.err = res, nil
		g.duplicate(source, key.signal, receipt, res)
		return nil
	}
	err := do(store.WithRequestID(ctx, key.id))
	f.res, f.err = receipt.result(), err
	return err
}

func (g *Gate) duplicate(source string, signal model.Signal, receipt *Receipt, res store.WriteResult) {
	g.o.Ledger.Duplicate(source, signal, res.Stored+res.RejectedTotal())
	receipt.add(res)
}
