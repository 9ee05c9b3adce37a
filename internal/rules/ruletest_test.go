package rules

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// ruleTests is the part that we use of Prometheus' format for unit tests of
// rules. Annotations are for people and not compared, they only must expand.
type ruleTests struct {
	RuleFiles          []string        `yaml:"rule_files"`
	EvaluationInterval pmodel.Duration `yaml:"evaluation_interval"`
	Tests              []struct {
		Name     string          `yaml:"name"`
		Interval pmodel.Duration `yaml:"interval"`
		Input    []struct {
			Series string `yaml:"series"`
			Values string `yaml:"values"`
		} `yaml:"input_series"`
		Alerts []struct {
			At       pmodel.Duration `yaml:"eval_time"`
			Name     string          `yaml:"alertname"`
			Expected []struct {
				Labels map[string]string `yaml:"exp_labels"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

func TestShippedRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rule tests: %v", err)
	}
	tested := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var tests ruleTests
		if err := yaml.Unmarshal(text, &tests); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for i, tt := range tests.Tests {
			for _, a := range tt.Alerts {
				if len(a.Expected) > 0 {
					tested[a.Name] = true
				}
			}
			t.Run(filepath.Base(f)+"/"+tt.Name, func(t *testing.T) { runRuleTest(t, tests, i) })
		}
	}
	p := parser.NewParser(parser.Options{})
	set, err := Load(p, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range set.groups {
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" && !tested[r.Alert] {
					t.Errorf("alert %s has no test in which it fires", r.Alert)
				}
			}
		}
	}
}

func runRuleTest(t *testing.T, tests ruleTests, i int) {
	tt := tests.Tests[i]
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", tt.Interval)
	for _, s := range tt.Input {
		fmt.Fprintf(&load, "  %s %s\n", s.Series, s.Values)
	}
	suite, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{})
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	p := parser.NewParser(parser.Options{})
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(suite.QueryEngine(), suite.Storage()), Appendable: suite.Storage(), Context: context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Parser: p,
	})
	var files []string
	for _, f := range tests.RuleFiles {
		files = append(files, filepath.Join("testdata", f))
	}
	loaded, errs := m.LoadGroups(time.Duration(tests.EvaluationInterval), labels.EmptyLabels(), "", nil, false, files...)
	if errs != nil {
		t.Fatal(errs)
	}
	groups := slices.SortedFunc(maps.Values(loaded), func(a, b *rules.Group) int { return strings.Compare(a.Name(), b.Name()) })
	last := time.Duration(0)
	for _, a := range tt.Alerts {
		last = max(last, time.Duration(a.At))
	}
	for _, g := range groups {
		for _, r := range g.AlertingRules() {
			r.SetRestored(true)
		}
	}
	for at := time.Duration(0); at <= last; at += time.Duration(tests.EvaluationInterval) {
		ts := time.Unix(0, 0).UTC().Add(at)
		suite.WithSamplesTill(ts, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				if at%g.Interval() != 0 {
					continue
				}
				g.Eval(suite.Context(), ts)
				for _, r := range g.Rules() {
					if r.LastError() != nil {
						t.Fatalf("%s at %v: %v", r.Name(), at, r.LastError())
					}
				}
			}
		})
		for _, a := range tt.Alerts {
			if time.Duration(a.At) == at {
				compareAlerts(t, groups, a.Name, at, a.Expected)
			}
		}
	}
}

func compareAlerts(t *testing.T, groups []*rules.Group, name string, at time.Duration, expected []struct {
	Labels map[string]string `yaml:"exp_labels"`
}) {
	t.Helper()
	var got, want []string
	found := false
	for _, g := range groups {
		for _, r := range g.AlertingRules() {
			if r.Name() != name {
				continue
			}
			found = true
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					got = append(got, labels.NewBuilder(a.Labels).Del(labels.AlertName).Labels().String())
				}
				a.Annotations.Range(func(l labels.Label) {
					if strings.Contains(l.Value, "error expanding") {
						t.Errorf("%s: %s", l.Name, l.Value)
					}
				})
			}
		}
	}
	if !found {
		t.Fatalf("no alert %s in the rule files", name)
	}
	for _, e := range expected {
		want = append(want, labels.FromMap(e.Labels).String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s at %v:\n got %v\nwant %v", name, at, got, want)
	}
}
