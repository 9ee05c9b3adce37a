package compress

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnswers(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	for _, c := range []struct {
		accept, body string
		code         int
		zipped       bool
	}{
		{"gzip", long, 200, true},
		{"deflate, gzip;q=0.5", long, 200, true},
		{"gzip", long, 404, true},
		{"gzip", "short", 200, false},
		{"gzip", "", 204, false},
		{"", long, 200, false},
		{"br", long, 200, false},
		{"gzip;q=0", long, 200, false},
	} {
		h := New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.code)
			for part := range strings.SplitSeq(c.body, "9") {
				if part != "" {
					_, _ = io.WriteString(w, part+"9")
				}
			}
		}))
		want := c.body
		if c.body == "short" {
			want = "short9"
		}
		r := httptest.NewRequest("GET", "/", nil)
		if c.accept != "" {
			r.Header.Set("Accept-Encoding", c.accept)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		got := w.Body.Bytes()
		if z := w.Header().Get("Content-Encoding") == "gzip"; z != c.zipped || w.Code != c.code {
			t.Errorf("%+v: gzip %v, code %d", c.accept, z, w.Code)
		}
		if c.zipped {
			zr, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(zr); err != nil {
				t.Fatal(err)
			}
		}
		if string(got) != want {
			t.Errorf("%q: body of %d bytes, want %d", c.accept, len(got), len(want))
		}
	}
}

// TestFlushedPartsArrive reads each part before the next is written.
func TestFlushedPartsArrive(t *testing.T) {
	next := make(chan struct{})
	srv := httptest.NewServer(New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, part := range []string{"one\n", "two\n"} {
			_, _ = io.WriteString(w, part)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-next
		}
	})))
	defer srv.Close()
	for _, accept := range []string{"gzip", "identity"} {
		req, err := http.NewRequest("GET", srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", accept)
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = resp.Body
		if accept == "gzip" {
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"one\n", "two\n"} {
			got := make([]byte, 4)
			if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
				t.Errorf("%s: %q %v", accept, got, err)
			}
			next <- struct{}{}
		}
		_ = resp.Body.Close()
	}
	srv.Client().CloseIdleConnections()
}
