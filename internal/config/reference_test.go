package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/configuration.md")

// TestReferenceIsCurrent generates the reference page from the structs, their
// comments and the defaults, and compares it with the one in docs.
func TestReferenceIsCurrent(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "reference", "configuration.md")
	want := reference(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatal("docs/reference/configuration.md is not what the structs say: run go test ./internal/config -update")
	}
}

func reference(t *testing.T) string {
	t.Helper()
	comments := fieldComments(t)
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Configuration\n\nGenerated from `internal/config`; do not edit. A file needs only what differs from the defaults. Unknown keys are errors.\n" +
		"`hinomi check config FILE` validates; SIGHUP reloads.\n\n| key | default | |\n|---|---|---|\n")
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			key := prefix + strings.Split(f.Tag.Get("yaml"), ",")[0]
			if key == prefix+"-" {
				continue // Not a key of the file.
			}
			text := comments[v.Type().Name()+"."+f.Name]
			if f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == v.Type().PkgPath() {
				if text == "" {
					text = comments[f.Type.Name()]
				}
				fmt.Fprintf(&b, "| **`%s`** | | %s |\n", key, text)
				walk(key+".", v.Field(i))
				continue
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", key, defaultText(v.Field(i)), text)
			if e := f.Type; e.Kind() == reflect.Slice && e.Elem().Kind() == reflect.Struct && e.Elem().PkgPath() == v.Type().PkgPath() {
				walk(key+"[].", reflect.New(e.Elem()).Elem())
			}
		}
	}
	walk("", reflect.ValueOf(*c))
	b.WriteString("\n## The defaults as a file\n\n```yaml\n" + string(Default) + "```\n")
	return b.String()
}

func defaultText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Duration:
		s, _ := x.MarshalYAML()
		return fmt.Sprintf("`%v`", s)
	case Bytes:
		s, _ := x.MarshalYAML()
		return fmt.Sprintf("`%v`", s)
	case Share:
		s, _ := x.MarshalYAML()
		return fmt.Sprintf("`%v`", s)
	case string, bool, int64, []string:
		return fmt.Sprintf("`%v`", x)
	}
	return "see below"
}

// fieldComments reads the doc and line comments of this package's structs, by
// "Type" and "Type.Field".
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	var decls []ast.Decl
	for _, name := range []string{"config.go", "lifecycle.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		decls = append(decls, f.Decls...)
	}
	out := map[string]string{}
	line := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	for _, decl := range decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			ts := spec.(*ast.TypeSpec)
			out[ts.Name.Name] = line(gen.Doc)
			st, ok := ts.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range st.Fields.List {
				text := strings.TrimSpace(line(field.Doc) + " " + line(field.Comment))
				for _, name := range field.Names {
					out[ts.Name.Name+"."+name.Name] = text
				}
			}
		}
	}
	return out
}
