package loki

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hinomi/internal/memory"
)

func TestMemoryOfPushes(t *testing.T) {
	b := memory.New(memory.Least, nil)
	f := newFixture(t)
	f.options(func(o *Options) { o.Memory, o.MaxBodyBytes, o.MaxDecodedBytes = b.Logs, 0, 0 })
	post := func(encoding, body string) (int, string) {
		req := httptest.NewRequest(http.MethodPost, "/loki/api/v1/push", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		if encoding != "" {
			req.Header.Set("Content-Encoding", encoding)
		}
		w := httptest.NewRecorder()
		f.mux.ServeHTTP(w, req)
		return w.Code, w.Header().Get("Retry-After")
	}
	const one = `{"streams":[{"stream":{"a":"b"},"values":[["1790000000000000000","line"]]}]}`
	b.Logs.Hold(b.Logs.Limit())
	if code, after := post("", one); code != http.StatusTooManyRequests || after == "" {
		t.Errorf("no memory: HTTP %d, Retry-After %q", code, after)
	}
	b.Logs.Give(b.Logs.Limit())
	lines := `{"streams":[{"stream":{"a":"b"},"values":[` + strings.Repeat(`["1790000000000000000",""],`, 200_000) + `["1790000000000000000",""]]}]}`
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, lines); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for encoding, body := range map[string]string{"": lines, "gzip": packed.String()} {
		if code, after := post(encoding, body); code != http.StatusRequestEntityTooLarge || after != "" {
			t.Errorf("%q too large: HTTP %d, Retry-After %q", encoding, code, after)
		}
	}
	if code, _ := post("", one); code >= 500 || code == http.StatusTooManyRequests {
		t.Errorf("after the pressure: HTTP %d", code)
	}
	if used := b.Logs.Used(); used != 0 {
		t.Errorf("%d bytes are not given back", used)
	}
}
