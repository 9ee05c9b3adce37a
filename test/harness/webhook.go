package harness

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Page is one alert of one notification that a webhook got.
type Page struct {
	At     time.Time
	Status string // firing or resolved
	Labels map[string]string
	Key    string // Idempotency-Key of its notification
}

// Webhook is a receiver of notifications.
type Webhook struct {
	URL   string
	mu    sync.Mutex
	pages []Page
}

// StartWebhook listens until the test ends.
func StartWebhook(t testing.TB) *Webhook {
	t.Helper()
	w := &Webhook{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			Version string
			Alerts  []struct {
				Status string
				Labels map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Version != "4" {
			t.Errorf("webhook got version %q (%v)", body.Version, err)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, a := range body.Alerts {
			w.pages = append(w.pages, Page{time.Now(), a.Status, a.Labels, r.Header.Get("Idempotency-Key")})
		}
	}))
	t.Cleanup(srv.Close)
	w.URL = srv.URL
	return w
}

// Pages are all so far.
func (w *Webhook) Pages() []Page {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Page(nil), w.pages...)
}

// Count is how many pages have the status and the alert name.
func (w *Webhook) Count(status, alert string) int {
	n := 0
	for _, p := range w.Pages() {
		if p.Status == status && p.Labels["alertname"] == alert {
			n++
		}
	}
	return n
}
