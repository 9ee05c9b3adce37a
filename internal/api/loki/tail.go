package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"hinomi/internal/model"
	"hinomi/internal/query/logql"
)

// Bounds of live tailing.
const (
	// tailPoll is how often a tail looks for new lines: people see no delay, and each
	// look reads only the newest blocks.
	tailPoll = 500 * time.Millisecond
	// tailOverlap is how much of the past each look repeats, for lines that arrive
	// out of order.
	tailOverlap = 10 * time.Second
	// tailMaxDuration ends tails that were forgotten; Grafana and logcli reconnect.
	tailMaxDuration = time.Hour
	// tailWriteTimeout gives up a client that does not read.
	tailWriteTimeout = 10 * time.Second
	// tailPing finds connections that are gone while there is nothing to send.
	tailPing = time.Second
	// maxTails bounds the tails of all clients: each costs two scans a second.
	maxTails = 64
	// maxTailDelay is the largest delay_for, in seconds, as in Loki.
	maxTailDelay = 5
)

// tails counts the tails that run and ends them.
type tails struct {
	mu      sync.Mutex
	running int
	closed  bool
	stop    chan struct{}
	wg      sync.WaitGroup
}

func (t *tails) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.running >= maxTails {
		return false
	}
	t.running++
	t.wg.Add(1)
	return true
}

func (t *tails) end() {
	t.mu.Lock()
	t.running--
	t.mu.Unlock()
	t.wg.Done()
}

// Close ends the tails, whose connections a server's Shutdown does not know, and
// waits for them.
func (a *API) Close() error {
	a.tails.mu.Lock()
	if !a.tails.closed {
		a.tails.closed = true
		close(a.tails.stop)
	}
	a.tails.mu.Unlock()
	a.tails.wg.Wait()
	return nil
}

type tailQuery struct {
	text  string
	start time.Time
	limit int
	delay time.Duration
	flags bool
}

func (a *API) tailQuery(w http.ResponseWriter, r *http.Request) (tailQuery, error) {
	q := tailQuery{flags: categorize(r)}
	if err := form(w, r); err != nil {
		return q, err
	}
	q.text = r.Form.Get("query")
	if _, err := logql.ParseLog(q.text); err != nil {
		return q, err
	}
	var err error
	if q.limit, _, err = a.limits(r); err != nil {
		return q, err
	}
	if q.start, err = parseTime(r.Form.Get("start"), a.o.Now().Add(-defaultSince)); err != nil {
		return q, err
	}
	if s := r.Form.Get("delay_for"); s != "" {
		n, err := strconv.Atoi(s)
		switch {
		case err != nil || n < 0:
			return q, badRequest(fmt.Errorf("delay_for must be a number of seconds, got %q", s))
		case n > maxTailDelay:
			return q, badRequest(fmt.Errorf("delay_for can't be greater than %d", maxTailDelay))
		}
		q.delay = time.Duration(n) * time.Second
	}
	return q, nil
}

// tail sends new lines over a websocket until the client goes.
func (a *API) tail(w http.ResponseWriter, r *http.Request) {
	q, err := a.tailQuery(w, r)
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	if !a.tails.begin() {
		http.Error(w, fmt.Sprintf("max concurrent tail requests limit exceeded, count > limit (%d)", maxTails), http.StatusTooManyRequests)
		return
	}
	defer a.tails.end()
	up := websocket.Upgrader{CheckOrigin: sameOrigin}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered.
	}
	ctx, cancel := context.WithTimeout(r.Context(), tailMaxDuration)
	// The reader notices that the client goes and answers its pings.
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	t := &tailer{api: a, scope: a.o.Scope(r), q: q, conn: conn, from: q.start, sent: map[uint64]int64{}, seed: maphash.MakeSeed()}
	reason, code := "", websocket.CloseNormalClosure
	if err := t.run(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errTailEnd) {
		reason, code = err.Error(), websocket.CloseInternalServerErr
	}
	// A close message holds 123 bytes of text at most.
	msg := websocket.FormatCloseMessage(code, reason[:min(len(reason), 120)])
	_ = conn.WriteControl(websocket.CloseMessage, msg, time.Now().Add(time.Second))
	_ = conn.Close()
	<-gone
}

// sameOrigin keeps pages of other sites from reading logs through a browser. Clients
// that are no browsers send no Origin.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
}

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
