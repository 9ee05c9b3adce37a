package loki

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

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
