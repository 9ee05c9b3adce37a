package columnar

import (
	"bytes"
	"context"
	"errors"
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
	set := columnSet{}
	add := set.add
	if scope.All() {
		return t.allColumns(ctx, from, to)
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
		add(store.ColumnRef{Scope: store.Attr, Name: key}, kind, true)
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
					add(store.ColumnRef{Scope: scope, Name: k}, v.Kind, beginsList(v.Str))
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
					add(store.ColumnRef{Scope: store.Stream, Name: n}, store.KindString, false)
					return true
				})
			})
		}
		for i, name := range names {
			v := &b.Cols[first+i]
			for row := range b.N {
				if !v.Null(row) {
					add(store.ColumnRef{Scope: store.Attr, Name: name}, v.Kind, true)
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return set.list(), nil
}

// columnSet is a set of columns with what is known of them.
type columnSet map[store.ColumnRef]columnNote

// columnNote is what store.ColumnInfo says beside the name.
type columnNote struct {
	kind  store.Kind
	lists bool
}

func (set columnSet) add(ref store.ColumnRef, kind store.Kind, lists bool) {
	if have, ok := set[ref]; ok {
		lists = lists || have.lists
		if have.kind != kind {
			kind = store.KindMixed
		}
	}
	set[ref] = columnNote{kind, lists}
}

// addAll adds the columns of another set.
func (set columnSet) addAll(other columnSet) {
	for ref, note := range other {
		set.add(ref, note.kind, note.lists)
	}
}

// beginsList tells whether a text may be that of an array.
func beginsList(text string) bool { return strings.HasPrefix(text, "[") }

// list is the set in the order of scopes and names.
func (set columnSet) list() []store.ColumnInfo {
	out := make([]store.ColumnInfo, 0, len(set))
	for ref, note := range set {
		out = append(out, store.ColumnInfo{Ref: ref, Kind: note.kind, Lists: note.lists})
	}
	slices.SortFunc(out, func(a, b store.ColumnInfo) int {
		if a.Ref.Scope != b.Ref.Scope {
			return int(a.Ref.Scope) - int(b.Ref.Scope)
		}
		return strings.Compare(a.Ref.Name, b.Ref.Name)
	})
	return out
}

// object adds the members of a JSON object.
func (set columnSet) object(scope store.ColumnScope, object string) {
	_ = attrs.Each(object, func(k string, v store.Value) bool {
		set.add(store.ColumnRef{Scope: scope, Name: strings.Clone(k)}, v.Kind, beginsList(v.Str))
		return true
	})
}

// text adds what one value of the resource, scope or stream column names.
func (set columnSet) text(column, text string) {
	switch column {
	case store.ColResource:
		set.object(store.Resource, text)
	case store.ColScopeInf:
		if v, ok := attrs.Get(text, "attributes"); ok {
			set.object(store.Instrumentation, v.Str)
		}
	case store.ColStream:
		attrs.EachLabel(text, func(n, _ string) bool {
			set.add(store.ColumnRef{Scope: store.Stream, Name: strings.Clone(n)}, store.KindString, false)
			return true
		})
	}
}

// attr adds the attribute of a column; lists tells of one of texts whether they may
// be those of arrays.
func (set columnSet) attr(column string, lists func(key string) bool) {
	if key, kind, ok := parseAttrColumn(column); ok {
		set.add(store.ColumnRef{Scope: store.Attr, Name: strings.Clone(key)}, kind, kind == store.KindString && lists(key))
	}
}

// namingColumns are those whose values name columns.
var namingColumns = []string{store.ColResource, store.ColScopeInf, store.ColStream}

// allColumns is Columns where every row is visible. What a segment or block
// holds does not change, so it is found once; no row is read.
func (t *Table) allColumns(ctx context.Context, from, to int64) ([]store.ColumnInfo, error) {
	snap, err := t.snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.release()
	all := columnSet{}
	for _, b := range snap.blocks {
		if b.maxTs >= from && b.minTs < to {
			all.addAll(b.columnSet())
		}
	}
	for _, s := range snap.segments {
		if s.MaxTs < from || s.MinTs >= to {
			continue
		}
		set, err := s.columnsFor(ctx)
		if err != nil {
			return nil, err
		}
		all.addAll(set)
	}
	return all.list(), nil
}

func (b *block) columnSet() columnSet {
	b.setOnce.Do(func() {
		b.set = columnSet{}
		for _, c := range b.cols {
			if isAttr(c.name) {
				// Texts lie in the block as they are.
				b.set.attr(c.name, func(string) bool { return bytes.IndexByte(b.data[c.off:c.off+c.n], '[') >= 0 })
			}
		}
		if rest, err := b.column(restColumn); err == nil && rest != nil {
			distinct(rest, b.n, func(object string) { b.set.object(store.Attr, object) })
		}
		for _, name := range namingColumns {
			if b.schema.Index(name) < 0 {
				continue
			}
			if v, err := b.column(name); err == nil {
				distinct(v, b.n, func(text string) { b.set.text(name, text) })
			}
		}
	})
	return b.set
}

// columnSet reads the dictionaries of the naming columns. With a damaged row
// group it says so and names the columns of the others.
func (s *segment) columnSet() (columnSet, error) {
	s.setMu.Lock()
	defer s.setMu.Unlock()
	if s.set != nil {
		return s.set, nil
	}
	set := s.namedColumns()
	seen := map[string]bool{}
	for g := range s.groups {
		for _, name := range namingColumns {
			col := s.file.Column(name)
			if col < 0 {
				continue
			}
			dict, err := s.distinctTexts(g, col)
			if err != nil {
				if errors.Is(err, errCorrupt) {
					s.damage(s, g, err)
				}
				return set, err
			}
			for _, text := range dict {
				if key := name + text; !seen[key] {
					seen[key] = true
					set.text(name, text)
				}
			}
		}
	}
	s.set = set
	return set, nil
}

// distinctTexts returns the texts of a column, which may be repeated where it
// has no dictionary.
func (s *segment) distinctTexts(group, col int) ([]string, error) {
	if s.file.Groups[group].Chunks[col].Dict != nil {
		return s.dictionary(group, col, nil)
	}
	v, err := s.file.Read(group, col, 0, s.groups[group].rows, nil, nil)
	if err != nil {
		return nil, err
	}
	return v.Strs, nil
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
			distinct(rest, b.n, func(object string) { noteKeys(object, keys, nil) })
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
