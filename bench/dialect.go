package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// api is a query API that questions are put through.
type api string

const (
	lokiAPI       api = "loki"
	tempoAPI      api = "tempo"
	prometheusAPI api = "prometheus"
	jaegerAPI     api = "jaeger"
	logsQLAPI     api = "logsql"
)

// dialect is what a kind of server takes and answers. A load without a path is
// not sent, a question through another API is not asked.
type dialect struct {
	logs, spans string    // paths below the OTLP base URL
	samples     string    // path below the base URL
	apis        []mount   // in the order of preference
	folders     [3]string // of the data directory, for logs, spans and samples
}

// mount is where a server has an API, below its base URL.
type mount struct {
	api    api
	prefix string
}

// own is how Hinomi speaks.
const own = "hinomi"

var dialects = map[string]dialect{
	own: {
		logs: "/v1/logs", spans: "/v1/traces", samples: "/api/v1/write", folders: [3]string{"data/logs", "data/traces", "data/metrics"},
		apis: []mount{{lokiAPI, ""}, {tempoAPI, "/tempo"}, {prometheusAPI, ""}, {jaegerAPI, "/jaeger"}},
	},
	"loki":         {logs: "/otlp/v1/logs", apis: []mount{{lokiAPI, ""}}},
	"prometheus":   {samples: "/api/v1/write", apis: []mount{{prometheusAPI, ""}}},
	"tempo":        {spans: "/v1/traces", apis: []mount{{tempoAPI, ""}}},
	"jaeger":       {spans: "/v1/traces", apis: []mount{{jaegerAPI, ""}}}, // VictoriaTraces too, with its path in -url
	"victorialogs": {logs: "/insert/opentelemetry/v1/logs", apis: []mount{{logsQLAPI, ""}}},
}

func dialectOf(name string) (dialect, error) {
	d, ok := dialects[name]
	if !ok {
		return d, fmt.Errorf("dialect %q is not known: %s", name, strings.Join(slices.Sorted(maps.Keys(dialects)), ", "))
	}
	return d, nil
}

// address is where the question is asked; false when the server cannot be asked it.
func (d dialect) address(base string, q query) (string, bool) {
	for _, m := range d.apis {
		if path, ok := q.paths[m.api]; ok {
			return strings.TrimSuffix(base, "/") + m.prefix + path, true
		}
	}
	return "", false
}
