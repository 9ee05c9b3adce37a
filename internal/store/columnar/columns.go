package columnar

import (
	"context"
	"slices"
	"strings"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// Columns implements store.Scanner. Attribute columns come from footers and the
// memtable where every row is visible; only where products are mixed does a
// narrower scope read the rows it may see, so that another product's attribute
// names stay hidden. Resource attributes and
// stream labels come from the distinct resources and streams.
func (t *Table) Columns(ctx context.Context, scope model.Scope, from, to int64) ([]store.ColumnInfo, error) {
	set := map[store.ColumnRef]store.Kind{}
	add := func(ref store.ColumnRef, kind store.Kind) {
		if have, ok := set[ref]; ok && have != kind {
			kind = store.KindMixed
		}
		set[ref] = kind
	}
	visible, doubtful := t.attrColumns(scope, from, to)
	cols := []store.ColumnRef{store.Col(store.ColResource), store.Col(store.ColScopeInf)}
	streams := t.schema.Index(store.ColStream) >= 0
	if streams {
		cols = append(cols, store.Col(store.ColStream))
	}
	first := len(cols)
	var names []string
	for key, kind := range visible {
		add(store.ColumnRef{Scope: store.Attr, Name: key}, kind)
	}
	for key, kind := range doubtful {
		// One that is visible anyway needs a look only for its kind.
		if have, ok := visible[key]; ok && (have == kind || have == store.KindMixed) {
			continue
		}
		names = append(names, key)
		cols = append(cols, store.ColumnRef{Scope: store.Attr, Name: key})
	}
	_, err := t.Scan(ctx, scope, store.ScanRequest{From: from, To: to, Columns: cols}, func(b *store.Batch) error {
		each := func(scope store.ColumnScope) func(string) {
			return func(object string) {
				_ = attrs.Each(object, func(k string, v store.Value) bool {
					add(store.ColumnRef{Scope: scope, Name: k}, v.Kind)
					return true
				})
			}
		}
		distinct(&b.Cols[0], b.N, each(store.Resource))
		distinct(&b.Cols[1], b.N, func(object string) {
			if v, ok := attrs.Get(object, "attributes"); ok {
				each(store.Instrumentation)(v.Str)
			}
		})
		if streams {
			distinct(&b.Cols[2], b.N, func(stream string) {
				attrs.EachLabel(stream, func(n, _ string) bool {
					add(store.ColumnRef{Scope: store.Stream, Name: n}, store.KindString)
					return true
				})
			})
		}
		for i, name := range names {
			v := &b.Cols[first+i]
			for row := range b.N {
				if !v.Null(row) {
					add(store.ColumnRef{Scope: store.Attr, Name: name}, v.Kind)
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]store.ColumnInfo, 0, len(set))
	for ref, kind := range set {
		out = append(out, store.ColumnInfo{Ref: ref, Kind: kind})
	}
	slices.SortFunc(out, func(a, b store.ColumnInfo) int {
		if a.Ref.Scope != b.Ref.Scope {
			return int(a.Ref.Scope) - int(b.Ref.Scope)
		}
		return strings.Compare(a.Ref.Name, b.Ref.Name)
	})
	return out, nil
}

// distinct calls fn once for each string of v that a row has.
func distinct(v *store.Vec, n int, fn func(string)) {
	if v.Codes == nil {
		seen := map[string]bool{}
		for i := range n {
			if s := v.Str(i); s != "" && !seen[s] {
				seen[s] = true
				fn(s)
			}
		}
		return
	}
	seen := make([]bool, len(v.Dict))
	for _, c := range v.Codes {
		if !seen[c] {
			seen[c] = true
			fn(v.Dict[c])
		}
	}
}

// attrColumns lists the attribute columns of rows in [from, to), with their
// kinds: those of units of which scope reaches every row, and those of units in
// which it may reach some.
func (t *Table) attrColumns(scope model.Scope, from, to int64) (visible, doubtful map[string]store.Kind) {
	visible, doubtful = map[string]store.Kind{}, map[string]store.Kind{}
	add := func(out map[string]store.Kind, name string) {
		key, kind, ok := parseAttrColumn(name)
		if !ok {
			return
		}
		if have, seen := out[key]; seen && have != kind {
			kind = store.KindMixed
		}
		out[key] = kind
	}
	// choose says where the columns of a unit belong, nil when it is out of reach.
	choose := func(sole func() (string, bool)) map[string]store.Kind {
		if scope.All() {
			return visible
		}
		product, ok := sole()
		switch {
		case !ok:
			return doubtful
		case scope.Allows(product):
			return visible
		}
		return nil
	}
	snap, err := t.snapshot()
	if err != nil {
		return nil, nil
	}
	defer snap.release()
	for _, b := range snap.blocks {
		if b.maxTs < from || b.minTs >= to {
			continue
		}
		out := choose(b.soleProduct)
		if out == nil {
			continue
		}
		for _, c := range b.cols {
			if isAttr(c.name) {
				add(out, strings.Clone(c.name))
			}
		}
		if rest, err := b.column(restColumn); err == nil && rest != nil {
			keys := map[string]bool{}
			distinct(rest, b.n, func(object string) { noteKeys(object, keys) })
			for key := range keys {
				out[key] = store.KindMixed
			}
		}
	}
	for _, s := range snap.segments {
		if s.MaxTs < from || s.MinTs >= to {
			continue
		}
		out := choose(s.soleProduct)
		if out == nil {
			continue
		}
		for _, name := range s.Attrs {
			add(out, name)
		}
		for _, key := range s.Rest {
			out[key] = store.KindMixed
		}
	}
	return visible, doubtful
}
