package logql

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// errSample is the value of __error__ when an unwrapped label is no number.
const errSample = "SampleExtractionErr"

// derive runs a pipeline over each row of a frame and appends two columns: the
// key of the row's group and, when asked for, its value.
type derive struct {
	p        rangePlan
	c        *compiled
	src      *rowSource
	body     int
	keyCol   int
	valueCol int
	// lenient counts lines that a parser could not read: the query asks for
	// __error__ itself.
	lenient bool
	covers  func(ts int64) bool // nil: every row lies in a window

	b      lineLabels
	ids    map[string]uint32
	dict   []string
	groups map[string]labels.Labels
	key    []byte

	codes  []uint32
	floats []float64
	texts  []string
	sel    []int32
}

func newDerive(p rangePlan, c *compiled) *derive {
	d := &derive{p: p, c: c, ids: map[string]uint32{}, groups: map[string]labels.Labels{}}
	d.body = c.column(store.Col(store.ColBody))
	need := p.need()
	d.src = newRowSource(need, c.schema, c.column)
	d.lenient = need != nil && need.errors
	d.b.early = need != nil && !need.errors
	d.keyCol = len(c.scan.Columns)
	d.valueCol = d.keyCol + 1
	return d
}

// derives are those of the workers of one scan.
type derives []*derive

// add makes the stages of one more worker. The first one says what is aggregated.
func (ds *derives) add(p rangePlan, c *compiled, agg *plan.Aggregate) []plan.Stage {
	d := newDerive(p, c)
	d.covers = agg.Covers()
	agg.Keys, agg.Value = []int{d.keyCol}, d.valueCol
	*ds = append(*ds, d)
	return []plan.Stage{d}
}

func (ds *derives) labelsOf(key []store.Value) labels.Labels {
	for _, d := range *ds {
		if ls, ok := d.groups[key[0].Str]; ok {
			return ls
		}
	}
	return labels.EmptyLabels()
}

// Apply implements plan.Stage.
func (d *derive) Apply(f *plan.Frame) error {
	d.codes = slices.Grow(d.codes[:0], f.N)[:f.N]
	// Not nil even when no row passes: a nil Sel means every row.
	if d.sel == nil {
		d.sel = []int32{}
	}
	d.sel = d.sel[:0]
	value := store.Vec{}
	switch {
	case d.p.agg.Unwrap != nil:
		d.floats = slices.Grow(d.floats[:0], f.N)[:f.N]
		value = store.Vec{Kind: store.KindFloat, Floats: d.floats}
	case d.p.op == plan.Bytes:
		d.texts = slices.Grow(d.texts[:0], f.N)[:f.N]
		value = store.Vec{Kind: store.KindString, Strs: d.texts}
	}
	ts := f.Cols[0].Ints
	for i := range f.Rows() {
		r := f.Row(i)
		if d.covers != nil && !d.covers(ts[r]) {
			continue
		}
		d.src.fill(f, r, ts[r], f.Cols[d.body].Str(r), &d.b)
		if !d.c.run(&d.b) {
			continue
		}
		if u := d.p.agg.Unwrap; u != nil {
			v, ok := u.sample(&d.b)
			if !ok {
				continue
			}
			d.floats[r] = v
		}
		if d.b.err != "" && !(d.lenient && (d.b.err == errJSON || d.b.err == errLogfmt)) {
			return &PipelineError{Kind: d.b.err, Series: d.b.labels(nil).String(), Details: d.b.details}
		}
		if d.texts != nil {
			d.texts[r] = d.b.line
		}
		d.codes[r] = d.group()
		d.sel = append(d.sel, int32(r))
	}
	f.Sel = d.sel
	f.Cols = append(f.Cols, store.Vec{Kind: store.KindString, Codes: d.codes, Dict: d.dict}, value)
	return nil
}

// group interns the labels of the current line that make its group.
func (d *derive) group() uint32 {
	d.key = d.key[:0]
	if d.p.all {
		d.b.sort()
	}
	put := func(name, value string) {
		d.key = binary.AppendUvarint(d.key, uint64(len(name)))
		d.key = append(d.key, name...)
		d.key = binary.AppendUvarint(d.key, uint64(len(value)))
		d.key = append(d.key, value...)
	}
	if d.p.all {
		for _, l := range d.b.list {
			if !slices.Contains(d.p.drop, l.name) {
				put(l.name, l.value)
			}
		}
	} else {
		for _, n := range d.p.names {
			put(n, d.b.value(n))
		}
	}
	if id, ok := d.ids[string(d.key)]; ok {
		return id
	}
	id := uint32(len(d.dict))
	key := string(d.key)
	d.ids[key] = id
	d.dict = append(d.dict, key)
	if d.p.all {
		d.groups[key] = d.b.labels(func(l lineLabel) bool { return !slices.Contains(d.p.drop, l.name) })
		return id
	}
	ls := labels.NewBuilder(labels.EmptyLabels())
	for _, n := range d.p.names {
		ls.Set(n, strings.Clone(d.b.value(n)))
	}
	d.groups[key] = ls.Labels()
	return id
}

// sample reads the unwrapped value. A line without the label has no sample; one
// whose label is no number is an error, unless a filter behind unwrap takes it.
func (u *Unwrap) sample(b *lineLabels) (float64, bool) {
	text, ok := b.get(u.Label)
	if !ok || text == "" {
		return 0, false
	}
	var v float64
	var err error
	switch u.Conv {
	case "duration", "duration_seconds":
		v, err = durationSeconds(text)
	case "bytes":
		v, err = parseBytes(text)
	default:
		v, err = strconv.ParseFloat(text, 64)
	}
	if err != nil && b.err == "" {
		b.setError(errSample, err.Error())
	}
	for _, f := range u.Filter {
		if !evalLabelExpr(f.Expr, b) {
			return 0, false
		}
	}
	return v, true
}
