package export

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// fixed is a store with some rows, some missing ones, and perhaps an error.
type fixed struct {
	rows    int
	missing int
	err     error
	scope   *model.Scope
}

func (f fixed) Scan(_ context.Context, scope model.Scope, req store.ScanRequest, fn func(*store.Batch) error) (store.ScanStats, error) {
	*f.scope = scope
	b := &store.Batch{N: f.rows, Cols: make([]store.Vec, len(req.Columns))}
	b.Cols[0] = store.Vec{Kind: store.KindInt, Ints: make([]int64, f.rows)}
	stats := store.ScanStats{Unreachable: f.missing}
	if err := fn(b); err != nil {
		return stats, err
	}
	return stats, f.err
}

func (fixed) Columns(context.Context, model.Scope, int64, int64) ([]store.ColumnInfo, error) {
	return nil, nil
}

func TestExport(t *testing.T) {
	var scope model.Scope
	s := fixed{rows: 2, missing: 3, scope: &scope}
	own := model.ScopeProducts(model.RoleViewer, "shop")
	server := httptest.NewServer(New(Options{Logs: &s, Traces: &s, Scope: func(*http.Request) model.Scope { return own }, Logger: slog.New(slog.DiscardHandler), Now: time.Now}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	get := func(query string) (*http.Response, string, error) {
		t.Helper()
		resp, err := server.Client().Get(server.URL + Path + "?" + query)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		return resp, string(text), errors.Join(err, resp.Body.Close())
	}
	resp, text, err := get("signal=traces&format=csv&start=0")
	if err != nil || resp.StatusCode != http.StatusOK || strings.Count(text, "\n") != 3 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("%v %v %q", err, resp.Status, text)
	}
	if got := resp.Trailer.Get(MissingTrailer); got != "3" {
		t.Errorf("the trailer says %q parts are missing", got)
	}
	if scope.All() || !scope.Allows("shop") || scope.Allows("other") {
		t.Errorf("read with scope %+v", scope)
	}
	for query, want := range map[string]string{
		"signal=spans&format=csv":                   "use logs or traces",
		"signal=logs":                               "unknown format",
		"signal=logs&format=csv&start=x":            "is not a time",
		"signal=logs&format=csv&start=5&end=5":      "is empty",
		"signal=logs&format=csv&query=%7B":          "",
		"signal=traces&format=csv&query=%7Ba=~1%7D": "selects logs only",
	} {
		if resp, text, err := get(query); err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%s: %v %v %q", query, err, resp.Status, text)
		}
	}
	if resp, err := server.Client().Post(server.URL+Path, "", nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	// A store that fails in the middle must not look like the end.
	s.err = errors.New("disk")
	if resp, text, err := get("signal=logs&format=jsonl"); err != nil || resp.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "disk") {
		t.Errorf("%v %v %q", err, resp.Status, text)
	}
	s.rows = 20_000 // more than is buffered
	if _, text, err := get("signal=logs&format=jsonl"); err == nil {
		t.Errorf("an export that failed ended well after %d bytes", len(text))
	}
}
