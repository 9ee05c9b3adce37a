package webhook

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	amwebhook "github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
	pmodel "github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/notify"
)

func deliverer(t *testing.T, address string) *Deliverer {
	t.Helper()
	var conf amwebhook.WebhookConfig
	if err := yaml.Unmarshal([]byte("url: "+address+"\nhttp_config: {http_headers: {X-Team: {values: [money]}}}\n"), &conf); err != nil {
		t.Fatal(err)
	}
	tmpl, err := template.FromGlobs(nil)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.ExternalURL = &url.URL{Scheme: "http", Host: "hinomi.example"}
	d, err := New(&conf, tmpl, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func message(t *testing.T) notify.Message {
	t.Helper()
	m := notify.Message{
		Receiver: "team", GroupKey: "{}:{alertname=\"Down\"}", GroupLabels: pmodel.LabelSet{"alertname": "Down"}, Reason: amnotify.ReasonFirstNotification,
		Alerts: []*alert.Alert{{Alert: pmodel.Alert{
			Labels: pmodel.LabelSet{"alertname": "Down"}, Annotations: pmodel.LabelSet{"summary": "it is down"}, StartsAt: time.Unix(1_700_000_000, 0).UTC(),
		}}},
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = notify.DecodeMessage(b); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPostsAlertmanagersVersion4(t *testing.T) {
	var got map[string]any
	var header http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	if err := deliverer(t, srv.URL).Deliver(t.Context(), message(t), "key-1"); err != nil {
		t.Fatal(err)
	}
	if header.Get("Idempotency-Key") != "key-1" || header.Get("X-Team") != "money" {
		t.Errorf("headers %v", header)
	}
	alerts := got["alerts"].([]any)
	first := alerts[0].(map[string]any)
	if got["version"] != "4" || got["status"] != "firing" || got["receiver"] != "team" || got["externalURL"] != "http://hinomi.example" ||
		got["groupKey"] != "{}:{alertname=\"Down\"}" || first["startsAt"] != "2023-11-14T22:13:20Z" || first["fingerprint"] == "" {
		t.Errorf("body %v", got)
	}
}

func TestRefusalIsAnErrorThatSaysIt(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such channel", http.StatusNotFound) }))
	defer srv.Close()
	err := deliverer(t, srv.URL).Deliver(t.Context(), message(t), "k")
	if err == nil || !strings.HasPrefix(err.Error(), "unexpected status code 404: no such channel") {
		t.Fatalf("%v", err)
	}
}
