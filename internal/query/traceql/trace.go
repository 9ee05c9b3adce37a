package traceql

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"hinomi/internal/store"
)

// Span is one span with the columns a query needs.
type Span struct {
	ID, ParentID  string // raw bytes; ParentID is empty for a root span
	Start         int64  // Unix ns
	Duration      int64  // ns
	Name, Service string
	Kind, Status  int64
	attrs         []store.Value // parallel to columns.refs
	weight        float64       // of columns that are weighted: how many spans it stands for

	parent      *Span
	children    []*Span
	left, right int // nested set numbers
	pos         int // in Trace.Spans
	events      []event
	links       []event
}

// event is a span event or link; a link has no time and name.
type event struct {
	ts              int64
	name            string
	traceID, spanID string
	attrs           map[string]store.Value
}

// Trace is all spans of one trace that the store holds around the searched time.
type Trace struct {
	ID    string // raw bytes
	Spans []*Span
	root  *Span
	start int64
	end   int64
}

// columns are what a query reads besides the fixed columns.
type columns struct {
	refs   []store.ColumnRef
	events bool
	links  bool
	weigh  *weigher // not nil: spans get their weights
	texts  map[string]string
}

// fixed are the columns of every span.
var fixed = []store.ColumnRef{
	store.Col(store.ColTime), store.Col(store.ColTraceID), store.Col(store.ColSpanID), store.Col(store.ColParentID),
	store.Col(store.ColDuration), store.Col(store.ColName), store.Col(store.ColService), store.Col(store.ColKind), store.Col(store.ColStatus),
}

func (c *columns) add(ref store.ColumnRef) {
	if !slices.Contains(c.refs, ref) {
		c.refs = append(c.refs, ref)
	}
}

// attribute adds the columns of an attribute.
func (c *columns) attribute(a *Attribute) {
	switch a.Scope {
	case ScopeNone:
		c.add(store.ColumnRef{Scope: store.Attr, Name: a.Name})
		c.add(store.ColumnRef{Scope: store.Resource, Name: a.Name})
	case ScopeSpan:
		c.add(store.ColumnRef{Scope: store.Attr, Name: a.Name})
	case ScopeResource:
		c.add(store.ColumnRef{Scope: store.Resource, Name: a.Name})
	case ScopeInstrumentation:
		c.add(store.ColumnRef{Scope: store.Instrumentation, Name: a.Name})
	case ScopeEvent:
		c.events = true
	case ScopeLink:
		c.links = true
	case ScopeIntrinsic:
		switch a.Name {
		case allAttributes.Name:
			c.add(store.Col(store.ColAttrs))
			c.add(store.Col(store.ColResource))
			c.add(store.Col(store.ColScopeInf))
			c.add(store.Col(store.ColStatusMsg))
			c.add(store.ColumnRef{Scope: store.Instrumentation, Name: "name"})
			c.add(store.ColumnRef{Scope: store.Instrumentation, Name: "version"})
		case "statusMessage":
			c.add(store.Col(store.ColStatusMsg))
		case "instrumentation:name", "instrumentation:version":
			c.add(store.ColumnRef{Scope: store.Instrumentation, Name: strings.TrimPrefix(a.Name, "instrumentation:")})
		case "event:name", "event:timeSinceStart":
			c.events = true
		case "link:traceID", "link:spanID":
			c.links = true
		}
	}
}

func (c *columns) list() []store.ColumnRef {
	if c.events {
		c.add(store.Col(store.ColEvents))
	}
	if c.links {
		c.add(store.Col(store.ColLinks))
	}
	if c.weigh != nil {
		for _, ref := range weightColumns {
			c.add(ref)
		}
	}
	return append(slices.Clone(fixed), c.refs...)
}

func (c *columns) value(s *Span, ref store.ColumnRef) store.Value {
	if i := slices.Index(c.refs, ref); i >= 0 && i < len(s.attrs) {
		return s.attrs[i]
	}
	return store.Value{}
}

// fill copies row i of a batch into a span, whose attrs are as many as the refs.
func (c *columns) fill(s *Span, b []store.Vec, i int) {
	s.ID, s.ParentID, s.Start = strings.Clone(b[2].Str(i)), strings.Clone(b[3].Str(i)), b[0].Ints[i]
	s.Duration, s.Name, s.Service = b[4].Value(i).Int, c.text(b[5].Str(i)), c.text(b[6].Str(i))
	s.Kind, s.Status = b[7].Value(i).Int, b[8].Value(i).Int
	for k, ref := range c.refs {
		v := b[len(fixed)+k].Value(i)
		if v.Str != "" {
			v.Str = c.text(v.Str)
		}
		s.attrs[k] = v
		switch ref {
		case store.Col(store.ColEvents):
			s.events = parseEvents(v.Str)
		case store.Col(store.ColLinks):
			s.links = parseEvents(v.Str)
		}
	}
	if c.weigh != nil {
		s.weight = c.weigh.of(c.value(s, weightColumns[0]).Flt, c.value(s, weightColumns[1]).Str)
	}
}

// link connects spans, finds the root and numbers the nested sets.
func (t *Trace) link() {
	slices.SortStableFunc(t.Spans, func(a, b *Span) int { return cmp.Or(cmp.Compare(a.Start, b.Start), strings.Compare(a.ID, b.ID)) })
	// A retried export can store a span twice.
	// Name and kind belong to the key because client and server share an id in
	// Zipkin's model.
	type key struct {
		id, name    string
		start, kind int64
	}
	seen := make(map[key]bool, len(t.Spans))
	t.Spans = slices.DeleteFunc(t.Spans, func(s *Span) bool {
		k := key{s.ID, s.Name, s.Start, s.Kind}
		dup := s.ID != "" && seen[k]
		seen[k] = true
		return dup
	})
	byID := make(map[string]*Span, len(t.Spans))
	for _, s := range t.Spans {
		byID[s.ID] = s
	}
	for i, s := range t.Spans {
		s.pos = i
		if i == 0 || s.Start < t.start {
			t.start = s.Start
		}
		t.end = max(t.end, s.Start+s.Duration)
		if s.ParentID == "" {
			if t.root == nil {
				t.root = s
			}
			continue
		}
		if p := byID[s.ParentID]; p != nil && p != s {
			s.parent = p
			p.children = append(p.children, s)
		}
	}
	n := 1
	for _, s := range t.Spans {
		if s.parent == nil {
			n = number(s, n)
		}
	}
}

// startsIn tells whether a span starts in [from, to).
func (t *Trace) startsIn(from, to int64) bool {
	return slices.ContainsFunc(t.Spans, func(s *Span) bool { return s.Start >= from && s.Start < to })
}

// number walks without recursion, for a trace may be one long chain.
func number(root *Span, n int) int {
	type frame struct {
		s    *Span
		next int
	}
	stack := []frame{{root, 0}}
	root.left = n
	n++
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next < len(top.s.children) {
			c := top.s.children[top.next]
			top.next++
			if c.left != 0 {
				continue
			}
			c.left = n
			n++
			stack = append(stack, frame{c, 0})
			continue
		}
		top.s.right = n
		n++
		stack = stack[:len(stack)-1]
	}
	return n
}

// rootName and rootService describe the root span; empty when it is not stored.
func (t *Trace) rootName() (string, bool) {
	if t.root == nil {
		return "", false
	}
	return t.root.Name, true
}

func (t *Trace) rootService() (string, bool) {
	if t.root == nil {
		return "", false
	}
	return t.root.Service, true
}

func hexText(s string) string { return hex.EncodeToString([]byte(s)) }
