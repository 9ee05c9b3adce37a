package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// admissionWait is how long a request waits for memory before it is refused: the
	// others take milliseconds, and who waits sends nothing else.
	admissionWait = time.Second
	// Spread is about how many bytes a request takes for each byte of its body: the
	// body, its columns, and the frame that is written to the WAL.
	Spread = 3
	// firstBytes is what a request of unknown length begins with.
	firstBytes = 64 << 10
	// likelyRatio is how well compressed telemetry compresses, about.
	likelyRatio = 8
)

// Request is the memory of one request under way. It is used by one goroutine. Nil
// is a request without a bound.
type Request struct {
	share *Share
	held  int64
}

// Begin admits a request of which a body of length bytes (negative: unknown) is to
// be read. compressed tells that it grows. Nothing of it has to be read before.
func (s *Share) Begin(ctx context.Context, length int64, compressed bool) (*Request, error) {
	switch {
	case length < 0:
		length = firstBytes
	case compressed && length < s.Limit()/likelyRatio/Spread:
		length *= likelyRatio
	}
	return s.BeginWith(ctx, length*Spread)
}

// BeginWith admits a request that takes n bytes at first. It waits a moment when
// they are not there. Errors are retryable or ErrTooLarge.
func (s *Share) BeginWith(ctx context.Context, n int64) (*Request, error) {
	if s == nil {
		return nil, nil
	}
	if err := s.fits(n); err != nil {
		return nil, err
	}
	if err := s.wait(ctx, n, admissionWait); err != nil {
		return nil, err
	}
	return &Request{s, n}, nil
}

func (s *Share) fits(n int64) error {
	if n > s.limit {
		s.refused.Inc()
		return fmt.Errorf("the request takes %d MiB in memory, the most is %d MiB: %w", n>>20, s.limit>>20, ErrTooLarge)
	}
	return nil
}

// Resize makes n bytes what the request takes. It does not wait, because it holds
// what others wait for.
func (r *Request) Resize(n int64) error {
	if r == nil {
		return nil
	}
	if n <= r.held {
		r.share.Give(r.held - n)
		r.held = n
		return nil
	}
	if err := r.share.fits(n); err != nil {
		return err
	}
	if !r.share.Take(n - r.held) {
		return r.share.usedUp()
	}
	r.held = n
	return nil
}

// Grow is Resize that never gives anything back.
func (r *Request) Grow(n int64) error {
	if r == nil || n <= r.held {
		return nil
	}
	return r.Resize(n)
}

// End gives everything back. It may be called twice.
func (r *Request) End() {
	if r != nil {
		r.share.Give(r.held)
		r.held = 0
	}
}

// ReadAll reads src to its end into b, from its beginning, and takes memory for
// what is read, with its spread, before there is more of it. length is how much is
// expected, negative when that is unknown.
func (r *Request) ReadAll(src io.Reader, b []byte, length int64) ([]byte, error) {
	b = r.reuse(b)
	for {
		if len(b) == cap(b) {
			size := max(int64(2*cap(b)), 4<<10)
			if length >= 0 && int64(len(b)) <= length {
				size = length + 1 // One more, to see the end.
			}
			if err := r.Grow(takes(size, len(b))); err != nil {
				return b, err
			}
			next := make([]byte, len(b), size)
			copy(next, b)
			b = next
		}
		n, err := src.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, r.Grow(takes(int64(cap(b)), len(b)))
		}
		if err != nil {
			return b, err
		}
	}
}

// takes is what a request takes of whose body read bytes are in a buffer of size.
func takes(size int64, read int) int64 { return size + int64(read)*(Spread-1) }

// reuse is the memory of a request before, or none when there is no room for it.
func (r *Request) reuse(b []byte) []byte {
	if more := int64(cap(b)); r != nil && more > r.held {
		if !r.share.take(more - r.held) {
			return nil
		}
		r.held = more
	}
	return b[:0]
}

type requestKey struct{}

// WithRequest returns a context that carries r.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestFrom returns the request that ctx carries, nil when it carries none.
func RequestFrom(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}
