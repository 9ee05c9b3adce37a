package logql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Stage is one step of a log pipeline: *LineFilter, *LabelFilter, *JSON,
// *Logfmt, *Regexp, *Pattern, *Unpack, *LineFormat, *LabelFormat, *DropKeep,
// *Distinct or *Decolorize.
type Stage interface {
	fmt.Stringer
	stage()
}

// LineFilter keeps lines by their text: |= != |~ !~ |> !>.
type LineFilter struct {
	Op  string
	Any []LineMatch // joined by or
}

// LineMatch is one text of a line filter. IP is written ip("…").
type LineMatch struct {
	Text string
	IP   bool

	re      *regexp.Regexp // of |~ and !~
	pattern *linePattern   // of |> and !>
	ip      *ipMatcher
}

// Extract is one expression of json or logfmt: Label="Expr".
type Extract struct {
	Label, Expr string
	path        []pathStep
}

// JSON is | json.
type JSON struct{ Extracts []Extract }

// Logfmt is | logfmt.
type Logfmt struct {
	Strict, KeepEmpty bool
	Extracts          []Extract
}

// Regexp is | regexp "…": every named group becomes a label.
type Regexp struct {
	Text string
	re   *regexp.Regexp
}

// Pattern is | pattern "<a> - <b>".
type Pattern struct {
	Text    string
	pattern *linePattern
}

// Unpack is | unpack, the counterpart of promtail's pack.
type Unpack struct{}

// LineFormat is | line_format "template".
type LineFormat struct {
	Text string
	tmpl *template
}

// LabelFormat is | label_format a=b, c="template".
type LabelFormat struct{ Ops []FormatOp }

// FormatOp sets Label from another label or from a template.
type FormatOp struct {
	Label  string
	Source string // the label to rename, or the template
	Rename bool
	tmpl   *template
}

// DropKeep is | drop … or | keep ….
type DropKeep struct {
	Keep  bool
	Names []DropItem
}

// DropItem is a label, with a matcher if its value matters.
type DropItem struct {
	Name    string
	Matcher *labels.Matcher
}

// Distinct is | distinct a, b: of lines with the same values of these labels only
// the first, in the direction of the query. Lines with none of them all pass.
type Distinct struct{ Names []string }

// Decolorize is | decolorize: takes ANSI colour codes out of the line.
type Decolorize struct{}

func (*LineFilter) stage()  {}
func (*LabelFilter) stage() {}
func (*JSON) stage()        {}
func (*Logfmt) stage()      {}
func (*Regexp) stage()      {}
func (*Pattern) stage()     {}
func (*Unpack) stage()      {}
func (*LineFormat) stage()  {}
func (*LabelFormat) stage() {}
func (*DropKeep) stage()    {}
func (*Distinct) stage()    {}
func (*Decolorize) stage()  {}

func (s *LineFilter) String() string {
	parts := make([]string, len(s.Any))
	for i, m := range s.Any {
		parts[i] = strconv.Quote(m.Text)
		if m.IP {
			parts[i] = "ip(" + parts[i] + ")"
		}
	}
	return s.Op + " " + strings.Join(parts, " or ")
}

func extractString(list []Extract) string {
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s=%q", e.Label, e.Expr)
	}
	return b.String()
}

func (s *JSON) String() string { return "| json" + extractString(s.Extracts) }

func (s *Logfmt) String() string {
	out := "| logfmt"
	if s.Strict {
		out += " --strict"
	}
	if s.KeepEmpty {
		out += " --keep-empty"
	}
	return out + extractString(s.Extracts)
}

func (s *Regexp) String() string     { return "| regexp " + strconv.Quote(s.Text) }
func (s *Pattern) String() string    { return "| pattern " + strconv.Quote(s.Text) }
func (s *Unpack) String() string     { return "| unpack" }
func (s *LineFormat) String() string { return "| line_format " + strconv.Quote(s.Text) }
func (s *Decolorize) String() string { return "| decolorize" }

func (s *LabelFormat) String() string {
	parts := make([]string, len(s.Ops))
	for i, o := range s.Ops {
		if o.Rename {
			parts[i] = o.Label + "=" + o.Source
		} else {
			parts[i] = o.Label + "=" + strconv.Quote(o.Source)
		}
	}
	return "| label_format " + strings.Join(parts, ", ")
}

func (s *Distinct) String() string { return "| distinct " + strings.Join(s.Names, ", ") }

func (s *DropKeep) String() string {
	parts := make([]string, len(s.Names))
	for i, n := range s.Names {
		parts[i] = n.Name
		if n.Matcher != nil {
			parts[i] = matcherString(n.Matcher)
		}
	}
	if s.Keep {
		return "| keep " + strings.Join(parts, ", ")
	}
	return "| drop " + strings.Join(parts, ", ")
}
