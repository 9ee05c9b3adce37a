package v1

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/api/apierr"
	"hinomi/internal/query/logql"
)

// SearchFunc prepares a search of logs in the scope of its context.
type SearchFunc func(context.Context, logql.Request) (*logql.Search, error)

// Bounds of a search's answer.
const (
	defaultSearchLines = 100
	// eventLines bounds an event, which whoever reads it holds as a whole.
	eventLines = 500
	// searchPulse is how often an answer tells of its progress when it has no lines.
	searchPulse = 250 * time.Millisecond
	// searchPatience is how long a client may take no event before it is given up.
	searchPatience = 30 * time.Second
)

// eventsType is the media type of newline-delimited JSON.
const eventsType = "application/x-ndjson"

type searchInput struct {
	Query     string `query:"query" required:"true" doc:"LogQL log query" example:"{service_name=\"payment\"} |= \"declined\""`
	Direction string `query:"direction" enum:"backward,forward" default:"backward" doc:"backward: newest lines first"`
	Limit     int    `query:"limit" minimum:"1" doc:"most lines of the answer; default 100"`
	RangeInput
}

// LogLine is one line of an answer.
type LogLine struct {
	Time     string            `json:"ts" doc:"Unix nanoseconds"`
	Line     string            `json:"line"`
	Labels   map[string]string `json:"labels" doc:"labels of its stream: what a selector can name"`
	Metadata map[string]string `json:"metadata,omitempty" doc:"structured metadata"`
	Parsed   map[string]string `json:"parsed,omitempty" doc:"what the query's stages added"`
}

// SearchProgress is how far a search is.
type SearchProgress struct {
	Share        float64 `json:"share" doc:"fraction of the work that is done"`
	From         int64   `json:"fromMs" doc:"the answer is complete from here, Unix milliseconds"`
	To           int64   `json:"toMs" doc:"to here, exclusive"`
	Lines        int     `json:"lines" doc:"lines of the answer until now"`
	RowsScanned  int64   `json:"rowsScanned"`
	BytesScanned int64   `json:"bytesScanned" doc:"uncompressed"`
	Units        int     `json:"units" doc:"parts of the store in the range"`
	UnitsPruned  int     `json:"unitsPruned" doc:"parts that were ruled out unread"`
	Elapsed      float64 `json:"elapsedMs"`
}

// SearchEnd is how a search ended.
type SearchEnd struct {
	Reason   string   `json:"reason" enum:"complete,limit,time,rows,bytes" doc:"limit: as many lines as were asked for; time, rows, bytes: that budget of queries is used up, so that lines outside of progress are missing"`
	Warnings []string `json:"warnings" nullable:"false"`
}

// SearchEvent is one line of the answer of a search. The last one has an end or an
// error; where both are missing, the connection was lost.
type SearchEvent struct {
	Lines    []LogLine        `json:"lines,omitempty" doc:"final: later events have only lines that come after these"`
	Progress *SearchProgress  `json:"progress,omitempty"`
	End      *SearchEnd       `json:"end,omitempty"`
	Error    *huma.ErrorModel `json:"error,omitempty" doc:"a problem (RFC 9457) that was met after the first event"`
}

func registerSearch(h huma.API, a *api) {
	op := huma.Operation{
		OperationID: "logSearch", Method: http.MethodGet, Path: Prefix + "/logs/search",
		Summary: "Log lines in their order as they are found, with progress",
		Description: "One JSON object a line, each flushed by itself. Lines are final: newest first (or oldest first), and everything within " +
			"progress is there. To go away stops the search.",
		Responses: map[string]*huma.Response{"200": {
			Description: "Events until one has an end or an error",
			Content: map[string]*huma.MediaType{
				eventsType: {Schema: h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[SearchEvent](), true, "SearchEvent")},
			},
		}},
	}
	huma.Register(h, op, a.search)
}

