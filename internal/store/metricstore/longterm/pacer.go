package longterm

import (
	"context"
	"time"
)

// pacer keeps a background job within a share of one core: after each slice of
// work it sleeps as long as the rest takes.
type pacer struct {
	share   float64
	started time.Time
}

// workSlice is how long the job runs before it makes way.
const workSlice = 20 * time.Millisecond

func (p *pacer) start() { p.started = time.Now() }

// step is called between small pieces of work. It returns early when ctx ends.
func (p *pacer) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	worked := time.Since(p.started)
	if worked < workSlice {
		return nil
	}
	if rest := time.Duration(float64(worked) * (1/p.share - 1)); rest > 0 {
		t := time.NewTimer(rest)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	p.started = time.Now()
	return nil
}
