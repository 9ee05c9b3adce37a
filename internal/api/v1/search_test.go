package v1_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	v1 "hinomi/internal/api/v1"
	"hinomi/internal/model"
	"hinomi/internal/query/logql"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

// gated is a store whose scans wait from the nth on.
type gated struct {
	store.Scanner
	from  int32
	scans atomic.Int32
	open  chan struct{}
	err   error
}

func (g *gated) Scan(ctx context.Context, scope model.Scope, req store.ScanRequest, fn func(*store.Batch) error) (store.ScanStats, error) {
	if g.from > 0 && g.scans.Add(1) >= g.from {
		select {
		case <-g.open:
		case <-ctx.Done():
			return store.ScanStats{}, ctx.Err()
		}
		if g.err != nil {
			return store.ScanStats{}, g.err
		}
	}
	return g.Scanner.Scan(ctx, scope, req, fn)
}

// hour is a store with a line a second in the hour before now, in units of ten. It is
// only read, and takes a while to fill.
var hour = sync.OnceValues(func() (*storetest.Memory, error) {
	m := storetest.New()
	m.UnitRows = 10
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "pay")
	lrs := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range 3600 {
		lr := lrs.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(i-3600) * time.Second)))
		lr.Body().SetStr(fmt.Sprintf("line %d", i))
		lr.Attributes().PutStr("k", "v")
	}
	_, err := m.AppendLogs(context.Background(), model.ScopeAll(), ld)
	return m, err
})

func searchable(t *testing.T) *gated {
	t.Helper()
	m, err := hour()
	if err != nil {
		t.Fatal(err)
	}
	return &gated{Scanner: m, open: make(chan struct{})}
}