func (a *api) search(ctx context.Context, in *searchInput) (*huma.StreamResponse, error) {
	from, to, err := in.times(a.Now())
	if err != nil {
		return nil, err
	}
	if a.Search == nil {
		return nil, huma.Error501NotImplemented("there is no log store to search")
	}
	if in.Limit == 0 {
		in.Limit = defaultSearchLines
	}
	s, err := a.Search(ctx, logql.Request{Query: in.Query, Start: from, End: to, Limit: in.Limit, Forward: in.Direction == "forward"})
	if err != nil {
		return nil, a.searchProblem(err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		ctx.SetHeader("Content-Type", eventsType)
		ctx.SetHeader("Cache-Control", "no-store")
		ctx.SetHeader("X-Accel-Buffering", "no")
		runCtx, cancel := context.WithCancel(ctx.Context())
		defer cancel()
		out := &events{w: w, gone: cancel}
		a.runSearch(runCtx, s, out)
	}}, nil
}

// runSearch sends what s finds, and its progress while it finds nothing.
func (a *api) runSearch(ctx context.Context, s *logql.Search, out *events) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		pulse := time.NewTicker(searchPulse)
		defer pulse.Stop()
		for {
			select {
			case <-done:
				return
			case <-pulse.C:
				out.pulse(func() SearchEvent { return SearchEvent{Progress: progressOf(s)} })
			}
		}
	})
	outcome, err := s.Run(ctx, func(lines []logql.Line) error {
		for len(lines) > eventLines {
			if err := out.send(SearchEvent{Lines: linesOf(lines[:eventLines])}); err != nil {
				return err
			}
			lines = lines[eventLines:]
		}
		return out.send(SearchEvent{Lines: linesOf(lines), Progress: progressOf(s)})
	})
	close(done)
	wg.Wait()
	if ctx.Err() != nil {
		return // Nobody reads what else there is to say.
	}
	if err != nil {
		var problem *huma.ErrorModel
		if errors.As(a.searchProblem(err), &problem) {
			_ = out.send(SearchEvent{Progress: progressOf(s), Error: problem})
		}
		return
	}
	end := &SearchEnd{Reason: string(outcome.Ended), Warnings: append([]string{}, outcome.Warnings...)}
	if outcome.Ended == logql.Complete {
		end.Reason = "complete"
	}
	_ = out.send(SearchEvent{Progress: progressOf(s), End: end})
}

// searchProblem is an error of a search as a problem document.
func (a *api) searchProblem(err error) error {
	code := apierr.Status(err, logql.AtFault)
	if code == http.StatusInternalServerError {
		a.Logger.Error("search logs", "err", err)
	}
	return huma.NewError(code, err.Error())
}

// events writes events one by one. It gives up, and says so, when the client does not
// take them.
type events struct {
	w    http.ResponseWriter
	gone func()

	mu   sync.Mutex
	last time.Time
	err  error
}

func (e *events) send(ev SearchEvent) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.write(ev)
}

// pulse sends an event unless there was one a moment ago.
func (e *events) pulse(ev func() SearchEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.last) >= searchPulse {
		_ = e.write(ev())
	}
}

func (e *events) write(ev SearchEvent) error {
	if e.err != nil {
		return e.err
	}
	c := http.NewResponseController(e.w)
	_ = c.SetWriteDeadline(time.Now().Add(searchPatience)) // a writer of a test has none
	if e.err = json.NewEncoder(e.w).Encode(ev); e.err == nil {
		e.err = c.Flush()
	}
	e.last = time.Now()
	if e.err != nil {
		e.gone()
	}
	return e.err
}

func progressOf(s *logql.Search) *SearchProgress {
	p := s.Progress()
	const ms = int64(time.Millisecond)
	return &SearchProgress{
		Share: p.Share, Lines: p.Lines, RowsScanned: p.RowsScanned, BytesScanned: p.BytesScanned,
		// Never more than is true.
		From: (p.From + ms - 1) / ms, To: p.To / ms,
		Units: p.Units, UnitsPruned: p.UnitsPruned, Elapsed: float64(p.Duration) / float64(ms),
	}
}

func linesOf(in []logql.Line) []LogLine {
	out := make([]LogLine, len(in))
	for i, l := range in {
		out[i] = LogLine{Time: strconv.FormatInt(l.Ts, 10), Line: l.Line, Labels: mapOf(l.Labels), Metadata: mapOf(l.Metadata), Parsed: mapOf(l.Parsed)}
	}
	return out
}

func mapOf(ls labels.Labels) map[string]string {
	out := make(map[string]string, ls.Len())
	ls.Range(func(l labels.Label) { out[l.Name] = l.Value })
	return out
}
