package logql

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	errorLabel   = "__error__"
	detailsLabel = "__error_details__"
	// extractedSuffix is put on a label that would hide a stream label.
	extractedSuffix = "_extracted"
)

// category says where a label of a line comes from.
type category uint8

const (
	catStream category = iota
	catMeta
	catParsed
)

type lineLabel struct {
	name, value string
	cat         category
	gen         uint8 // the parser that set it, see addParsed
}

// lineLabels is the state of one line in a pipeline. It is reused from line to
// line. Names are unique: the visible one of equal names is kept.
type lineLabels struct {
	ts      int64
	line    string
	list    []lineLabel
	err     string
	details string
	gen     uint8
	need    *nameSet // labels that matter; nil is all
	scratch []byte
	seen    map[string]string
}

// nameSet is a set of label names.
type nameSet struct{ m map[string]struct{} }

func newNameSet(names ...string) *nameSet {
	s := &nameSet{m: map[string]struct{}{}}
	for _, n := range names {
		s.add(n)
	}
	return s
}

// add puts a name in, and for x_extracted also x, whose presence as a stream
// label decides about the suffix.
func (s *nameSet) add(name string) {
	if name == errorLabel || name == detailsLabel {
		return // always known, never stored
	}
	s.m[name] = struct{}{}
	if base, ok := strings.CutSuffix(name, extractedSuffix); ok && base != "" {
		s.add(base)
	}
}

// has is true for every name when the set is nil.
func (s *nameSet) has(name string) bool {
	if s == nil {
		return true
	}
	_, ok := s.m[name]
	return ok
}

func (b *lineLabels) reset(ts int64, line string) {
	b.ts, b.line, b.list = ts, line, b.list[:0]
	b.err, b.details, b.gen = "", "", 0
}

func (b *lineLabels) index(name string) int {
	for i := range b.list {
		if b.list[i].name == name {
			return i
		}
	}
	return -1
}

// get returns a label and whether it is there.
func (b *lineLabels) get(name string) (string, bool) {
	switch name {
	case errorLabel:
		return b.err, b.err != ""
	case detailsLabel:
		return b.details, b.details != ""
	}
	if i := b.index(name); i >= 0 {
		return b.list[i].value, true
	}
	return "", false
}

func (b *lineLabels) value(name string) string {
	v, _ := b.get(name)
	return v
}

// addBase adds a label of the stored row. Metadata that would hide a stream
// label gets the suffix; of equal metadata the first wins.
func (b *lineLabels) addBase(name, value string, cat category) {
	if value == "" {
		return
	}
	if i := b.index(name); i >= 0 {
		if cat != catMeta || b.list[i].cat != catStream {
			return
		}
		name += extractedSuffix
		if b.index(name) >= 0 {
			return
		}
	}
	b.list = append(b.list, lineLabel{name: name, value: value, cat: cat})
}

// addParsed adds what a parser found. A stream label is not hidden: the parsed
// one gets the suffix. Metadata is hidden. Within one parser the first of equal
// names wins.
func (b *lineLabels) addParsed(name, value string) {
	if name == "" {
		return
	}
	i := b.index(name)
	if i >= 0 && b.list[i].cat == catStream {
		name += extractedSuffix
		i = b.index(name)
	}
	if !b.need.has(name) {
		return
	}
	if i >= 0 {
		if b.list[i].gen == b.gen && b.list[i].cat == catParsed {
			return
		}
		if value == "" {
			b.del(name)
			return
		}
		b.list[i] = lineLabel{name, value, catParsed, b.gen}
		return
	}
	if value != "" {
		b.list = append(b.list, lineLabel{name, value, catParsed, b.gen})
	}
}

// set replaces a label whatever its origin, as label_format does. An empty
// value removes it.
func (b *lineLabels) set(name, value string) {
	if value == "" {
		b.del(name)
		return
	}
	if i := b.index(name); i >= 0 {
		b.list[i] = lineLabel{name, value, catParsed, b.gen}
		return
	}
	b.list = append(b.list, lineLabel{name, value, catParsed, b.gen})
}

func (b *lineLabels) del(name string) {
	switch name {
	case errorLabel:
		b.err, b.details = "", ""
		return
	case detailsLabel:
		b.details = ""
		return
	}
	if i := b.index(name); i >= 0 {
		b.list = slices.Delete(b.list, i, i+1)
	}
}

func (b *lineLabels) setError(kind, details string) {
	b.err, b.details = kind, details
}

// sort orders labels by name.
func (b *lineLabels) sort() {
	slices.SortFunc(b.list, func(x, y lineLabel) int { return strings.Compare(x.name, y.name) })
}

// labels copies the labels for which keep is true (nil: all), the error ones
// included.
func (b *lineLabels) labels(keep func(l lineLabel) bool) labels.Labels {
	out := make([]labels.Label, 0, len(b.list)+2)
	for _, l := range b.list {
		if keep == nil || keep(l) {
			out = append(out, labels.Label{Name: l.name, Value: strings.Clone(l.value)})
		}
	}
	if keep == nil && b.err != "" {
		out = append(out, labels.Label{Name: errorLabel, Value: b.err})
		if b.details != "" {
			out = append(out, labels.Label{Name: detailsLabel, Value: strings.Clone(b.details)})
		}
	}
	return labels.New(out...)
}

// data is the map that templates see.
func (b *lineLabels) data() map[string]string {
	if b.seen == nil {
		b.seen = map[string]string{}
	}
	clear(b.seen)
	for _, l := range b.list {
		b.seen[l.name] = l.value
	}
	if b.err != "" {
		b.seen[errorLabel], b.seen[detailsLabel] = b.err, b.details
	}
	return b.seen
}

// sanitize makes a label name of a key: what is no letter, digit or underscore
// becomes an underscore, and a leading digit gets one in front.
func sanitize(key string) string {
	ok := key != "" && !isDigit(key[0])
	for i := 0; ok && i < len(key); i++ {
		ok = isIdentStart(key[i]) || isDigit(key[i])
	}
	if ok {
		return key
	}
	key = strings.TrimSpace(key)
	if key == "" {
		return ""
	}
	var out strings.Builder
	if isDigit(key[0]) {
		out.WriteByte('_')
	}
	for _, r := range key {
		if r < 128 && (isIdentStart(byte(r)) || isDigit(byte(r))) {
			out.WriteByte(byte(r))
		} else {
			out.WriteByte('_')
		}
	}
	return out.String()
}
