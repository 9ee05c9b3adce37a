package ui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func build() handler {
	h, _ := newHandler(fstest.MapFS{
		".gitkeep":               {},
		"index.html":             {Data: []byte("<html>pages</html>")},
		"assets/main-1a2b.js":    {Data: []byte("script")},
		"assets/main-1a2b.js.gz": {Data: []byte("squeezed")},
	})
	return h
}

func request(h http.Handler, method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(b.String(), "\r\n\r\n")
	return text
}

func TestPagesFallBackToTheApplication(t *testing.T) {
	for _, path := range []string{"/", "/services", "/services/shop.example.com", "/.gitkeep", "/../../etc/passwd"} {
		r := request(build(), "GET", "http://x"+path)
		if r.StatusCode != 200 || body(t, r) != "<html>pages</html>" || r.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
	}
}

func TestAssets(t *testing.T) {
	r := request(build(), "GET", "http://x/assets/main-1a2b.js", "Accept-Encoding", "br, gzip;q=0.5")
	if body(t, r) != "squeezed" || r.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("compressed: %v", r.Header)
	}
	if !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("headers: %v", r.Header)
	}
	r = request(build(), "GET", "http://x/assets/main-1a2b.js", "Accept-Encoding", "gzip;q=0")
	if body(t, r) != "script" {
		t.Errorf("a client that refuses gzip got %v", r.Header)
	}
	if r = request(build(), "GET", "http://x/assets/gone.js"); r.StatusCode != http.StatusNotFound {
		t.Errorf("missing asset: %d", r.StatusCode)
	}
}

func TestUnchangedPageIsNotSentAgain(t *testing.T) {
	etag := request(build(), "GET", "http://x/").Header.Get("ETag")
	if r := request(build(), "GET", "http://x/", "If-None-Match", etag); r.StatusCode != http.StatusNotModified {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	if r := request(build(), "POST", "http://x/"); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestHandlerAlwaysHasAPage(t *testing.T) {
	r := request(Handler(), "GET", "http://x/")
	if r.StatusCode != 200 || !strings.Contains(body(t, r), "Hinomi") {
		t.Errorf("status %d", r.StatusCode)
	}
}
