package columnar

import (
	"strings"

	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
	"hinomi/internal/store/columnar/parquetio"
)

// unit is a set of rows that is filtered as a whole: a memtable block or a
// window of a segment's row group. It is used by one goroutine.
type unit struct {
	schema       *Schema
	n            int
	minTs, maxTs int64
	source       columnSource
	loaded       map[string]*store.Vec
	memo         *memo // of the row group; nil: of none
	// counts, of a unit of runs, is how many rows of the row group each row stands for.
	counts []int64
	// found, where it is not nil, keeps under asked which rows the filter leaves, and
	// their values.
	asked asked
	found *groupSource
	vecs  *parquetio.Vectors // lends memory until the batch was handed over
	// ended returns why the scan ends early: its client went away, its time is
	// used up. A unit of long texts is asked about more than once.
	ended func() error
}

// columnSource gives physical columns; nil when the unit has no such column.
type columnSource interface {
	column(name string) (*store.Vec, error)
	// rows gives only some rows, when that is cheaper than the whole column.
	rows(name string, rows []uint32) (*store.Vec, error)
	// bytes is how much was decoded, before compression.
	bytes() int64
	// attrColumns lists the dynamic columns.
	attrColumns() []string
}

func (u *unit) physical(name string) (*store.Vec, error) {
	if v, ok := u.loaded[name]; ok {
		return v, nil
	}
	v, err := u.source.column(name)
	if err != nil {
		return nil, err
	}
	if u.loaded == nil {
		u.loaded = map[string]*store.Vec{}
	}
	u.loaded[name] = v
	return v, nil
}

// rowsOf is how many rows of the table the given rows stand for.
func (u *unit) rowsOf(rows []uint32) int64 {
	if u.counts == nil {
		return int64(len(rows))
	}
	n := int64(0)
	for _, r := range rows {
		n += u.counts[r]
	}
	return n
}

// vec resolves a column for all rows.
func (u *unit) vec(ref store.ColumnRef) (*store.Vec, error) {
	return u.resolve(ref, u.n, u.physical)
}

// sparse tells whether few enough rows are wanted that reading just their
// pages pays.
func (u *unit) sparse(rows []uint32) bool { return len(rows)*16 < u.n }

// rowsVec resolves a column for the given rows only.
func (u *unit) rowsVec(ref store.ColumnRef, rows []uint32) (*store.Vec, error) {
	return u.resolve(ref, len(rows), func(name string) (*store.Vec, error) {
		if full, ok := u.loaded[name]; ok || !u.sparse(rows) {
			if !ok {
				var err error
				if full, err = u.physical(name); err != nil {
					return nil, err
				}
			}
			if full == nil || len(rows) == u.n {
				return full, nil
			}
			v := gather(full, rows)
			if u.found != nil && u.sparse(rows) {
				u.found.keep(name, rows, &v) // The next time only they are read.
			}
			return &v, nil
		}
		return u.source.rows(name, rows)
	})
}

type loader func(name string) (*store.Vec, error)

// resolve computes a column of n rows out of the physical columns load gives.
func (u *unit) resolve(ref store.ColumnRef, n int, load loader) (*store.Vec, error) {
	switch ref.Scope {
	case store.Intrinsic:
		if ref.Name == store.ColAttrs {
			return u.allAttrs(n, load)
		}
		if d, ok := u.schema.Derived[ref.Name]; ok {
			if d.Stored {
				if v, err := load(ref.Name); v != nil || err != nil {
					return v, err
				}
			}
			return derive(d, n, load, u.vecs)
		}
		if u.schema.Index(ref.Name) < 0 {
			return &store.Vec{}, nil
		}
		return load(ref.Name)
	case store.Attr:
		return u.attr(ref.Name, n, load)
	case store.Resource:
		return u.mapText(ref, store.ColResource, load, func(s string) store.Value {
			v, _ := attrs.Get(s, ref.Name)
			return v
		})
	case store.Instrumentation:
		return u.mapText(ref, store.ColScopeInf, load, func(s string) store.Value { return scopeValue(s, ref.Name) })
	case store.Stream:
		return u.mapText(ref, store.ColStream, load, func(s string) store.Value {
			if v, ok := attrs.StreamLabel(s, ref.Name); ok {
				return store.Str(v)
			}
			return store.Value{}
		})
	}
	return &store.Vec{}, nil
}

func scopeValue(scope, name string) store.Value {
	if name == "name" || name == "version" {
		v, _ := attrs.Get(scope, name)
		return v
	}
	if list, ok := attrs.Get(scope, "attributes"); ok {
		v, _ := attrs.Get(list.Str, name)
		return v
	}
	return store.Value{}
}

// attr joins the typed columns of an attribute and the rest objects.
func (u *unit) attr(key string, n int, load loader) (*store.Vec, error) {
	var found []*store.Vec
	for kind := range kindSuffix {
		name := attrColumn(key, kind)
		if name == "" {
			continue
		}
		v, err := load(name)
		if err != nil {
			return nil, err
		}
		if v != nil {
			found = append(found, v)
		}
	}
	rest, err := load(restColumn)
	if err != nil {
		return nil, err
	}
	if rest != nil && !mayHaveKey(rest, n, key) {
		rest = nil
	}
	switch {
	case len(found) == 0 && rest == nil:
		return &store.Vec{}, nil
	case len(found) == 1 && rest == nil:
		return found[0], nil
	}
	out := &store.Vec{Kind: store.KindMixed, Mixed: make([]store.Value, n)}
	for i := range out.Mixed {
		for _, v := range found {
			if !v.Null(i) {
				out.Mixed[i] = v.Value(i)
			}
		}
		if out.Mixed[i].Kind == store.KindNull && rest != nil && rest.Str(i) != "" {
			out.Mixed[i], _ = attrs.Get(rest.Str(i), key)
		}
	}
	return out, nil
}

func mayHaveKey(rest *store.Vec, n int, key string) bool {
	quoted := string(attrs.AppendString(nil, key))
	for i := range n {
		if s := rest.Str(i); s != "" && strings.Contains(s, quoted) {
			return true
		}
	}
	return false
}

// allAttrs renders every attribute of each row as a JSON object.
func (u *unit) allAttrs(n int, load loader) (*store.Vec, error) {
	type source struct {
		key string
		vec *store.Vec
	}
	var cols []source
	for _, name := range u.source.attrColumns() {
		v, err := load(name)
		if err != nil {
			return nil, err
		}
		if v != nil {
			key, _, _ := parseAttrColumn(name)
			cols = append(cols, source{key, v})
		}
	}
	rest, err := load(restColumn)
	if err != nil {
		return nil, err
	}
	out := &store.Vec{Kind: store.KindString, Strs: make([]string, n)}
	var buf []byte
	for i := range n {
		buf = buf[:0]
		if rest != nil {
			buf = append(buf, strings.TrimSuffix(rest.Str(i), "}")...)
		}
		for _, c := range cols {
			if !c.vec.Null(i) {
				buf = appendMember(buf, c.key, c.vec.Value(i))
			}
		}
		if len(buf) == 0 {
			out.Strs[i] = "{}"
			continue
		}
		out.Strs[i] = string(append(buf, '}'))
	}
	return out, nil
}
