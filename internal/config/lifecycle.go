package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// LogRule is how long the log records are kept that it matches.
type LogRule struct {
	Match LogMatch `yaml:"match"` // what it is for; every key that is given has to match
	Keep  Duration `yaml:"keep"`  // older ones are removed, at the latest when their whole day is older
}

// LogMatch selects log records.
type LogMatch struct {
	Service string `yaml:"service"` // of the service.name, * stands for any text
	Team    string `yaml:"team"`    // of the resource attribute "team", * stands for any text
	Level   Levels `yaml:"level"`   // one or a list of trace, debug, info, warn, error, fatal, unknown
}

// SpanRule is how long the spans are kept that it matches.
type SpanRule struct {
	Match SpanMatch `yaml:"match"` // what it is for
	Keep  Duration  `yaml:"keep"`  // older ones are removed, at the latest when their whole day is older
}

// SpanMatch selects spans.
type SpanMatch struct {
	Service string `yaml:"service"` // of the service.name, * stands for any text
}

// Sampling is tail sampling, decided about whole traces that are stored. Kept
// spans carry the weight at which they count in the column sampling_weight. The
// largest share that applies to a trace counts.
type Sampling struct {
	Enabled bool     `yaml:"enabled"` // off: every trace is kept
	Grace   Duration `yaml:"grace"`   // how old a trace is, at least, when it is decided: by then all of it is stored
	Errors  Share    `yaml:"errors"`  // of traces with a span of status error
	// Slow are shares by the duration of a trace's longest span.
	Slow    []SlowShare `yaml:"slow"`
	Default Share       `yaml:"default"` // of traces to which nothing else applies
	// Services replace the default for spans of some services, by the first that
	// matches; of the services in a trace the largest share counts.
	Services []ServiceShare `yaml:"services"`
}

// SlowShare is the share of slow traces.
type SlowShare struct {
	Over Duration `yaml:"over"` // some span takes at least this long
	Keep Share    `yaml:"keep"` // share that is kept
}

// ServiceShare is the share of traces of a service.
type ServiceShare struct {
	Match string `yaml:"match"` // of the service.name, * stands for any text
	Keep  Share  `yaml:"keep"`  // share that is kept
}

// Share is written as a percentage, 5%, or as a number from 0 to 1.
type Share float64

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Share) UnmarshalYAML(n *yaml.Node) error {
	num, percent := strings.CutSuffix(n.Value, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < 0 || v > 1 {
		return fmt.Errorf("line %d: %q is not a share: write 0%% to 100%%, for example 5%%, or 0.05", n.Line, n.Value)
	}
	*s = Share(v)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (s Share) MarshalYAML() (any, error) {
	return strconv.FormatFloat(float64(s)*100, 'g', 6, 64) + "%", nil
}

// Levels is one level or a list of them.
type Levels []string

func levelNames() []string {
	return []string{"trace", "debug", "info", "warn", "error", "fatal", "unknown"}
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *Levels) UnmarshalYAML(n *yaml.Node) error {
	var list []string
	if n.Kind == yaml.ScalarNode {
		list = []string{n.Value}
	} else if err := n.Decode(&list); err != nil {
		return fmt.Errorf("line %d: level is a name or a list of names", n.Line)
	}
	for _, name := range list {
		if !slices.Contains(levelNames(), name) {
			return fmt.Errorf("line %d: level %q: use %s", n.Line, name, strings.Join(levelNames(), ", "))
		}
	}
	*l = list
	return nil
}

// checkRules checks the rules of a section: how long each keeps rows, and whether
// it matches everything.
func checkRules(section string, retention Duration, n int, rule func(i int) (keep Duration, all bool)) error {
	for i := range n {
		keep, all := rule(i)
		name := fmt.Sprintf("%s.retention_rules[%d]", section, i)
		switch {
		case keep <= 0:
			return fmt.Errorf("%s.keep must be more than 0, for example 7d", name)
		case keep > retention:
			long, _ := keep.MarshalYAML()
			most, _ := retention.MarshalYAML()
			return fmt.Errorf("%s.keep is %v, %s.retention is %v and the upper bound: raise that, or keep less", name, long, section, most)
		case all && i+1 < n:
			return fmt.Errorf("%s matches everything, so the rules after it are never reached: put it last", name)
		}
	}
	return nil
}

func (l *Logs) validate() error {
	if err := checkRules("logs", l.Retention, len(l.RetentionRules), func(i int) (Duration, bool) {
		r := l.RetentionRules[i]
		return r.Keep, (r.Match.Service == "" || r.Match.Service == "*") && r.Match.Team == "" && len(r.Match.Level) == 0
	}); err != nil {
		return err
	}
	return checkBudget("logs", l.MaxBytes)
}

func (t *Traces) validate() error {
	if err := checkRules("traces", t.Retention, len(t.RetentionRules), func(i int) (Duration, bool) {
		r := t.RetentionRules[i]
		return r.Keep, r.Match.Service == "" || r.Match.Service == "*"
	}); err != nil {
		return err
	}
	if err := checkBudget("traces", t.MaxBytes); err != nil {
		return err
	}
	return t.Sampling.validate(t.Retention)
}

// leastBudget keeps a typing mistake (64 for 64GiB) from removing everything.
const leastBudget = 64 << 20

func checkBudget(section string, b Bytes) error {
	if b != 0 && b < leastBudget {
		return fmt.Errorf("%s.max_bytes is %d, the least is 64MiB; 0 means no limit", section, int64(b))
	}
	return nil
}

func (s *Sampling) validate(retention Duration) error {
	if !s.Enabled {
		return nil
	}
	if s.Grace.D() < time.Minute || s.Grace >= retention {
		return fmt.Errorf("traces.sampling.grace is %s: use at least 1m and less than traces.retention, for example 1h", s.Grace.D())
	}
	for i, x := range s.Slow {
		if x.Over <= 0 {
			return fmt.Errorf("traces.sampling.slow[%d].over must be more than 0, for example 500ms", i)
		}
	}
	for i, x := range s.Services {
		if x.Match == "" {
			return fmt.Errorf("traces.sampling.services[%d].match is empty: name a service, or a pattern such as payment-*", i)
		}
	}
	return nil
}
