package columnar

import (
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// reduce leaves out of p what dictionaries show to be true, or false, of every
// row: where rows are sorted by service, the service is.
func (pr *pruner) reduce(p store.Pred) (store.Pred, error) {
	never := store.Or{}
	switch p := p.(type) {
	case nil, store.True:
		return store.True{}, nil
	case store.And:
		var out store.And
		for _, child := range cheapFirst(p) {
			r, err := pr.reduce(child)
			if err != nil {
				return nil, err
			}
			switch r := r.(type) {
			case store.True:
				continue
			case store.Or:
				if len(r) == 0 {
					return never, nil
				}
			}
			out = append(out, r)
		}
		if len(out) == 0 {
			return store.True{}, nil
		}
		return out, nil
	case store.Or:
		var out store.Or
		for _, child := range p {
			r, err := pr.reduce(child)
			if err != nil {
				return nil, err
			}
			switch r := r.(type) {
			case store.True:
				return r, nil
			case store.Or:
				if len(r) == 0 {
					continue
				}
			}
			out = append(out, r)
		}
		if len(out) == 1 {
			return out[0], nil
		}
		return out, nil
	case store.Not:
		r, err := pr.reduce(p.P)
		if err != nil {
			return nil, err
		}
		switch r := r.(type) {
		case store.True:
			return never, nil
		case store.Or:
			if len(r) == 0 {
				return store.True{}, nil
			}
		}
		return store.Not{P: r}, nil
	}
	some, every, err := pr.entries(p)
	switch {
	case err != nil:
		return nil, err
	case !some:
		return never, nil
	case every:
		return store.True{}, nil
	}
	return p, nil
}

// maxTestedEntries bounds the dictionary entries that are tested for pruning:
// more of them hardly all fail.
const maxTestedEntries = 2048

// entries tells whether some, and whether every, value of the leaf's column in
// the row group satisfies it, as far as a small dictionary tells.
func (pr *pruner) entries(p store.Pred) (some, every bool, err error) {
	ref, t := leafTest(p)
	physical, value := ref.Name, func(s string) store.Value { return store.Str(s) }
	switch ref.Scope {
	case store.Attr:
		if pr.seg.groups[pr.group].restFull {
			return true, false, nil
		}
		for kind := range kindSuffix {
			if kind != store.KindString && pr.present(ref.Name, kind) {
				return true, false, nil
			}
		}
		if physical = attrColumn(ref.Name, store.KindString); physical == "" {
			return true, false, nil
		}
		if pr.seg.file.Column(physical) < 0 {
			return t.null, t.null, nil
		}
	case store.Resource:
		physical, value = store.ColResource, func(s string) store.Value {
			v, _ := attrs.Get(s, ref.Name)
			return v
		}
	case store.Stream:
		physical, value = store.ColStream, func(s string) store.Value {
			if l, ok := attrs.StreamLabel(s, ref.Name); ok {
				return store.Str(l)
			}
			return store.Value{}
		}
	case store.Instrumentation:
		physical, value = store.ColScopeInf, func(s string) store.Value { return scopeValue(s, ref.Name) }
	case store.Intrinsic:
		if d, ok := pr.seg.schema.Derived[ref.Name]; ok && pr.seg.file.Column(ref.Name) < 0 || ref.Name == store.ColAttrs {
			return pr.derived(d, &t)
		}
	}
	col := pr.seg.file.Column(physical)
	if col < 0 || pr.seg.file.Columns[col].Kind != store.KindString {
		return true, false, nil
	}
	c := &pr.seg.file.Groups[pr.group].Chunks[col]
	if c.Dict == nil || len(c.Frames) > 1 || c.DictLen > maxTestedEntries {
		return true, false, nil
	}
	dict, err := pr.seg.dictionary(pr.group, col, nil)
	if err != nil {
		return false, false, err
	}
	every = c.Nulls == 0 || t.null
	some = c.Nulls > 0 && t.null
	for _, s := range dict {
		// Entries need not be in use; one that is not can only prune less.
		if t.value(value(s)) {
			some = true
		} else {
			every = false
		}
	}
	return some, every, nil
}

// derived is entries for a column that is derived from an integer, where all rows
// have the same.
func (pr *pruner) derived(d Derivation, t *test) (some, every bool, err error) {
	c := pr.chunk(d.From)
	if c == nil || !c.Bounded || c.Nulls > 0 || c.MinInt != c.MaxInt || c.Dict != nil {
		return true, false, nil
	}
	ok := t.value(store.Str(d.Map(store.Int(c.MinInt))))
	return ok, ok, nil
}
