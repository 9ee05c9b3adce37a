package tempo

import (
	"net/http"
	"slices"
	"strings"

	"hinomi/internal/query/traceql"
)

type scopeTags struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// tagScopes lists tags by scope; the parameter scope narrows them.
func (a *API) tagScopes(r *http.Request) ([]scopeTags, error) {
	start, end, err := a.bounds(r)
	if err != nil {
		return nil, err
	}
	scope := r.URL.Query().Get("scope")
	if !slices.Contains([]string{"", "none", "span", "resource", "instrumentation", "event", "link", "intrinsic"}, scope) {
		return nil, badRequest("invalid scope %q: use span, resource, instrumentation or intrinsic", scope)
	}
	out := []scopeTags{}
	if scope != "intrinsic" {
		tags, err := a.o.Engine.TagNames(r.Context(), a.o.Scope(r), start.UnixNano(), end.UnixNano())
		if err != nil {
			return nil, err
		}
		for _, s := range []scopeTags{{"resource", tags.Resource}, {"span", tags.Span}, {"instrumentation", tags.Instrumentation}} {
			if (scope == "" || scope == "none" || scope == s.Name) && len(s.Tags) > 0 {
				out = append(out, s)
			}
		}
	}
	if scope == "" || scope == "none" || scope == "intrinsic" {
		out = append(out, scopeTags{"intrinsic", traceql.Intrinsics})
	}
	return out, nil
}

func (a *API) tagsV2(w http.ResponseWriter, r *http.Request) error {
	scopes, err := a.tagScopes(r)
	if err != nil {
		return err
	}
	return writeJSON(w, object{"scopes": scopes, "metrics": object{}})
}

func (a *API) tagsV1(w http.ResponseWriter, r *http.Request) error {
	scopes, err := a.tagScopes(r)
	if err != nil {
		return err
	}
	names := []string{}
	for _, s := range scopes {
		// As Tempo does: intrinsics only when they are asked for.
		if s.Name != "intrinsic" || r.URL.Query().Get("scope") == "intrinsic" {
			names = append(names, s.Tags...)
		}
	}
	slices.Sort(names)
	return writeJSON(w, object{"tagNames": slices.Compact(names), "metrics": object{}})
}

// values lists the values of the tag in the path.
func (a *API) values(r *http.Request, attr *traceql.Attribute) ([]traceql.Static, searchMetrics, error) {
	start, end, err := a.bounds(r)
	if err != nil {
		return nil, searchMetrics{}, err
	}
	var filter *traceql.Pipeline
	if q := r.URL.Query().Get("q"); q != "" && strings.TrimSpace(q) != "{}" {
		// Clients send the query while it is typed. What does not parse yet
		// filters nothing.
		filter, _ = traceql.Parse(q)
	}
	vals, stats, err := a.o.Engine.TagValues(r.Context(), a.o.Scope(r), attr, start.UnixNano(), end.UnixNano(), filter)
	return vals, metricsOf(stats), err
}

func (a *API) valuesV1(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	attr, err := traceql.ParseAttribute(name)
	if err != nil {
		// The older call has bare names, service.name for .service.name.
		attr = &traceql.Attribute{Scope: traceql.ScopeNone, Name: name}
	}
	vals, metrics, err := a.values(r, attr)
	if err != nil {
		return err
	}
	out := []string{}
	for _, v := range vals {
		out = append(out, v.Text())
	}
	slices.Sort(out)
	return writeJSON(w, object{"tagValues": slices.Compact(out), "metrics": metrics})
}

type typedValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

var typeNames = map[traceql.Type]string{
	traceql.TypeString: "string", traceql.TypeInt: "int", traceql.TypeFloat: "float", traceql.TypeBool: "bool",
	traceql.TypeDuration: "duration", traceql.TypeStatus: "keyword", traceql.TypeKind: "keyword",
}

func (a *API) valuesV2(w http.ResponseWriter, r *http.Request) error {
	attr, err := traceql.ParseAttribute(r.PathValue("name"))
	if err != nil {
		return err
	}
	vals, metrics, err := a.values(r, attr)
	if err != nil {
		return err
	}
	out := []typedValue{}
	for _, v := range vals {
		out = append(out, typedValue{typeNames[v.Type], v.Text()})
	}
	return writeJSON(w, object{"tagValues": out, "metrics": metrics})
}
