package logql

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/buger/jsonparser"
	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Field is something that can be filtered on, found in the newest lines of a query.
type Field struct {
	Name   string
	Type   string // int, float, boolean, duration, bytes, string
	Values map[string]struct{}
	// Parsers are json and logfmt, if one of them is needed to see the field.
	Parsers  []string
	JSONPath []string // keys on the way to it, for json
}

// FieldsRequest asks for the fields of the newest Lines lines in [Start, End).
type FieldsRequest struct {
	Query      string // a log query
	Start, End time.Time
	Lines      int
	Fields     int // at most this many fields
}

// maxFieldValues bounds the values that are remembered of one field.
const maxFieldValues = 10_000

// Fields lists what lines have beside their stream labels: structured metadata, what
// the query's pipeline extracts, and, if it has no parser, what json or logfmt would.
func (e *Engine) Fields(ctx context.Context, scope model.Scope, r FieldsRequest) ([]Field, store.ScanStats, error) {
	l, err := ParseLog(r.Query)
	if err != nil {
		return nil, store.ScanStats{}, err
	}
	res, err := e.logs(ctx, scope, l, Request{Start: r.Start, End: r.End, Limit: r.Lines})
	if err != nil {
		return nil, res.Stats, err
	}
	f := &fieldFinder{limit: r.Fields, at: map[string]*Field{}, used: parsersOf(l), logfmt: newLogfmtParser(&Logfmt{})}
	for _, s := range res.Streams {
		for _, line := range s.Entries {
			f.entry(s.Labels, line)
		}
	}
	out := make([]Field, 0, len(f.at))
	for _, x := range f.at {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out, res.Stats, nil
}

// parsersOf names the parsers of a query.
func parsersOf(l *LogExpr) []string {
	var out []string
	for _, s := range l.Stages {
		name := ""
		switch s.(type) {
		case *JSON:
			name = "json"
		case *Logfmt:
			name = "logfmt"
		case *Regexp:
			name = "regexp"
		case *Pattern:
			name = "pattern"
		case *Unpack:
			name = "unpack"
		}
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

type fieldFinder struct {
	limit  int
	at     map[string]*Field
	used   []string // parsers of the query
	logfmt *logfmtParser
	names  jsonNames
	b      lineLabels
}

func (f *fieldFinder) entry(stream labels.Labels, e Entry) {
	e.Metadata.Range(func(l labels.Label) { f.add(l.Name, l.Value, nil, nil) })
	e.Parsed.Range(func(l labels.Label) {
		if l.Name != errorLabel && l.Name != detailsLabel {
			f.add(l.Name, l.Value, f.used, nil)
		}
	})
	if len(f.used) > 0 {
		return
	}
	f.b.reset(e.Ts, e.Line)
	stream.Range(func(l labels.Label) { f.b.addBase(l.Name, l.Value, catStream) })
	e.Metadata.Range(func(l labels.Label) { f.b.addBase(l.Name, l.Value, catMeta) })
	if text := strings.TrimSpace(e.Line); strings.HasPrefix(text, "{") {
		f.names.prefix = f.names.prefix[:0]
		_ = f.object(bytesOf(text), nil)
		return
	}
	f.logfmt.apply(&f.b)
	for _, l := range f.b.list {
		if l.cat == catParsed {
			f.add(l.name, l.value, []string{"logfmt"}, nil)
		}
	}
}

// object adds the fields of a JSON object. A line that is cut off has those in front
// of the cut.
func (f *fieldFinder) object(data []byte, path []string) error {
	if len(path) > maxJSONDepth {
		return errors.New("object is nested too deep")
	}
	return jsonparser.ObjectEach(data, func(k, v []byte, t jsonparser.ValueType, _ int) error {
		here := append(slices.Clip(path), string(k))
		switch t {
		case jsonparser.Object:
			from := len(f.names.prefix)
			f.names.push(k)
			err := f.object(v, here)
			f.names.prefix = f.names.prefix[:from]
			return err
		case jsonparser.String, jsonparser.Number, jsonparser.Boolean:
			// As in a pipeline, the first of equal names counts.
			if n := len(f.b.list); f.b.wants(f.names.name(k)) {
				f.b.addParsed(f.names.name(k), jsonText(v, t))
				for _, l := range f.b.list[n:] {
					f.add(l.name, l.value, []string{"json"}, here)
				}
			}
		}
		return nil
	})
}

func (f *fieldFinder) add(name, value string, parsers, path []string) {
	if name == "" || value == "" {
		return
	}
	x, ok := f.at[name]
	if !ok {
		if len(f.at) >= f.limit {
			return
		}
		x = &Field{Name: strings.Clone(name), Values: map[string]struct{}{}, Type: fieldType(value), JSONPath: path}
		f.at[x.Name] = x
	}
	for _, p := range parsers {
		if !slices.Contains(x.Parsers, p) {
			x.Parsers = append(x.Parsers, p)
		}
	}
	if len(x.Values) < maxFieldValues {
		if _, ok := x.Values[value]; !ok {
			x.Values[strings.Clone(value)] = struct{}{}
		}
	}
}

// fieldType guesses a field's type from a value.
func fieldType(v string) string {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return "int"
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		return "float"
	}
	if _, err := strconv.ParseBool(v); err == nil {
		return "boolean"
	}
	if _, err := time.ParseDuration(v); err == nil {
		return "duration"
	}
	if _, err := parseBytes(v); err == nil {
		return "bytes"
	}
	return "string"
}
