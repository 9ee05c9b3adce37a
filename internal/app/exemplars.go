package app

import (
	"context"
	"encoding/hex"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// exemplarsFor is how long what was read of the exemplars is used: sampling asks
// once for each trace.
const exemplarsFor = time.Minute

// exemplarTraces knows which traces an exemplar of a stored series names, so that
// a click on it finds the trace.
type exemplarTraces struct {
	queryable storage.ExemplarQueryable
	log       *slog.Logger

	mu   sync.Mutex
	read time.Time
	ids  map[[16]byte]bool
}

// named tells whether an exemplar names the trace.
func (e *exemplarTraces) named(id [16]byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); now.Sub(e.read) > exemplarsFor {
		e.read = now
		if ids, err := e.list(); err != nil {
			e.log.Warn("read the exemplars; traces are kept for those that were read before", "err", err)
		} else {
			e.ids = ids
		}
	}
	return e.ids[id]
}

func (e *exemplarTraces) list() (map[[16]byte]bool, error) {
	q, err := e.queryable.ExemplarQuerier(context.Background())
	if err != nil {
		return nil, err
	}
	any, err := labels.NewMatcher(labels.MatchRegexp, labels.MetricName, ".+")
	if err != nil {
		return nil, err
	}
	series, err := q.Select(math.MinInt64/2, math.MaxInt64/2, []*labels.Matcher{any})
	if err != nil {
		return nil, err
	}
	ids := map[[16]byte]bool{}
	for _, s := range series {
		for _, x := range s.Exemplars {
			for _, name := range []string{"trace_id", "traceID", "TraceID"} {
				if raw, err := hex.DecodeString(x.Labels.Get(name)); err == nil && len(raw) == 16 {
					ids[[16]byte(raw)] = true
				}
			}
		}
	}
	return ids, nil
}
