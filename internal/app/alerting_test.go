package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"hinomi/internal/config"
	"hinomi/internal/model"
)

// withAlerting is a copy of the configuration with one rule file, fast, and a
// webhook.
func withAlerting(t *testing.T, cfg config.Config, ruleFile, hook string) *config.Config {
	t.Helper()
	var node yaml.Node
	text := "route: {receiver: hook, group_by: [alertname], group_wait: 10ms, group_interval: 100ms}\nreceivers: [{name: hook, webhook_configs: [{url: '" + hook + "'}]}]\n"
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	cfg.Alertmanager = *node.Content[0]
	cfg.Rules = config.Rules{Files: []string{ruleFile}, Interval: config.Duration(200 * time.Millisecond)}
	return &cfg
}

func writeRules(t *testing.T, file, rules string) {
	t.Helper()
	if err := os.WriteFile(file, []byte("groups:\n  - name: g\n    rules:\n"+rules), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAlertToWebhookAndReload(t *testing.T) {
	bodies := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		if err := r.Write(&b); err == nil {
			bodies <- b.String()
		}
	}))
	defer hook.Close()
	got := func(name string) bool {
		for {
			select {
			case b := <-bodies:
				if strings.Contains(b, `"alertname":"`+name+`"`) {
					return true
				}
			default:
				return false
			}
		}
	}
	file := filepath.Join(t.TempDir(), "own.yml")
	writeRules(t, file, "      - {alert: First, expr: vector(1)}\n")
	r := startWith(t, withAlerting(t, *testConfig(t, t.TempDir(), freePort(t)), file, hook.URL))
	eventually(t, "the first alert at the webhook", func() bool { return got("First") })
	if code, body := get(t, r.base+"/alertmanager/api/v2/alerts"); code != http.StatusOK || !strings.Contains(body, "First") {
		t.Errorf("Alertmanager API: %d %s", code, body)
	}
	if code, body := get(t, r.base+"/api/v1/rules"); code != http.StatusOK || !strings.Contains(body, `"name":"First"`) {
		t.Errorf("rules API: %d %s", code, body)
	}
	d, err := r.stores.state.Deliveries(t.Context(), model.ScopeAll(), 10)
	if err != nil || len(d) == 0 {
		t.Errorf("no delivery is recorded: %v", err)
	}

	writeRules(t, file, "      - {alert: Second, expr: 'sum('}\n")
	cfg := withAlerting(t, *r.cfg, file, hook.URL)
	if err := r.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), file+":4:") {
		t.Fatalf("a bad rule file: %v", err)
	}
	if groups := r.rules.RuleGroups(); len(groups) != 1 || groups[0].Rules()[0].Name() != "First" {
		t.Fatal("a bad reload changed the rules")
	}
	writeRules(t, file, "      - {alert: Second, expr: vector(1)}\n")
	if err := r.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second alert at the webhook", func() bool { return got("Second") })
}
