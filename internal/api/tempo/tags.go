package tempo

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"hinomi/internal/api/apierr"
	"hinomi/internal/model"
	"hinomi/internal/query/traceql"
)

type scopeTags struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// tagsRequest asks for the names of tags.
type tagsRequest struct {
	scope      string // "" and "none" are all
	query      string // filters the spans that are looked at
	limit      int    // per scope; 0 is no limit
	start, end time.Time
}

var tagScopeNames = []string{"", "none", "span", "resource", "instrumentation", "event", "link", "intrinsic"}

// tagScopes lists tags by scope.
func (a *API) tagScopes(ctx context.Context, s model.Scope, q tagsRequest) ([]scopeTags, error) {
	if !slices.Contains(tagScopeNames, q.scope) {
		return nil, apierr.BadRequest("invalid scope %q: use span, resource, instrumentation, event, link or intrinsic", q.scope)
	}
	wants := func(name string) bool { return q.scope == "" || q.scope == "none" || q.scope == name }
	out := []scopeTags{}
	if q.scope != "intrinsic" {
		events := wants("event") || wants("link")
		tags, err := a.o.Engine.TagNames(ctx, s, q.start.UnixNano(), q.end.UnixNano(), traceql.LenientFilter(q.query), events)
		if err != nil {
			return nil, err
		}
		for _, s := range []scopeTags{
			{"resource", tags.Resource}, {"span", tags.Span}, {"instrumentation", tags.Instrumentation}, {"event", tags.Event}, {"link", tags.Link},
		} {
			if wants(s.Name) && len(s.Tags) > 0 {
				out = append(out, s)
			}
		}
	}
	if wants("intrinsic") {
		out = append(out, scopeTags{"intrinsic", traceql.Intrinsics})
	}
	if q.limit > 0 {
		for i, s := range out {
			out[i].Tags = s.Tags[:min(q.limit, len(s.Tags))]
		}
	}
	return out, nil
}

func (a *API) httpTagScopes(r *http.Request) ([]scopeTags, string, error) {
	p := r.URL.Query()
	q := tagsRequest{scope: p.Get("scope"), query: p.Get("q")}
	var err error
	if q.start, q.end, err = a.bounds(r); err != nil {
		return nil, "", err
	}
	if s := p.Get("limit"); s != "" {
		if q.limit, err = strconv.Atoi(s); err != nil || q.limit < 0 {
			return nil, "", apierr.BadRequest("invalid limit: must be a non-negative number")
		}
	}
	scopes, err := a.tagScopes(r.Context(), a.o.Scope(r), q)
	return scopes, q.scope, err
}

func (a *API) tagsV2(w http.ResponseWriter, r *http.Request) error {
	scopes, _, err := a.httpTagScopes(r)
	if err != nil {
		return err
	}
	return writeJSON(w, object{"scopes": scopes, "metrics": object{}})
}

func (a *API) tagsV1(w http.ResponseWriter, r *http.Request) error {
	scopes, scope, err := a.httpTagScopes(r)
	if err != nil {
		return err
	}
	return writeJSON(w, object{"tagNames": tagNames(scopes, scope), "metrics": object{}})
}

// tagNames joins the scopes. As Tempo does: intrinsics only when they are asked
// for.
func tagNames(scopes []scopeTags, asked string) []string {
	names := []string{}
	for _, s := range scopes {
		if s.Name != "intrinsic" || asked == "intrinsic" {
			names = append(names, s.Tags...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// valuesRequest asks for the values of a tag.
type valuesRequest struct {
	attr       *traceql.Attribute
	query      string
	limit      int // 0 is no limit
	start, end time.Time
}

func (a *API) values(ctx context.Context, s model.Scope, q valuesRequest) ([]traceql.Static, searchMetrics, error) {
	// Clients send the query while it is typed, so what of it is complete counts.
	vals, stats, err := a.o.Engine.TagValues(ctx, s, q.attr, q.start.UnixNano(), q.end.UnixNano(), traceql.LenientFilter(q.query))
	if q.limit > 0 {
		vals = vals[:min(q.limit, len(vals))]
	}
	metrics := metricsOf(stats).done(false)
	metrics.InspectedSpans = "" // which the metrics of tags have not
	return vals, metrics, err
}

// httpValues lists the values of the tag in the path.
func (a *API) httpValues(r *http.Request, attr *traceql.Attribute) ([]traceql.Static, searchMetrics, error) {
	p := r.URL.Query()
	q := valuesRequest{attr: attr, query: p.Get("q")}
	var err error
	if q.start, q.end, err = a.bounds(r); err != nil {
		return nil, searchMetrics{}, err
	}
	if s := p.Get("limit"); s != "" {
		if q.limit, err = strconv.Atoi(s); err != nil || q.limit < 0 {
			return nil, searchMetrics{}, apierr.BadRequest("invalid limit: must be a non-negative number")
		}
	}
	return a.values(r.Context(), a.o.Scope(r), q)
}

// bareAttribute reads the names of the older call: service.name for
// .service.name.
func bareAttribute(name string) (*traceql.Attribute, error) {
	if attr, err := traceql.ParseAttribute(name); err == nil {
		return attr, nil
	}
	return &traceql.Attribute{Scope: traceql.ScopeNone, Name: name}, nil
}

func (a *API) valuesV1(w http.ResponseWriter, r *http.Request) error {
	attr, err := bareAttribute(r.PathValue("name"))
	if err != nil {
		return err
	}
	vals, metrics, err := a.httpValues(r, attr)
	if err != nil {
		return err
	}
	return writeJSON(w, object{"tagValues": valueTexts(vals), "metrics": metrics})
}

func valueTexts(vals []traceql.Static) []string {
	out := []string{}
	for _, v := range vals {
		out = append(out, v.Text())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

type typedValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

var typeNames = map[traceql.Type]string{
	traceql.TypeString: "string", traceql.TypeInt: "int", traceql.TypeFloat: "float", traceql.TypeBool: "bool",
	traceql.TypeDuration: "duration", traceql.TypeStatus: "keyword", traceql.TypeKind: "keyword", traceql.TypeArray: "string",
}

func (a *API) valuesV2(w http.ResponseWriter, r *http.Request) error {
	attr, err := traceql.ParseAttribute(r.PathValue("name"))
	if err != nil {
		return err
	}
	vals, metrics, err := a.httpValues(r, attr)
	if err != nil {
		return err
	}
	out := []typedValue{}
	for _, v := range vals {
		out = append(out, typedValue{typeNames[v.Type], v.Text()})
	}
	return writeJSON(w, object{"tagValues": out, "metrics": metrics})
}
