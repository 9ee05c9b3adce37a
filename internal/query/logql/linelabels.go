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
}

// lineLabels is the state of one line in a pipeline. It is reused from line to
// line. Names are unique: the visible one of equal names is kept.
type lineLabels struct {
	ts      int64
	line    string
	list    []lineLabel
	err     string
	details string
	need    *nameSet // labels that matter; nil is all
	early   bool     // a parser may stop once all of need were parsed
	parsed  int      // names of need that were parsed
	scratch []byte
	seen    map[string]string
}

// nameSet is a set of label names.
type nameSet struct {
	m      map[string]struct{}
	errors bool // __error__ or its details were asked for
}

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
		s.errors = true // always known, never stored
		return
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
	b.err, b.details, b.parsed = "", "", 0
}

// wants tells whether a label that a parser found can matter. The set has x beside
// x_extracted.
func (b *lineLabels) wants(name string) bool { return name != "" && b.need.has(name) }

// enough tells whether a parser may stop: all labels that matter were parsed.
func (b *lineLabels) enough() bool { return b.early && b.need != nil && b.parsed >= len(b.need.m) }

// addMissing adds an empty label for an expression that found nothing, unless the
// line has the label already.
func (b *lineLabels) addMissing(name string) {
	if b.index(name) < 0 {
		b.addParsed(name, "")
	}
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

// addParsed adds what a parser found. A label of the stream or of the metadata is
// not hidden: the parsed one gets the suffix. The first of equal names wins, also
// over later parsers.
func (b *lineLabels) addParsed(name, value string) {
	if name == "" {
		return
	}
	i := b.index(name)
	if i >= 0 && b.list[i].cat != catParsed {
		name += extractedSuffix
		i = b.index(name)
	}
	if i >= 0 || !b.need.has(name) {
		return
	}
	b.parsed++
	b.list = append(b.list, lineLabel{name, value, catParsed})
}

// set replaces a label whatever its origin, as label_format does.
func (b *lineLabels) set(name, value string) {
	if i := b.index(name); i >= 0 {
		b.list[i] = lineLabel{name, value, catParsed}
		return
	}
	b.list = append(b.list, lineLabel{name, value, catParsed})
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

// labels copies the labels for which keep is true (nil: all, the error ones
// included).
func (b *lineLabels) labels(keep func(l lineLabel) bool) labels.Labels {
	if keep == nil {
		return b.withError(func(lineLabel) bool { return true })
	}
	return labels.New(b.copied(keep)...)
}

// withError is labels with the error ones.
func (b *lineLabels) withError(keep func(l lineLabel) bool) labels.Labels {
	out := b.copied(keep)
	if b.err != "" {
		out = append(out, labels.Label{Name: errorLabel, Value: b.err})
		if b.details != "" {
			out = append(out, labels.Label{Name: detailsLabel, Value: strings.Clone(b.details)})
		}
	}
	return labels.New(out...)
}

func (b *lineLabels) copied(keep func(l lineLabel) bool) []labels.Label {
	out := make([]labels.Label, 0, len(b.list)+2)
	for _, l := range b.list {
		if keep(l) {
			out = append(out, labels.Label{Name: l.name, Value: strings.Clone(l.value)})
		}
	}
	return out
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