func searchServer(t *testing.T, s store.Scanner, b store.Budget) *httptest.Server {
	t.Helper()
	eng, err := logql.New(logql.Options{Store: s, Budget: b})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Search = func(ctx context.Context, r logql.Request) (*logql.Search, error) {
		return eng.Search(ctx, model.ScopeAll(), r)
	}
	h, err := v1.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// startSearch asks as a browser does, which takes gzip.
func startSearch(t *testing.T, ctx context.Context, srv *httptest.Server, query, more string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+v1.Prefix+"/logs/search?query="+url.QueryEscape(query)+more, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	c := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

type eventReader struct{ *bufio.Scanner }

func readEvents(t *testing.T, resp *http.Response) eventReader {
	t.Helper()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	zr, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewScanner(zr)
	events.Buffer(nil, 1<<20)
	return eventReader{events}
}

func (r eventReader) next(t *testing.T) v1.SearchEvent {
	t.Helper()
	if !r.Scan() {
		t.Fatalf("no event: %v", r.Err())
	}
	var e v1.SearchEvent
	if err := json.Unmarshal(r.Bytes(), &e); err != nil {
		t.Fatalf("%v in %s", err, r.Text())
	}
	return e
}

func TestSearchSendsLinesWhileItRuns(t *testing.T) {
	s := searchable(t)
	s.from = 3 // The survey and the first piece pass.
	resp := startSearch(t, context.Background(), searchServer(t, s, store.Budget{}), `{service_name="pay"}`, "&limit=3000")
	events := readEvents(t, resp)
	first := events.next(t)
	if len(first.Lines) == 0 || len(first.Lines) > 100 || first.Lines[0].Line != "line 3599" || first.Lines[0].Labels["service_name"] != "pay" || first.Lines[0].Metadata["k"] != "v" {
		t.Fatalf("the first event: %+v", first)
	}
	n := len(first.Lines)
	p := first.Progress
	if p.Lines != n || p.To != now.UnixMilli() || p.From != now.Add(-time.Duration(n)*time.Second).UnixMilli() || p.Share <= 0 || p.Share > 0.05 || p.Units != 360 {
		t.Errorf("progress %+v", p)
	}
	// Nothing is found, which is told.
	if e := events.next(t); len(e.Lines) > 0 || e.Progress == nil || e.End != nil {
		t.Errorf("while it waits: %+v", e)
	}
	close(s.open)
	var last v1.SearchEvent
	for last.End == nil {
		last = events.next(t)
		for _, l := range last.Lines {
			if n++; l.Line != fmt.Sprintf("line %d", 3600-n) {
				t.Fatalf("line %d is %+v", n, l)
			}
		}
	}
	if n != 3000 || last.End.Reason != "limit" || last.Progress.Lines != n {
		t.Errorf("%d lines, %+v", n, last)
	}
	if events.Scan() {
		t.Errorf("after the end: %s", events.Text())
	}
}

func TestSearchOldestFirst(t *testing.T) {
	events := readEvents(t, startSearch(t, context.Background(), searchServer(t, searchable(t), store.Budget{}), `{service_name="pay"} |= "line 35"`, "&limit=5000&direction=forward"))
	e := events.next(t)
	var lines []string
	for ; e.End == nil; e = events.next(t) {
		for _, l := range e.Lines {
			lines = append(lines, l.Line)
		}
	}
	if len(lines) != 111 || lines[0] != "line 35" || lines[110] != "line 3599" || e.End.Reason != "complete" || e.Progress.Share != 1 {
		t.Errorf("%d lines, %+v", len(lines), e)
	}
}

func TestSearchThatABudgetEnds(t *testing.T) {
	events := readEvents(t, startSearch(t, context.Background(), searchServer(t, searchable(t), store.Budget{Rows: 300}), `{service_name="pay"}`, "&limit=5000"))
	n := 0
	for {
		e := events.next(t)
		n += len(e.Lines)
		if e.End == nil {
			continue
		}
		complete := int((e.Progress.To - e.Progress.From) / 1000)
		if e.End.Reason != "rows" || n < complete || complete < 40 || n > 310 {
			t.Errorf("%d lines, complete for %d s: %+v", n, complete, e.End)
		}
		return
	}
}

func TestSearchErrors(t *testing.T) {
	srv := searchServer(t, searchable(t), store.Budget{})
	for _, c := range []struct {
		query, more, want string
		code              int
	}{
		{`{service_name="pay"`, "", "line 1, col", 400},
		{`rate({service_name="pay"}[1m])`, "", "log", 400},
		{`{service_name="pay"}`, "&from=5&to=4", "range is empty", 422},
		{`{service_name="pay"}`, "&direction=up", "direction", 422},
		{`{service_name="pay"}`, "&limit=-1", "limit", 422},
	} {
		resp := startSearch(t, context.Background(), srv, c.query, c.more)
		var body huma.ErrorModel
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(body)
		if resp.StatusCode != c.code || resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(text), c.want) {
			t.Errorf("%s%s: %d %s", c.query, c.more, resp.StatusCode, text)
		}
	}
	s := searchable(t)
	s.from, s.err = 1, store.ErrNotReady
	close(s.open)
	if resp := startSearch(t, context.Background(), searchServer(t, s, store.Budget{}), `{service_name="pay"}`, ""); resp.StatusCode != 503 {
		t.Errorf("a store that opens: %d", resp.StatusCode)
	}
	s = searchable(t)
	s.from, s.err = 3, errors.New("the disk is on fire")
	close(s.open)
	events := readEvents(t, startSearch(t, context.Background(), searchServer(t, s, store.Budget{}), `{service_name="pay"}`, "&limit=5000"))
	if e := events.next(t); len(e.Lines) == 0 {
		t.Errorf("the first event: %+v", e)
	}
	if e := events.next(t); e.Error == nil || e.Error.Status != 500 || !strings.Contains(e.Error.Detail, "on fire") || e.Progress == nil {
		t.Errorf("the last event: %+v", e)
	}
}

func TestSearchStopsWithItsClient(t *testing.T) {
	s := searchable(t)
	s.from = 3
	srv := searchServer(t, s, store.Budget{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := readEvents(t, startSearch(t, ctx, srv, `{service_name="pay"}`, "&limit=5000"))
	events.next(t)
	cancel()
	srv.Close() // Waits for the handler, whose scan waits for its context.
}
