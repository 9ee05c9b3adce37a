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

// maxTemplateRounds bounds how often the loops of a template go round for one line:
// loops inside of loops could go on for years, and nothing else would end them.
const maxTemplateRounds = 100_000

var (
	errTemplateSize   = errors.New("template writes more than 1 MiB for one line")
	errTemplateRounds = errors.New("template loops more than 100000 times for one line")
)

// roundFunc is called by every round of a loop. No label or function can have its name.
const roundFunc = "__round__"

// countRounds is the node that calls it.
var countRounds = texttemplate.Must(texttemplate.New("").Funcs(texttemplate.FuncMap{roundFunc: func() string { return "" }}).Parse("{{" + roundFunc + "}}")).Root.Nodes[0]

// template is a compiled line_format or label_format template. It belongs to
// one worker of a query and is not for concurrent use.
type template struct {
	text   string
	t      *texttemplate.Template
	fields []string
	all    bool // it may read any label
	out    limitedBuilder
	ts     int64
	line   string
	rounds int
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
	funcs[roundFunc] = func() (string, error) {
		if t.rounds++; t.rounds > maxTemplateRounds {
			return "", errTemplateRounds
		}
		return "", nil
	}
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

// fresh is the same template for another worker.
func (t *template) fresh() *template {
	if t == nil {
		return nil
	}
	f, err := newTemplate(t.text)
	if err != nil {
		panic(fmt.Sprintf("template %q was parsed before: %v", t.text, err))
	}
	return f
}

// inspect collects the fields that are read, and makes loops count their rounds.
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
		n.List.Nodes = append([]parse.Node{countRounds}, n.List.Nodes...)
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

// run executes the template for a line.
func (t *template) run(b *lineLabels) (string, error) {
	if t.key != "" {
		return b.value(t.key), nil
	}
	t.ts, t.line, t.rounds = b.ts, b.line, 0
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
