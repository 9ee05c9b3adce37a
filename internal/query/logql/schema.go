package logql

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/store"
)

// pushScope is the instrumentation scope of records that came through Loki's
// push. It only marks them and is no label.
const pushScope = "loki"

// intrinsicLabels are the labels that structured metadata has for every record,
// as Loki's OTLP intake makes them.
var intrinsicLabels = map[string]store.ColumnRef{
	"trace_id":        store.Col(store.ColTraceID),
	"span_id":         store.Col(store.ColSpanID),
	"severity_text":   store.Col(store.ColSevText),
	"severity_number": store.Col(store.ColSeverity),
	"detected_level":  store.Col(store.ColLevel),
	"scope_name":      {Scope: store.Instrumentation, Name: "name"},
	"scope_version":   {Scope: store.Instrumentation, Name: "version"},
}

// allColumns hold everything that becomes a label of a row, by precedence.
var allColumns = []store.ColumnRef{
	store.Col(store.ColStream), store.Col(store.ColAttrs), store.Col(store.ColTraceID), store.Col(store.ColSpanID),
	store.Col(store.ColSevText), store.Col(store.ColSeverity), store.Col(store.ColLevel), store.Col(store.ColScopeInf),
	store.Col(store.ColResource),
}

// schema resolves label names to the columns that can hold them.
type schema struct {
	byName  map[string][]store.ColumnRef
	kinds   map[store.ColumnRef]store.Kind
	streams map[string]bool // names of stream labels
}

func newSchema(cols []store.ColumnInfo) *schema {
	s := &schema{byName: map[string][]store.ColumnRef{}, kinds: map[store.ColumnRef]store.Kind{}, streams: map[string]bool{}}
	for _, c := range cols {
		s.kinds[c.Ref] = c.Kind
		if c.Ref.Scope == store.Stream {
			s.streams[c.Ref.Name] = true
		}
	}
	for _, scope := range []store.ColumnScope{store.Attr, store.Instrumentation, store.Resource} {
		for _, c := range cols {
			if c.Ref.Scope != scope || scope == store.Instrumentation && (c.Ref.Name == "name" || c.Ref.Name == "version") {
				continue
			}
			n := attrLabel(c.Ref.Name)
			s.byName[n] = append(s.byName[n], c.Ref)
		}
	}
	return s
}

// candidates are the columns of a label, the one that wins first.
func (s *schema) candidates(name string) []store.ColumnRef {
	out := []store.ColumnRef{{Scope: store.Stream, Name: name}}
	rest := s.byName[name]
	if in, ok := intrinsicLabels[name]; ok {
		n := 0
		for n < len(rest) && rest[n].Scope == store.Attr {
			n++
		}
		rest = slices.Insert(slices.Clone(rest), n, in)
	}
	return append(out, rest...)
}

// attrLabel is the label of an attribute. As in Loki's OTLP intake a leading digit
// gets key_ in front.
func attrLabel(key string) string {
	if key != "" && isDigit(key[0]) {
		return "key_" + sanitize("_" + key)[1:]
	}
	return sanitize(key)
}

// inside are the columns that may hold a label as a member of a nested object, with
// the rest of its name: of m_a the column m and a. None when the label has a column of
// its own.
func (s *schema) inside(name string) (cols []store.ColumnRef, rest []string) {
	if _, ok := intrinsicLabels[name]; ok || s.streams[name] || len(s.byName[name]) > 0 {
		return nil, nil
	}
	for i := 1; i < len(name)-1; i++ {
		if name[i] != '_' {
			continue
		}
		for _, c := range s.byName[name[:i]] {
			if k := s.kinds[c]; k == store.KindString || k == store.KindMixed {
				cols, rest = append(cols, c), append(rest, name[i+1:])
			}
		}
	}
	return cols, rest
}

// nests tells whether any of the labels may be inside of a nested object.
func (s *schema) nests(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		cols, _ := s.inside(n)
		return len(cols) > 0
	})
}

// member is the text of a member of an object in JSON, by the rest of its label.
func member(object, rest string) string {
	out := ""
	if !strings.HasPrefix(object, "{") {
		return out
	}
	eachMember(object, func(k, v string) {
		if out == "" && (k == rest || "key_"+rest == k) {
			out = v
		}
	})
	return out
}

