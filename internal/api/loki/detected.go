package loki

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/logql"
)

// Defaults and bounds of the detection of fields; Loki's are the same.
const (
	defaultFieldLines = 100
	defaultFieldLimit = 1000
	maxFieldLimit     = 10_000
)

type detectedLabel struct {
	Label       string `json:"label"`
	Cardinality int    `json:"cardinality"`
}

// keptLabels are listed whatever their values look like.
var keptLabels = []string{"cluster", "namespace", "instance", "pod"}

// detectedLabels lists the labels that are worth choosing by, with how many values
// they have. Labels whose values are all numbers or UUIDs are not.
func (a *API) detectedLabels(w http.ResponseWriter, r *http.Request) error {
	from, to, sel, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	streams, _, err := a.o.Engine.Streams(r.Context(), a.o.Scope(r), from, to, sel)
	if err != nil {
		return err
	}
	values := map[string]map[string]bool{}
	for _, s := range streams {
		s.Labels.Range(func(l labels.Label) {
			if values[l.Name] == nil {
				values[l.Name] = map[string]bool{}
			}
			values[l.Name][l.Value] = true
		})
	}
	out := []detectedLabel{}
	for name, set := range values {
		if slices.Contains(keptLabels, name) || !onlyIDs(set) {
			out = append(out, detectedLabel{name, len(set)})
		}
	}
	slices.SortFunc(out, func(x, y detectedLabel) int { return strings.Compare(x.Label, y.Label) })
	return writeJSON(w, map[string]any{"detectedLabels": out})
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func onlyIDs(values map[string]bool) bool {
	for v := range values {
		if _, err := strconv.ParseFloat(v, 64); err != nil && !uuid.MatchString(v) {
			return false
		}
	}
	return true
}

// detectedField is a field as Loki describes it. A nil Parsers (null) means that the
// field is structured metadata.
type detectedField struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int      `json:"cardinality"`
	Parsers     []string `json:"parsers"`
	JSONPath    []string `json:"jsonPath,omitempty"`
}

// fields looks at the newest lines of the query.
func (a *API) fields(w http.ResponseWriter, r *http.Request) (fields []logql.Field, limit int, err error) {
	if err := form(w, r); err != nil {
		return nil, 0, err
	}
	start, end, err := a.bounds(r, defaultSince)
	if err != nil {
		return nil, 0, err
	}
	lines, err := countParam(r, "line_limit", defaultFieldLines, a.o.Engine.MaxEntries())
	if err != nil {
		return nil, 0, err
	}
	if limit, err = countParam(r, "limit", defaultFieldLimit, maxFieldLimit); err != nil {
		return nil, 0, err
	}
	fields, _, err = a.o.Engine.Fields(r.Context(), a.o.Scope(r), logql.FieldsRequest{
		Query: r.Form.Get("query"), Start: start, End: end.Add(time.Nanosecond), Lines: lines, Fields: maxFieldLimit,
	})
	return fields, limit, err
}

func (a *API) detectedFields(w http.ResponseWriter, r *http.Request) error {
	fields, limit, err := a.fields(w, r)
	if err != nil {
		return err
	}
	out := []detectedField{}
	for _, f := range fields[:min(limit, len(fields))] {
		out = append(out, detectedField{f.Name, f.Type, len(f.Values), f.Parsers, f.JSONPath})
	}
	return writeJSON(w, map[string]any{"fields": out, "limit": limit})
}

func (a *API) detectedFieldValues(w http.ResponseWriter, r *http.Request) error {
	fields, limit, err := a.fields(w, r)
	if err != nil {
		return err
	}
	values := []string{}
	for _, f := range fields {
		if f.Name == r.PathValue("name") {
			for v := range f.Values {
				values = append(values, v)
			}
		}
	}
	slices.Sort(values)
	return writeJSON(w, map[string]any{"values": values[:min(limit, len(values))], "limit": limit})
}

// drilldownLimits tells Grafana's Logs Drilldown what it may ask for.
func (a *API) drilldownLimits(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]any{
		"limits": map[string]any{
			"discover_log_levels": true, "discover_service_name": []string{"service_name", "app"}, "log_level_fields": levelKeys,
			"max_entries_limit_per_query": a.o.Engine.MaxEntries(), "max_query_series": a.o.Engine.MaxSeries(),
			"max_line_size_truncate": false, "volume_enabled": true, "query_timeout": "0s", "retention_period": "0s",
		},
		"pattern_ingester_enabled": a.o.Patterns != nil, "version": apiVersion,
	})
}
