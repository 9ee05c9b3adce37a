package logql

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
)

// rowSource fills lineLabels from the columns of a frame.
type rowSource struct {
	need  *nameSet
	cols  []int // of the frame, parallel to refs
	refs  []store.ColumnRef
	names []string // label per ref when need is set
	rest  []string // of a label inside of a nested object, its name there

	parsed [3]map[string][]lineLabel
	last   [3]lastLabels // of stream, scope and resource: rows of a batch mostly share them
	vals   []store.Value
}

// lastLabels is the newest text that was parsed and its labels.
type lastLabels struct {
	text   string
	labels []lineLabel
}

const (
	lastStream = iota
	lastScope
	lastResource
)

// newRowSource decides which columns must be read; add returns the index of a
// column in the scan.
func newRowSource(need *nameSet, s *schema, add func(store.ColumnRef) int) *rowSource {
	src := &rowSource{need: need}
	if need == nil {
		src.refs = allColumns
		for _, c := range allColumns {
			src.cols = append(src.cols, add(c))
		}
		return src
	}
	for name := range need.m {
		for _, c := range s.candidates(name) {
			src.refs = append(src.refs, c)
			src.cols = append(src.cols, add(c))
			src.names = append(src.names, name)
			src.rest = append(src.rest, "")
		}
		cols, rest := s.inside(name)
		for i, c := range cols {
			src.refs = append(src.refs, c)
			src.cols = append(src.cols, add(c))
			src.names = append(src.names, name)
			src.rest = append(src.rest, rest[i])
		}
	}
	return src
}

func categoryOf(c store.ColumnRef) category {
	if c.Scope == store.Stream {
		return catStream
	}
	return catMeta
}

// fill resets b to one row.
func (src *rowSource) fill(f *plan.Frame, row int, ts int64, line string, b *lineLabels) {
	b.reset(ts, line)
	b.need = src.need
	if src.need != nil {
		for i, c := range src.refs {
			v := f.Cols[src.cols[i]].Value(row)
			switch {
			case v.Kind == store.KindNull:
			case src.rest[i] != "":
				src.addOnce(b, lineLabel{name: src.names[i], value: member(v.Str, src.rest[i])})
			case c.Scope == store.Resource || c.Scope == store.Instrumentation:
				src.addOnce(b, lineLabel{name: src.names[i], value: render(c, v)})
			default:
				b.addBase(src.names[i], render(c, v), categoryOf(c))
			}
		}
		return
	}
	src.vals = src.vals[:0]
	for _, col := range src.cols {
		src.vals = append(src.vals, f.Cols[col].Value(row))
	}
	src.fillAll(src.vals, b)
}

// fillAll adds all labels from the values of allColumns.
func (src *rowSource) fillAll(vals []store.Value, b *lineLabels) {
	b.list = append(b.list, src.cached(lastStream, vals[0].Str, streamLabels)...)
	addObject(b, vals[1].Str)
	b.addBase("trace_id", render(allColumns[2], vals[2]), catMeta)
	b.addBase("span_id", render(allColumns[3], vals[3]), catMeta)
	b.addBase("severity_text", vals[4].Str, catMeta)
	scope := src.cached(lastScope, vals[7].Str, scopeLabels)
	if !pushed(scope) {
		// A push has no severity numbers: they are how its levels are kept.
		b.addBase("severity_number", render(allColumns[5], vals[5]), catMeta)
	}
	b.addBase("detected_level", vals[6].Str, catMeta)
	for _, l := range scope {
		src.addOnce(b, l)
	}
	for _, l := range src.cached(lastResource, vals[8].Str, objectLabels) {
		src.addOnce(b, l)
	}
}

// addOnce adds resource and scope metadata unless the name is taken: a resource
// attribute that is a stream label is not repeated as x_extracted.
func (src *rowSource) addOnce(b *lineLabels, l lineLabel) {
	if b.index(l.name) < 0 {
		b.addBase(l.name, l.value, catMeta)
	}
}

// maxCached bounds the memory of parsed streams and resources.
const maxCached = 10000

// cached parses a text that many rows share. The maps are kept apart by kind
// because a stream, a scope and a resource may be the same text, {}.
func (src *rowSource) cached(kind int, text string, parse func(string) []lineLabel) []lineLabel {
	last := &src.last[kind]
	if last.text == text && last.labels != nil {
		return last.labels
	}
	ls, ok := src.parsed[kind][text]
	if !ok {
		key := strings.Clone(text)
		ls = parse(key)
		if src.parsed[kind] == nil {
			src.parsed[kind] = map[string][]lineLabel{}
		}
		if len(src.parsed[kind]) < maxCached {
			src.parsed[kind][key] = ls
		}
		text = key
	} else {
		text = strings.Clone(text)
	}
	*last = lastLabels{text, ls}
	return ls
}

func streamLabels(text string) []lineLabel {
	out := []lineLabel{}
	ParseStream(text).Range(func(l labels.Label) {
		if l.Value != "" {
			out = append(out, lineLabel{name: l.Name, value: l.Value, cat: catStream})
		}
	})
	return out
}

// ParseStream reads the text of store.ColStream.
func ParseStream(text string) labels.Labels {
	if text == "" || text == "{}" {
		return labels.EmptyLabels()
	}
	var out []labels.Label
	attrs.EachLabel(text, func(name, value string) bool {
		out = append(out, labels.Label{Name: strings.Clone(name), Value: value})
		return true
	})
	return labels.New(out...)
}

// addObject adds the members of a JSON object of attributes as metadata.
func addObject(b *lineLabels, text string) {
	if text == "" || text == "{}" {
		return
	}
	eachMember(text, func(k, v string) { b.addBase(k, v, catMeta) })
}

// eachMember calls fn with the label and the text of every member, also of nested
// objects.
func eachMember(text string, fn func(k, v string)) {
	_ = attrs.EachLeaf(text, func(path []string, v store.Value) bool {
		name := attrLabel(path[0])
		for _, p := range path[1:] {
			name += "_" + sanitize(p)
		}
		fn(name, valueText(v))
		return true
	})
}

func objectLabels(text string) []lineLabel {
	var out []lineLabel
	if text == "" {
		return nil
	}
	eachMember(text, func(k, v string) { out = append(out, lineLabel{name: k, value: v, cat: catMeta}) })
	slices.SortStableFunc(out, func(a, b lineLabel) int { return strings.Compare(a.name, b.name) })
	return out
}

// pushed tells whether a record came through Loki's push: only those have a scope
// without any label.
func pushed(scope []lineLabel) bool { return scope != nil && len(scope) == 0 }

func scopeLabels(text string) []lineLabel {
	var inf struct {
		Name, Version string
		Attributes    json.RawMessage
	}
	if text == "" || json.Unmarshal([]byte(text), &inf) != nil {
		return nil
	}
	if inf.Name == pushScope {
		return []lineLabel{}
	}
	out := []lineLabel{{name: "scope_name", value: inf.Name}, {name: "scope_version", value: inf.Version}}
	return append(out, objectLabels(string(inf.Attributes))...)
}
