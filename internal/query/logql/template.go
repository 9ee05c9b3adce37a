package logql

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"time"
)

// maxTemplateBytes bounds what one line's template may write.
const maxTemplateBytes = 1 << 20

var errTemplateSize = errors.New("template writes more than 1 MiB for one line")

// template is a compiled line_format or label_format template. It belongs to
// one query and is not for concurrent use.
type template struct {
	text   string
	t      *texttemplate.Template
	fields []string
	all    bool // it may read any label
	out    limitedBuilder
	ts     int64
	line   string
	key    string // the label that is the whole template: {{.key}}
}

type limitedBuilder struct{ strings.Builder }

func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxTemplateBytes {
		return 0, errTemplateSize
	}
	return b.Builder.Write(p)
}

func newTemplate(text string) (*template, error) {
	t := &template{text: text}
	funcs := templateFuncs()
	funcs["__line__"] = func() string { return t.line }
	funcs["__timestamp__"] = func() time.Time { return time.Unix(0, t.ts).UTC() }
	var err error
	t.key = simpleKey(text)
	t.t, err = texttemplate.New("line").Option("missingkey=zero").Funcs(funcs).Parse(text)
	if err != nil {
		return nil, err
	}
	if len(t.t.Templates()) > 1 {
		return nil, errors.New("define and block are not allowed")
	}
	if t.t.Tree != nil && t.t.Root != nil {
		err = t.inspect(t.t.Root)
	}
	return t, err
}

// inspect collects the fields that are read and refuses what could run forever:
// a range over a number.
func (t *template) inspect(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := t.inspect(c); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return t.inspect(n.Pipe)
	case *parse.IfNode:
		return t.branch(&n.BranchNode)
	case *parse.WithNode:
		t.all = true
		return t.branch(&n.BranchNode)
	case *parse.RangeNode:
		t.all = true
		if !rangeable(n.Pipe) {
			return errors.New("range needs a label or fromJson")
		}
		return t.branch(&n.BranchNode)
	case *parse.TemplateNode:
		return errors.New("template is not allowed")
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			for _, a := range c.Args {
				if err := t.inspect(a); err != nil {
					return err
				}
			}
		}
	case *parse.FieldNode:
		t.fields = append(t.fields, n.Ident[0])
	case *parse.ChainNode:
		return t.inspect(n.Node)
	case *parse.DotNode, *parse.VariableNode:
		t.all = true
	}
	return nil
}

func (t *template) branch(n *parse.BranchNode) error {
	if err := t.inspect(n.Pipe); err != nil {
		return err
	}
	if err := t.inspect(n.List); err != nil {
		return err
	}
	return t.inspect(n.ElseList)
}

// rangeable tells whether what range goes over cannot be a number, over which it
// could go on for ever: a label, decoded JSON, or a member of it.
func rangeable(p *parse.PipeNode) bool {
	if p == nil || len(p.Cmds) == 0 || len(p.Cmds[len(p.Cmds)-1].Args) == 0 {
		return false
	}
	switch a := p.Cmds[len(p.Cmds)-1].Args[0].(type) {
	case *parse.FieldNode, *parse.ChainNode:
		return true
	case *parse.VariableNode:
		return len(a.Ident) > 1
	case *parse.PipeNode:
		return rangeable(a)
	case *parse.IdentifierNode:
		return a.Ident == "fromJson"
	}
	return false
}

// run executes the template for a line.
func (t *template) run(b *lineLabels) (string, error) {
	if t.key != "" {
		return b.value(t.key), nil
	}
	t.ts, t.line = b.ts, b.line
	t.out.Reset()
	if err := t.t.Execute(&t.out, b.data()); err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	return t.out.String(), nil
}

// simple finds templates that are one label.
var simple = regexp.MustCompile(`^\{\{\s*\.([a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}$`)

// simpleKey is the label that a template consists of, or "".
func simpleKey(text string) string {
	if m := simple.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
