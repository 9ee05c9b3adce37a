package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hinomi/internal/config"
	"hinomi/internal/query/promql"
	"hinomi/internal/rules"
)

func TestExampleConfigurationsAreValid(t *testing.T) {
	files, err := filepath.Glob("../../examples/config/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("examples: %v %v", files, err)
	}
	for _, f := range files {
		cfg, err := config.Load(f)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if err := Check(t.Context(), cfg, "test"); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestExampleRulesAreValid(t *testing.T) {
	set, err := rules.Load(promql.NewParser(), false, []string{"../../examples/rules/*.yml"})
	if err != nil || len(set.Files()) == 0 {
		t.Fatalf("%v %v", set, err)
	}
}

func TestBadAlertingIsNamedBeforeAnythingStarts(t *testing.T) {
	for text, want := range map[string]string{
		"rules: {files: [none.yml]}\n": "none.yml does not exist",
		"alertmanager:\n  route: {receiver: a}\n  receivers:\n    - name: a\n      pagerduty_configs: [{service_key: x}]\n":                                      `receiver "a" has pagerduty_configs`,
		"alertmanager: {route: {receiver: a}, receivers: [{name: a, webhook_configs: [{url: \"http://x\", http_config: {tls_config: {ca_file: none.pem}}}]}]}\n": `receiver "a": webhook`,
	} {
		cfg, err := loadText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(t.Context(), cfg, "test"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}

func loadText(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hinomi.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(file)
}
