package alerting

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestWithoutASectionNobodyIsNotified(t *testing.T) {
	c, err := Parse(&yaml.Node{}, ".", "http://hinomi.example")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Alertmanager().Route.Receiver; got != "nobody" {
		t.Errorf("receiver %q", got)
	}
	if len(c.Alertmanager().InhibitRules) == 0 {
		t.Error("the shipped inhibition rules are missing")
	}
}

func TestWhatWouldHaveNoEffectIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"route: {receiver: a}\nreceivers:\n  - name: a\n    slack_configs: [{channel: x}]\n": `line 4: receiver "a" has slack_configs, but this version cannot deliver to slack yet`,
		"route: {receiver: a}\nreceivers: [{name: a}]\ntracing: {endpoint: x}\n":             "line 3: alertmanager.tracing",
		"receivers: [{name: a}]\n":                       "no route",
		"route: {receiver: b}\nreceivers: [{name: a}]\n": `undefined receiver "b"`,
		"rout: {receiver: a}\nreceivers: [{name: a}]\n":  "field rout not found",
		"- a\n": "want route and receivers",
		"route: {receiver: a}\nreceivers: [{name: a}]\ntemplates: [\"[\"]\n": "templates",
	} {
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(text), &node); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(node.Content[0], ".", "http://hinomi.example"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\n got %v\nwant %s", text, err, want)
		}
	}
}
