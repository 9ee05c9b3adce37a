package remotewrite

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/golang/snappy"

	"hinomi/internal/memory"
	"hinomi/internal/model"
)

// TestMemoryOfRequests refuses what there is no memory for now with 503 and a delay,
// what there never will be with 413, and takes the same request afterwards.
func TestMemoryOfRequests(t *testing.T) {
	b := memory.New(memory.Least, nil)
	in := newIntake(t, model.ScopeAll(), func(o *Options) { o.Memory = b.Metrics })
	post := func(body io.Reader) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, "/api/v1/write", body)
		w := httptest.NewRecorder()
		in.ServeHTTP(w, req)
		return w
	}
	small := func() io.Reader { return bytes.NewReader(snappy.Encode(nil, []byte{})) }
	b.Metrics.Hold(b.Metrics.Limit())
	if w := post(small()); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("no memory: HTTP %d, %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
	b.Metrics.Give(b.Metrics.Limit())
	// A bomb declares 30 MB, below the limit of a request and above that of the memory.
	bomb := snappy.Encode(nil, make([]byte, 30<<20))
	for name, body := range map[string]io.Reader{"known length": bytes.NewReader(bomb), "unknown length": io.MultiReader(bytes.NewReader(bomb))} {
		if w := post(body); w.Code != http.StatusRequestEntityTooLarge || w.Header().Get("Retry-After") != "" {
			t.Errorf("a bomb of %s: HTTP %d, %s", name, w.Code, w.Body)
		}
	}
	if w := post(small()); w.Code != http.StatusNoContent {
		t.Errorf("after the pressure: HTTP %d, %s", w.Code, w.Body)
	}
	if used := b.Metrics.Used(); used != 0 {
		t.Errorf("%d bytes are not given back", used)
	}
}
