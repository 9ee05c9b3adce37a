package traceql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// MaxTagValues bounds a list of values.
const MaxTagValues = 10_000

// Tags are the names of attributes by scope, sorted.
type Tags struct{ Span, Resource, Instrumentation []string }

// Intrinsics are the names that tag lists show for the intrinsic scope.
var Intrinsics = []string{
	"duration", "event:name", "event:timeSinceStart", "instrumentation:name", "instrumentation:version", "kind", "name",
	"rootName", "rootServiceName", "span:duration", "span:id", "span:kind", "span:name", "span:status", "span:statusMessage",
	"status", "statusMessage", "trace:duration", "trace:id", "trace:rootName", "trace:rootService", "traceDuration",
}

// TagNames lists the attributes that exist in [from, to), Unix ns.
func (e *Engine) TagNames(ctx context.Context, scope model.Scope, from, to int64) (Tags, error) {
	cols, err := e.o.Store.Columns(ctx, scope, from, to)
	if err != nil {
		return Tags{}, fmt.Errorf("list columns: %w", err)
	}
	var t Tags
	for _, c := range cols {
		switch c.Ref.Scope {
		case store.Attr:
			t.Span = append(t.Span, c.Ref.Name)
		case store.Resource:
			t.Resource = append(t.Resource, c.Ref.Name)
		case store.Instrumentation:
			if c.Ref.Name != "name" && c.Ref.Name != "version" {
				t.Instrumentation = append(t.Instrumentation, c.Ref.Name)
			}
		}
	}
	for _, l := range []*[]string{&t.Span, &t.Resource, &t.Instrumentation} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return t, nil
}

// ParseAttribute reads the name of a tag: span.http.method, .http.method, status.
func ParseAttribute(name string) (*Attribute, error) {
	toks, err := lex(name)
	if err != nil {
		return nil, err
	}
	if len(toks) == 2 && toks[0].kind == tAttr {
		return toks[0].attr, nil
	}
	return nil, errorAt(name, 0, "write span."+name+", resource."+name+" or ."+name, "%q is not the name of an attribute", name)
}

// TagValues lists the distinct values of an attribute on the spans in [from, to)
// that may match the filter (nil: all), sorted. Attributes of events and of
// parents have no list.
func (e *Engine) TagValues(ctx context.Context, scope model.Scope, a *Attribute, from, to int64, filter *Pipeline) ([]Static, store.ScanStats, error) {
	var stats store.ScanStats
	var where store.Pred
	cols := columnsOf(a)
	if a.Scope == ScopeIntrinsic {
		switch a.Name {
		case "status":
			return enumValues(TypeStatus, statusNames), stats, nil
		case "kind":
			return enumValues(TypeKind, kindNames), stats, nil
		case "rootName":
			cols = []store.ColumnRef{store.Col(store.ColName)}
			where = store.TextEq{Col: store.Col(store.ColParentID), Text: ""}
		case "rootServiceName":
			cols = []store.ColumnRef{store.Col(store.ColService)}
			where = store.TextEq{Col: store.Col(store.ColParentID), Text: ""}
		case "duration", "span:id", "span:parentID", "trace:id":
			cols = nil
		}
	}
	if filter != nil {
		if p := (&pusher{}).pushPipeline(filter); where == nil {
			where = p
		} else {
			where = store.And{where, p}
		}
	}
	seen := map[Static]bool{}
	for _, c := range cols {
		s := plan.Scan{From: from, To: to, Where: and(store.Exists{Col: c}, orTrue(where)), Columns: []store.ColumnRef{c}, Budget: e.o.Budget}
		rows, st, _, err := plan.Distinct(ctx, e.o.Store, scope, s, MaxTagValues)
		stats.Add(st)
		if err != nil && !errors.Is(err, plan.ErrSeriesLimit) {
			return nil, stats, fmt.Errorf("list tag values: %w", err)
		}
		for _, r := range rows {
			seen[fromValue(r.Key[0])] = true
		}
	}
	out := make([]Static, 0, len(seen))
	for v := range seen {
		if v.Type != TypeNil && v != strStatic("") {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b Static) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Int, b.Int), cmp.Compare(a.Flt, b.Flt), cmp.Compare(a.Str, b.Str))
	})
	return out, stats, nil
}

func orTrue(p store.Pred) store.Pred {
	if p == nil {
		return store.True{}
	}
	return p
}

func enumValues(t Type, names []string) []Static {
	var out []Static
	for i := range names {
		out = append(out, Static{Type: t, Int: int64(i)})
	}
	return out
}
