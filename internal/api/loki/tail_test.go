package loki

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func (f *fixture) dialTail(query string, params ...string) (*websocket.Conn, *http.Response, error) {
	f.t.Helper()
	srv := httptest.NewServer(f.mux)
	f.t.Cleanup(srv.Close)
	v := url.Values{"query": {query}}
	header := http.Header{}
	for i := 0; i+1 < len(params); i += 2 {
		if strings.Contains(params[i], "-") || params[i] == "Origin" {
			header.Set(params[i], params[i+1])
			continue
		}
		v.Set(params[i], params[i+1])
	}
	return websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http")+"/loki/api/v1/tail?"+v.Encode(), header)
}

// lines reads a message of a tail: "labels line" per line.
func lines(t *testing.T, conn *websocket.Conn) []string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var msg struct {
		Streams []struct {
			Stream map[string]string
			Values [][]json.RawMessage
		}
	}
	if err := conn.ReadJSON(&msg); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range msg.Streams {
		for _, v := range s.Values {
			out = append(out, s.Stream["app"]+" "+string(v[1]))
		}
	}
	return out
}

// TestTail: the past first, oldest line first, then what arrives, late lines too, each
// once, until the API closes.
func TestTail(t *testing.T) {
	f := newFixture(t)
	f.seed()
	conn, _, err := f.dialTail(`{app="a"}`)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	expect(t, "past", fmt.Sprint(lines(t, conn)), `[a "one" a "two"]`)
	f.push(fmt.Sprintf(`{"streams":[{"stream":{"app":"a"},"values":[["%s","new"]]},{"stream":{"app":"b"},"values":[["%s","other"]]}]}`, at(0), at(0)))
	expect(t, "new", fmt.Sprint(lines(t, conn)), `[a "new"]`)
	f.push(fmt.Sprintf(`{"streams":[{"stream":{"app":"a"},"values":[["%s","late"]]}]}`, at(-5*time.Second)))
	expect(t, "late", fmt.Sprint(lines(t, conn)), `[a "late"]`)
	if err := f.api.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Error(err)
	}
	if err := f.api.Close(); err != nil {
		t.Error(err)
	}
	if _, resp, err := f.dialTail(`{app="a"}`); err == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Error("a tail began after Close", err)
	}
}

// TestTailLimit: the newest lines of the past, and none of the older ones later.
func TestTailLimit(t *testing.T) {
	f := newFixture(t)
	f.push(fmt.Sprintf(`{"streams":[{"stream":{"app":"a"},"values":[["%s","1"],["%s","2"],["%s","3"]]}]}`, at(-3*time.Second), at(-2*time.Second), at(-time.Second)))
	conn, _, err := f.dialTail(`{app="a"}`, "limit", "2", "X-Loki-Response-Encoding-Flags", "categorize-labels")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	expect(t, "past", fmt.Sprint(lines(t, conn)), `[a "2" a "3"]`)
	f.push(fmt.Sprintf(`{"streams":[{"stream":{"app":"a"},"values":[["%s","4"]]}]}`, at(0)))
	expect(t, "new", fmt.Sprint(lines(t, conn)), `[a "4"]`)
	conn.Close() // The client goes: Close below waits for the tail to notice.
	if err := f.api.Close(); err != nil {
		t.Error(err)
	}
}

func TestBadTails(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		want   string
		params []string
	}{
		{"parse error", []string{"query", `{`}}, {"expected a log query", []string{"query", `rate({a="b"}[1m])`}},
		{"delay_for can't be greater than 5", []string{"query", `{a="b"}`, "delay_for", "6"}}, {"delay_for must be", []string{"query", `{a="b"}`, "delay_for", "x"}},
		{"neither Unix", []string{"query", `{a="b"}`, "start", "x"}}, {"limit must be a positive value", []string{"query", `{a="b"}`, "limit", "0"}},
	} {
		if code, out := f.get("tail", c.params...); code != 400 || !strings.Contains(out, c.want) {
			t.Error(c.params, code, out)
		}
	}
	if _, resp, err := f.dialTail(`{a="b"}`, "Origin", "http://elsewhere.example"); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Error("a page of another site may tail", err)
	}
}
