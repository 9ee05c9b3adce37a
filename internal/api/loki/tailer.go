package loki

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"hinomi/internal/model"
	"hinomi/internal/query/logql"
)

// errTailEnd is when the server stops or the tail is old enough.
var errTailEnd = errors.New("tail ends")

// tailer is one tail.
type tailer struct {
	api   *API
	scope model.Scope
	q     tailQuery
	conn  *websocket.Conn
	from  time.Time // of the next look
	first bool
	sent  map[uint64]int64 // lines of the overlap that were sent, with their time
	seed  maphash.Seed
}

func (t *tailer) run(ctx context.Context) error {
	look, ping := time.NewTicker(tailPoll), time.NewTicker(tailPing)
	defer look.Stop()
	defer ping.Stop()
	t.first = true
	for {
		if err := t.look(ctx); err != nil {
			return err
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return errTailEnd
			case <-t.api.tails.stop:
				return errTailEnd
			case <-ping.C:
				if err := t.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(tailWriteTimeout)); err != nil {
					return errTailEnd
				}
			case <-look.C:
				waiting = false
			}
		}
	}
}

// look sends what is new. The first look sends the newest lines of the past, up to
// the limit.
func (t *tailer) look(ctx context.Context) error {
	end := t.api.o.Now().Add(-t.q.delay)
	if !end.After(t.from) {
		return nil
	}
	limit, first := t.api.o.Engine.MaxEntries(), t.first
	if first {
		limit = t.q.limit
	}
	res, err := t.api.o.Engine.Range(ctx, t.scope, logql.Request{Query: t.q.text, Start: t.from, End: end.Add(time.Nanosecond), Limit: limit, Forward: !first})
	if err != nil {
		return err
	}
	t.first = false
	streams := t.fresh(res.Streams)
	t.advance(res.Streams, limit, first, end)
	if len(streams) == 0 {
		return nil
	}
	body, err := json.Marshal(tailResponse(streams, t.q.flags))
	if err != nil {
		return err
	}
	if err := t.conn.SetWriteDeadline(time.Now().Add(tailWriteTimeout)); err != nil {
		return errTailEnd
	}
	if err := t.conn.WriteMessage(websocket.TextMessage, body); err != nil {
		return errTailEnd
	}
	return nil
}

// fresh leaves out the lines that were sent before, and puts the rest in order of
// time. A line that stands twice in the store at the same time is sent once.
func (t *tailer) fresh(in []logql.Stream) []logql.Stream {
	var out []logql.Stream
	for _, s := range in {
		var lines []logql.Entry
		stream := s.Labels.String()
		for _, e := range s.Entries {
			key := t.key(stream, e)
			if _, ok := t.sent[key]; ok {
				continue
			}
			t.sent[key] = e.Ts
			lines = append(lines, e)
		}
		if len(lines) > 0 {
			slices.SortStableFunc(lines, func(a, b logql.Entry) int { return int(min(max(a.Ts-b.Ts, -1), 1)) })
			out = append(out, logql.Stream{Labels: s.Labels, Entries: lines})
		}
	}
	return out
}

func (t *tailer) key(stream string, e logql.Entry) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.WriteString(strconv.FormatInt(e.Ts, 36))
	for _, part := range []string{stream, e.Line, e.Metadata.String(), e.Parsed.String()} {
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// advance moves the start of the next look: to the overlap before the end of this one.
// When there were more lines than fit, the first look forgets what is older than its
// oldest line, and a later one goes on behind its last.
func (t *tailer) advance(got []logql.Stream, limit int, first bool, end time.Time) {
	n, oldest, last := 0, int64(math.MaxInt64), int64(0)
	for _, s := range got {
		n += len(s.Entries)
		for _, e := range s.Entries {
			oldest, last = min(oldest, e.Ts), max(last, e.Ts)
		}
	}
	next := end.Add(-tailOverlap).UnixNano()
	switch {
	case n < limit:
	case first:
		next = max(next, oldest)
	case last > t.from.UnixNano():
		next = min(next, last)
	}
	if next > t.from.UnixNano() {
		t.from = time.Unix(0, next)
	}
	from := t.from.UnixNano()
	for k, ts := range t.sent {
		if ts < from {
			delete(t.sent, k)
		}
	}
}

// tailResponse is a message of a tail.
func tailResponse(streams []logql.Stream, categorized bool) map[string]any {
	if categorized {
		return map[string]any{"streams": categorizedStreams(streams), "encodingFlags": []string{"categorize-labels"}}
	}
	return map[string]any{"streams": flatStreams(streams)}
}
