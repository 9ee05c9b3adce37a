package columnar

import (
	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// derive computes a Derivation for n rows.
func derive(d Derivation, n int, load loader, vecs *parquetio.Vectors) (*store.Vec, error) {
	from, err := load(d.From)
	if err != nil || from == nil {
		return &store.Vec{}, err
	}
	if from.Ints == nil {
		return deriveText(d, from, vecs), nil
	}
	out := &store.Vec{Kind: store.KindString, Codes: vecs.Codes(n)}
	dict := newDict()
	seen := map[int64]uint32{}
	var last int64
	var code uint32
	for i, x := range from.Ints {
		if i == 0 || x != last {
			var ok bool
			if code, ok = seen[x]; !ok {
				code = dict.code(d.Map(store.Int(x)))
				seen[x] = code
			}
			last = x
		}
		out.Codes[i] = code
	}
	out.Dict = dict.list
	return out, nil
}

// deriveText computes a derivation of texts, once per entry of a dictionary.
func deriveText(d Derivation, from *store.Vec, vecs *parquetio.Vectors) *store.Vec {
	one := func(s string) string { return d.Map(store.Value{Kind: from.Kind, Str: s}) }
	if from.Codes != nil {
		return newMapping(from.Dict, func(s string) store.Value { return store.Str(one(s)) }).vec(from.Codes, vecs)
	}
	out := &store.Vec{Kind: store.KindString, Codes: make([]uint32, len(from.Strs))}
	dict := newDict()
	for i, s := range from.Strs {
		out.Codes[i] = dict.code(one(s))
	}
	if out.Dict = dict.list; len(out.Dict) == 0 {
		out.Dict = []string{""}
	}
	return out
}

// mapText maps the values of a string column, once per distinct value where
// there is a dictionary. The longest of both representations tells the length.
func (u *unit) mapText(ref store.ColumnRef, column string, load loader, fn func(string) store.Value) (*store.Vec, error) {
	v, err := load(column)
	if err != nil || v == nil {
		return &store.Vec{}, err
	}
	if v.Codes != nil {
		return u.memo.mapping(ref, v.Dict, fn).vec(v.Codes, u.vecs), nil
	}
	return mapVec(v, len(v.Strs), fn), nil
}

// mapVec maps plain texts, or a dictionary that is met once.
func mapVec(v *store.Vec, n int, fn func(string) store.Value) *store.Vec {
	if v.Codes != nil {
		return newMapping(v.Dict, fn).vec(v.Codes, nil)
	}
	d := newDict()
	codes := make([]uint32, n)
	for i, s := range v.Strs {
		codes[i] = d.code(s)
	}
	return newMapping(d.list, fn).vec(codes, nil)
}

// mapping is what became of the entries of a dictionary.
type mapping struct {
	from   []string
	values []store.Value // by code
	recode []uint32      // by code, when all values are texts or null
	dict   []string
	nulls  bool
}

func newMapping(dict []string, fn func(string) store.Value) *mapping {
	m := &mapping{from: dict, values: make([]store.Value, len(dict)), recode: make([]uint32, len(dict))}
	d := newDict()
	for i, s := range dict {
		x := fn(s)
		m.values[i] = x
		m.nulls = m.nulls || x.Kind == store.KindNull
		if x.Kind != store.KindString && x.Kind != store.KindNull {
			m.recode = nil
		}
		if m.recode != nil {
			m.recode[i] = d.code(x.Str)
		}
	}
	m.dict = d.list
	return m
}

// vec is the column of rows with the given codes.
func (m *mapping) vec(codes []uint32, vecs *parquetio.Vectors) *store.Vec {
	if m.recode == nil {
		out := &store.Vec{Kind: store.KindMixed, Mixed: make([]store.Value, len(codes))}
		for i, c := range codes {
			out.Mixed[i] = m.values[c]
		}
		return out
	}
	out := &store.Vec{Kind: store.KindString, Codes: vecs.Codes(len(codes)), Dict: m.dict}
	for i, c := range codes {
		out.Codes[i] = m.recode[c]
	}
	if m.nulls {
		out.Valid = vecs.Bools(len(codes))
		for i, c := range codes {
			out.Valid[i] = m.values[c].Kind != store.KindNull
		}
	}
	return out
}

// dict numbers distinct strings.
type dict struct {
	list  []string
	index map[string]uint32
}

func newDict() *dict { return &dict{index: map[string]uint32{}} }

func (d *dict) code(s string) uint32 {
	c, ok := d.index[s]
	if !ok {
		c = uint32(len(d.list))
		d.list = append(d.list, s)
		d.index[s] = c
	}
	return c
}
