// Package traceql is Grafana Tempo's query language for traces: parser, printer
// and an engine over a span store. Semantics follow the TraceQL documentation
// (https://grafana.com/docs/tempo/latest/traceql/).
package traceql

import (
	"fmt"
	"regexp"
	"strings"
)

// Scope says where an attribute lives.
type Scope uint8

// Scopes of attributes. ScopeNone is the span's own, else the resource's.
const (
	ScopeNone Scope = iota
	ScopeSpan
	ScopeResource
	ScopeEvent
	ScopeLink
	ScopeInstrumentation
	ScopeIntrinsic
)

var scopeNames = map[Scope]string{
	ScopeNone: "", ScopeSpan: "span", ScopeResource: "resource", ScopeEvent: "event", ScopeLink: "link", ScopeInstrumentation: "instrumentation",
}

// Attribute is a reference to an attribute or an intrinsic.
type Attribute struct {
	Scope  Scope
	Name   string // of an intrinsic its canonical name, see intrinsics
	Parent bool   // of the parent span
}

// intrinsics maps every spelling of an intrinsic to its canonical one.
var intrinsics = map[string]string{
	"name": "name", "span:name": "name",
	"status": "status", "span:status": "status",
	"statusMessage": "statusMessage", "span:statusMessage": "statusMessage",
	"kind": "kind", "span:kind": "kind",
	"duration": "duration", "span:duration": "duration",
	"childCount": "childCount", "span:childCount": "childCount",
	"parent":  "parent",
	"span:id": "span:id", "span:parentID": "span:parentID",
	"traceDuration": "traceDuration", "trace:duration": "traceDuration",
	"rootName": "rootName", "trace:rootName": "rootName",
	"rootServiceName": "rootServiceName", "trace:rootService": "rootServiceName",
	"trace:id":   "trace:id",
	"event:name": "event:name", "event:timeSinceStart": "event:timeSinceStart",
	"link:traceID": "link:traceID", "link:spanID": "link:spanID",
	"instrumentation:name": "instrumentation:name", "instrumentation:version": "instrumentation:version",
	"nestedSetParent": "nestedSetParent", "nestedSetLeft": "nestedSetLeft", "nestedSetRight": "nestedSetRight",
}

// FieldExpr is *Attribute, *Static, *Binary or *Unary.
type FieldExpr interface{ String() string }

// Binary is an operation of two field expressions.
type Binary struct {
	Op   string
	L, R FieldExpr
	re   *regexp.Regexp // of =~ and !~
}

// Unary is ! or -.
type Unary struct {
	Op string
	X  FieldExpr
}

// Element is one step of a pipeline: *SpansetFilter, *SpansetOp, *Pipeline (in
// parentheses), *ScalarFilter, *GroupBy, *Coalesce or *Select.
type Element interface{ String() string }

// Pipeline sends spansets through its elements.
type Pipeline struct{ Elems []Element }

// SpansetFilter is {…}. Expr is nil for {}.
type SpansetFilter struct{ Expr FieldExpr }

// SpansetOp combines spansets: && || > >> < << ~, their negations (!>) and their
// unions (&>).
type SpansetOp struct {
	Op   string
	L, R Element
}

// ScalarFilter keeps spansets whose value compares.
type ScalarFilter struct {
	Op   string
	L, R ScalarExpr
}

// ScalarPipeline is (pipeline | aggregate): a value of its own spans.
type ScalarPipeline struct {
	Pipe *Pipeline
	Agg  *AggregateExpr
}

// ScalarExpr is *Static, *AggregateExpr, *ScalarPipeline or *ScalarOp.
type ScalarExpr interface{ String() string }

// AggregateExpr is count() or min, max, avg, sum of a field.
type AggregateExpr struct {
	Op    string
	Field FieldExpr
}

// ScalarOp is arithmetic of scalars.
type ScalarOp struct {
	Op   string
	L, R ScalarExpr
}

// GroupBy is by(expr).
type GroupBy struct{ Expr FieldExpr }

// Coalesce is coalesce().
type Coalesce struct{}

// Select is select(attr, …).
type Select struct{ Attrs []*Attribute }

func (a *Attribute) String() string {
	prefix := ""
	if a.Parent {
		prefix = "parent."
	}
	if a.Scope == ScopeIntrinsic {
		return prefix + a.Name
	}
	name := a.Name
	for _, r := range name {
		if !isAttrRune(r) || r == '\\' {
			name = quoteName(a.Name)
			break
		}
	}
	if a.Parent && a.Scope == ScopeNone {
		// parent.span.x and parent.name would read as something else.
		if _, ok := intrinsics[name]; ok || strings.HasPrefix(name, "span.") || strings.HasPrefix(name, "resource.") {
			name = quoteName(name)
		}
		return "parent." + name
	}
	if a.Scope == ScopeNone && isDigit(name[0]) {
		name = quoteName(name)
	}
	return prefix + scopeNames[a.Scope] + "." + name
}

// quoteName quotes an attribute's name; it has no other escapes.
func quoteName(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (b *Binary) String() string { return "(" + b.L.String() + " " + b.Op + " " + b.R.String() + ")" }
func (u *Unary) String() string  { return u.Op + u.X.String() }

func (p *Pipeline) String() string {
	parts := make([]string, len(p.Elems))
	for i, e := range p.Elems {
		parts[i] = e.String()
		if _, ok := e.(*Pipeline); ok {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " | ")
}

func (f *SpansetFilter) String() string {
	if f.Expr == nil {
		return "{ }"
	}
	s := f.Expr.String()
	if b, ok := f.Expr.(*Binary); ok {
		s = strings.TrimSuffix(strings.TrimPrefix(b.String(), "("), ")")
	}
	return "{ " + s + " }"
}

func operand(e Element) string {
	switch e.(type) {
	case *SpansetOp, *Pipeline:
		return "(" + e.String() + ")"
	}
	return e.String()
}

func (o *SpansetOp) String() string { return operand(o.L) + " " + o.Op + " " + operand(o.R) }

func (f *ScalarFilter) String() string {
	return f.L.String() + " " + f.Op + " " + f.R.String()
}

func (a *AggregateExpr) String() string {
	if a.Field == nil {
		return a.Op + "()"
	}
	return a.Op + "(" + a.Field.String() + ")"
}

func (s *ScalarPipeline) String() string { return "(" + s.Pipe.String() + " | " + s.Agg.String() + ")" }

func (o *ScalarOp) String() string { return "(" + o.L.String() + " " + o.Op + " " + o.R.String() + ")" }
func (g *GroupBy) String() string  { return "by(" + g.Expr.String() + ")" }
func (*Coalesce) String() string   { return "coalesce()" }

func (s *Select) String() string {
	parts := make([]string, len(s.Attrs))
	for i, a := range s.Attrs {
		parts[i] = a.String()
	}
	return "select(" + strings.Join(parts, ", ") + ")"
}

// ParseError is a query that does not follow the grammar.
type ParseError struct {
	Line, Col int // from 1; Col counts characters
	Msg       string
	Hint      string
}

func (e *ParseError) Error() string {
	s := fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}
