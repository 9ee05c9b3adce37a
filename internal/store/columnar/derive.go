package columnar

import "hinomi/internal/store"

// derive computes a Derivation for n rows.
func derive(d Derivation, n int, load loader) (*store.Vec, error) {
	from, err := load(d.From)
	if err != nil || from == nil {
		return &store.Vec{}, err
	}
	if from.Ints == nil {
		return mapVec(from, n, func(s string) store.Value { return store.Str(d.Map(store.Str(s))) }), nil
	}
	out := &store.Vec{Kind: store.KindString, Codes: make([]uint32, n)}
	dict := newDict()
	seen := map[int64]uint32{}
	for i, x := range from.Ints {
		code, ok := seen[x]
		if !ok {
			code = dict.code(d.Map(store.Int(x)))
			seen[x] = code
		}
		out.Codes[i] = code
	}
	out.Dict = dict.list
	return out, nil
}

// mapText maps the values of a string column, once per distinct value where
// there is a dictionary. The longest of both representations tells the length.
func mapText(column string, load loader, fn func(string) store.Value) (*store.Vec, error) {
	v, err := load(column)
	if err != nil || v == nil {
		return &store.Vec{}, err
	}
	return mapVec(v, max(len(v.Codes), len(v.Strs)), fn), nil
}

func mapVec(v *store.Vec, n int, fn func(string) store.Value) *store.Vec {
	values := make([]store.Value, 0, len(v.Dict))
	codes := v.Codes
	if codes == nil {
		// Plain text: number the distinct values first.
		d := newDict()
		codes = make([]uint32, n)
		for i, s := range v.Strs {
			codes[i] = d.code(s)
		}
		for _, s := range d.list {
			values = append(values, fn(s))
		}
	} else {
		for _, s := range v.Dict {
			values = append(values, fn(s))
		}
	}
	text, nulls := true, false
	for _, x := range values {
		text = text && (x.Kind == store.KindString || x.Kind == store.KindNull)
		nulls = nulls || x.Kind == store.KindNull
	}
	if !text {
		out := &store.Vec{Kind: store.KindMixed, Mixed: make([]store.Value, n)}
		for i, c := range codes {
			out.Mixed[i] = values[c]
		}
		return out
	}
	d := newDict()
	recode := make([]uint32, len(values))
	for i, x := range values {
		recode[i] = d.code(x.Str)
	}
	out := &store.Vec{Kind: store.KindString, Codes: make([]uint32, n)}
	for i, c := range codes {
		out.Codes[i] = recode[c]
	}
	if nulls {
		out.Valid = make([]bool, n)
		for i, c := range codes {
			out.Valid[i] = values[c].Kind != store.KindNull
		}
	}
	out.Dict = d.list
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
