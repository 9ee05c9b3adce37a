package traceql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// MaxTagValues bounds a list of values.
const MaxTagValues = 10_000

// maxEventRows bounds how many spans with events or links are looked through for
// the names and values of their attributes, newest first: events lie in JSON.
const maxEventRows = 20_000

// Tags are the names of attributes by scope, sorted.
type Tags struct{ Span, Resource, Instrumentation, Event, Link []string }

// Intrinsics are the names that tag lists show for the intrinsic scope.
var Intrinsics = []string{
	"duration", "event:name", "event:timeSinceStart", "instrumentation:name", "instrumentation:version", "kind", "link:spanID", "link:traceID",
	"name", "rootName", "rootServiceName", "span:childCount", "span:duration", "span:id", "span:kind", "span:name", "span:parentID", "span:status",
	"span:statusMessage", "status", "statusMessage", "trace:duration", "trace:id", "trace:rootName", "trace:rootService", "traceDuration",
}

// TagNames lists the attributes that exist in [from, to), Unix ns; with a filter
// those of spans that may match it. events asks for those of events and links.
func (e *Engine) TagNames(ctx context.Context, scope model.Scope, from, to int64, filter *Pipeline, events bool) (Tags, error) {
	cols, err := e.o.Store.Columns(ctx, scope, from, to)
	if err != nil {
		return Tags{}, fmt.Errorf("list columns: %w", err)
	}
	refs := make([]store.ColumnRef, len(cols))
	for i, c := range cols {
		refs[i] = c.Ref
	}
	where := store.Pred(store.True{})
	if filter != nil {
		push, err := e.pusher(ctx, scope, from, to, filter)
		if err != nil {
			return Tags{}, err
		}
		where = push.pushPipeline(filter)
	}
	if _, all := where.(store.True); !all {
		if refs, err = e.present(ctx, scope, from, to, where, refs); err != nil {
			return Tags{}, err
		}
	}
	var t Tags
	for _, ref := range refs {
		switch ref.Scope {
		case store.Attr:
			t.Span = append(t.Span, ref.Name)
		case store.Resource:
			t.Resource = append(t.Resource, ref.Name)
		case store.Instrumentation:
			if ref.Name != "name" && ref.Name != "version" {
				t.Instrumentation = append(t.Instrumentation, ref.Name)
			}
		}
	}
	for _, l := range []*[]string{&t.Span, &t.Resource, &t.Instrumentation} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	if !events {
		return t, nil
	}
	names := [2]map[string]bool{{}, {}}
	err = e.eachEvent(ctx, scope, from, to, where, func(link bool, ev event) {
		n := 0
		if link {
			n = 1
		}
		for k := range ev.attrs {
			names[n][k] = true
		}
	})
	t.Event, t.Link = slices.Sorted(maps.Keys(names[0])), slices.Sorted(maps.Keys(names[1]))
	return t, err
}

// present returns which columns have a value on the rows that satisfy where.
func (e *Engine) present(ctx context.Context, scope model.Scope, from, to int64, where store.Pred, refs []store.ColumnRef) ([]store.ColumnRef, error) {
	found := make([]bool, len(refs))
	left := len(refs)
	_, _, err := plan.Each(ctx, e.o.Store, scope, plan.Scan{From: from, To: to, Where: where, Columns: refs, Order: store.NewestFirst, Budget: e.o.Budget}, nil, func(f *plan.Frame) error {
		for i := range refs {
			if !found[i] && !allNull(&f.Cols[i], f.N) {
				found[i] = true
				left--
			}
		}
		if left == 0 {
			return store.ErrStop
		}
		return nil
	})
	var out []store.ColumnRef
	for i, ok := range found {
		if ok {
			out = append(out, refs[i])
		}
	}
	return out, err
}

// eachEvent walks the events and links of the newest spans that have some.
func (e *Engine) eachEvent(ctx context.Context, scope model.Scope, from, to int64, where store.Pred, fn func(link bool, ev event)) error {
	cols := []store.ColumnRef{store.Col(store.ColEvents), store.Col(store.ColLinks)}
	some := store.Or{}
	for _, c := range cols {
		some = append(some, store.Not{P: store.TextEq{Col: c, Text: ""}})
	}
	rows := 0
	_, _, err := plan.Each(ctx, e.o.Store, scope, plan.Scan{
		From: from, To: to, Where: and(some, where), Columns: cols, Order: store.NewestFirst, Budget: e.o.Budget,
	}, nil, func(f *plan.Frame) error {
		for i := range f.Rows() {
			for c := range cols {
				for _, ev := range parseEvents(f.Cols[c].Str(f.Row(i))) {
					fn(c == 1, ev)
				}
			}
			if rows++; rows >= maxEventRows {
				return store.ErrStop
			}
		}
		return nil
	})
	return err
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
// that may match the filter (nil: all), sorted. Attributes of parents have no list;
// those of events and links are looked for on the newest spans.
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
		push, err := e.pusher(ctx, scope, from, to, filter)
		if err != nil {
			return nil, stats, err
		}
		where = and(orTrue(where), push.pushPipeline(filter))
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
	if len(cols) == 0 && isEventAttribute(a) {
		err := e.eachEvent(ctx, scope, from, to, orTrue(where), func(link bool, ev event) {
			if v := ev.value(a, link); len(seen) < MaxTagValues {
				seen[v] = true
			}
		})
		if err != nil {
			return nil, stats, fmt.Errorf("list tag values: %w", err)
		}
	}
	flat := map[Static]bool{}
	for v := range seen {
		for _, x := range v.Elements() {
			if x.Type != TypeNil && x != strStatic("") {
				flat[x] = true
			}
		}
	}
	out := slices.Collect(maps.Keys(flat))
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
