package collector

import (
	"context"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/ingest/otlp"
	"hinomi/internal/model"
)

// directKey is one signal of a receiver, by its configured name.
type directKey struct {
	receiver string
	signal   model.Signal
}

// directReceivers finds in a configuration the receivers whose only pipeline of
// a signal has no processor and only our exporter: what they receive needs no
// decoding on the way. What is not plain text (an expansion) counts as something
// between.
func directReceivers(text string) map[directKey]string {
	var config struct {
		Service struct {
			Pipelines map[string]struct {
				Receivers, Processors, Exporters []string
			}
		}
	}
	if yaml.Unmarshal([]byte(text), &config) != nil {
		return nil
	}
	direct, uses := map[directKey]string{}, map[directKey]int{}
	for name, p := range config.Service.Pipelines {
		signal, _, _ := strings.Cut(name, "/")
		for _, r := range p.Receivers {
			key := directKey{r, model.Signal(signal)}
			uses[key]++
			if len(p.Processors) == 0 && len(p.Exporters) == 1 {
				if source, ok := sourceOf(p.Exporters[0]); ok {
					direct[key] = source
				}
			}
		}
	}
	for key := range direct {
		if uses[key] != 1 {
			delete(direct, key)
		}
	}
	return direct
}

// sourceOf is the source of rows that come through an exporter of ours.
func sourceOf(exporter string) (string, bool) {
	switch kind, name, _ := strings.Cut(exporter, "/"); {
	case kind != "hinomi":
		return "", false
	case name != "":
		return otlp.Source + "/" + name, true
	}
	return otlp.Source, true
}

// shortWay returns the short way of a receiver's signal, nil when it has none.
func (o Options) shortWay(id component.ID, signal model.Signal) *otlp.Direct {
	source, ok := o.direct[directKey{id.String(), signal}]
	if !ok {
		return nil
	}
	store := o.Gate.LogsWire
	switch signal {
	case model.Logs:
	case model.Traces:
		store = o.Gate.TracesWire
	default:
		return nil
	}
	return &otlp.Direct{
		Once: func(ctx context.Context, body []byte, store func(context.Context) error) error {
			return o.Gate.Once(ctx, o.Scope, source, signal, body, store)
		},
		Store: func(ctx context.Context, body []byte) (bool, error) {
			_, ok, err := store(ctx, o.Scope, source, body)
			return ok, verdict(err)
		},
	}
}