// render writes a column's value as its label shows it; "" is no label.
func render(c store.ColumnRef, v store.Value) string {
	if c.Scope == store.Instrumentation && c.Name == "name" && v.Str == pushScope {
		return ""
	}
	if c.Scope == store.Intrinsic {
		switch c.Name {
		case store.ColTraceID, store.ColSpanID:
			return hex.EncodeToString([]byte(v.Str))
		case store.ColSeverity:
			if v.Int == 0 {
				return ""
			}
		}
	}
	return valueText(v)
}

// valueText writes bytes, which attributes can be, in base64.
func valueText(v store.Value) string {
	if v.Kind == store.KindBytes {
		return base64.StdEncoding.EncodeToString([]byte(v.Str))
	}
	return v.String()
}

// absent is the predicate that a column gives no label.
func absent(c store.ColumnRef) store.Pred {
	if c == store.Col(store.ColSeverity) {
		return store.Not{P: store.Cmp{Col: c, Op: store.Gt, Val: store.Int(0)}}
	}
	return store.TextEq{Col: c, Text: ""}
}

// matching is the predicate that column c has a value that m matches; m does not
// match "". False when it cannot be pushed down.
func (s *schema) matching(c store.ColumnRef, m *labels.Matcher) (store.Pred, bool) {
	hexed := c == store.Col(store.ColTraceID) || c == store.Col(store.ColSpanID)
	switch {
	case m.Type == labels.MatchEqual && hexed:
		b, err := hex.DecodeString(m.Value)
		if err != nil || strings.ToLower(m.Value) != m.Value {
			return store.Or{}, true // matches nothing
		}
		return store.Cmp{Col: c, Op: store.Eq, Val: store.Bytes(b)}, true
	case m.Type == labels.MatchEqual:
		same := store.TextEq{Col: c, Text: m.Value}
		// Bytes are written in base64, of which the store knows nothing.
		if raw, err := base64.StdEncoding.DecodeString(m.Value); err == nil && s.kinds[c] == store.KindMixed {
			return store.Or{same, store.Cmp{Col: c, Op: store.Eq, Val: store.Bytes(raw)}}, true
		}
		return same, true
	case hexed:
		return nil, false
	}
	if anyText(m.Value) {
		return store.Not{P: absent(c)}, true
	}
	if texts, ok := alternatives(m.Value); ok {
		if texts = slices.DeleteFunc(texts, func(t string) bool { return t == "" }); len(texts) > 0 {
			return s.matchesAny(c, texts), true
		}
	}
	re, err := regexp.Compile("^(?s:" + m.Value + ")$")
	if err != nil {
		return nil, false
	}
	match := store.Pred(store.Match{Col: c, Re: re})
	if m.Matches("") || re.MatchString("") {
		match = store.And{store.Not{P: absent(c)}, match}
	}
	return match, true
}

// pushLabel turns a matcher over any label into a predicate. False when the label may
// be inside of a nested object, or bytes, whose text the store does not know.
func (s *schema) pushLabel(m *labels.Matcher) (store.Pred, bool) {
	if cols, _ := s.inside(m.Name); len(cols) > 0 {
		return nil, false
	}
	cols := s.candidates(m.Name)
	for _, c := range cols {
		if k := s.kinds[c]; k == store.KindBytes {
			return nil, false
		}
	}
	return s.push(m, cols)
}

// push turns a matcher over a label into a predicate over its columns.
func (s *schema) push(m *labels.Matcher, cols []store.ColumnRef) (store.Pred, bool) {
	if m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp {
		inv, ok := inverseMatcher(m)
		if !ok {
			return nil, false
		}
		p, ok := s.push(inv, cols)
		return store.Not{P: p}, ok
	}
	var or store.Or
	var before store.And
	for _, c := range cols {
		if m.Type != labels.MatchEqual || m.Value != "" {
			p, ok := s.matching(c, m)
			if !ok {
				return nil, false
			}
			if len(before) > 0 {
				p = append(slices.Clone(before), p)
			}
			or = append(or, p)
		}
		before = append(before, absent(c))
	}
	if m.Matches("") {
		if len(before) == 1 {
			or = append(or, before[0])
		} else {
			or = append(or, before)
		}
	}
	if len(or) == 1 {
		return or[0], true
	}
	return or, true
}
