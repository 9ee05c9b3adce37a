package traceql

import (
	"bytes"
	"strings"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// roots are the root spans of traces, which compare() counts for every span of
// theirs.
type roots struct {
	byTrace  map[[16]byte]root
	names    texts
	services texts

	valid                   []bool // of the last frame, used again
	nameCodes, serviceCodes []uint32
}

type root struct {
	start         int64
	span          [8]byte
	name, service uint32 // in the dictionaries
}

// traceKey is the id of a trace; ok is false when there is none.
func traceKey(id string) (key [16]byte, ok bool) {
	ok = len(id) == len(key)
	copy(key[:], id)
	return key, ok
}

// texts is a dictionary that grows.
type texts struct {
	list  []string
	codes map[string]uint32
}

func (t *texts) code(s string) uint32 {
	c, ok := t.codes[s]
	if !ok {
		if t.codes == nil {
			t.codes = map[string]uint32{}
		}
		c = uint32(len(t.list))
		s = strings.Clone(s)
		t.list, t.codes[s] = append(t.list, s), c
	}
	return c
}

// roots finds the root spans in and around the window. With more than maxTraceIDs
// of them the answer is partial.
func (m *metrics) roots() (*roots, error) {
	out := &roots{byTrace: map[[16]byte]root{}}
	around := int64(m.e.o.Around)
	stats, err := m.e.o.Store.Scan(m.ctx, m.scope, store.ScanRequest{
		From: m.w.start + 1 - around, To: m.w.end + 1 + around, Where: store.TextEq{Col: store.Col(store.ColParentID), Text: ""}, Budget: m.e.o.Budget,
		Columns: []store.ColumnRef{store.Col(store.ColTime), store.Col(store.ColTraceID), store.Col(store.ColName), store.Col(store.ColService), store.Col(store.ColSpanID)},
	}, func(b *store.Batch) error {
		for i, start := range b.Cols[0].Ints {
			id, ok := traceKey(b.Cols[1].Str(i))
			if !ok {
				continue
			}
			var span [8]byte
			copy(span[:], b.Cols[4].Str(i))
			have, known := out.byTrace[id]
			if known && (have.start < start || have.start == start && bytes.Compare(have.span[:], span[:]) <= 0) {
				continue // The first one counts, as it does for rootName.
			}
			if !known && len(out.byTrace) >= maxTraceIDs {
				return store.ErrBudget
			}
			out.byTrace[id] = root{start, span, out.names.code(b.Cols[2].Str(i)), out.services.code(b.Cols[3].Str(i))}
		}
		return m.ctx.Err()
	})
	return out, m.note(stats, false, err)
}

// columns are the root's name and service of the rows of a frame, whose column
// trace has their traces.
func (r *roots) columns(f *plan.Frame, trace int) (name, service store.Vec) {
	r.valid, r.nameCodes, r.serviceCodes = sized(r.valid, f.N), sized(r.nameCodes, f.N), sized(r.serviceCodes, f.N)
	name = store.Vec{Kind: store.KindString, Valid: r.valid, Codes: r.nameCodes, Dict: r.names.list}
	service = store.Vec{Kind: store.KindString, Valid: r.valid, Codes: r.serviceCodes, Dict: r.services.list}
	var last string
	var at root
	known := false
	for i := range f.Rows() {
		row := f.Row(i)
		if id := f.Cols[trace].Str(row); i == 0 || id != last {
			last = id
			key, ok := traceKey(id)
			at, known = r.byTrace[key]
			known = known && ok
		}
		r.valid[row], name.Codes[row], service.Codes[row] = known, at.name, at.service
	}
	return name, service
}
