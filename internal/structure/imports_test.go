package structure

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rules say what the files below a folder must not import.
var rules = []struct {
	folder string
	deny   []string
	except []string
	why    string
}{
	{"internal/model", []string{"hinomi/"}, nil, "the vocabulary imports nobody"},
	{"internal/store/columnar", []string{"hinomi/"}, []string{"hinomi/internal/model", "hinomi/internal/store"}, "the engine knows only its contract"},
	{"internal/store/metricstore", []string{"hinomi/internal/store/"}, nil, "engines never import each other"},
	{"internal/store/logstore", []string{"hinomi/internal/store/tracestore", "hinomi/internal/store/metricstore", "hinomi/internal/api"}, nil, "engines never import each other"},
	{"internal/store/tracestore", []string{"hinomi/internal/store/logstore", "hinomi/internal/store/metricstore", "hinomi/internal/api"}, nil, "engines never import each other"},
	{"internal/store/statestore", []string{"hinomi/internal/store/", "hinomi/internal/api"}, nil, "engines never import each other"},
	{"internal/query", []string{"hinomi/internal/store/", "hinomi/internal/api", "hinomi/internal/app"}, nil, "languages run on contracts"},
	{"internal/rules", []string{"hinomi/internal/api", "hinomi/ui", "hinomi/internal/store/"}, nil, "judging works with any engine and any screen"},
	{"internal/alerting", []string{"hinomi/internal/api", "hinomi/ui", "hinomi/internal/store/"}, nil, "judging works with any engine and any screen"},
	{"internal/notify", []string{"hinomi/internal/api", "hinomi/ui", "hinomi/internal/store/"}, nil, "telling works with any engine and any screen"},
	{"internal", []string{"hinomi/internal/app"}, nil, "app imports everything, nobody imports app"},
	{"internal", []string{"hinomi/examples", "hinomi/bench", "hinomi/test"}, nil, "the product does not need its examples"},
}

func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return err
		}
		seen++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			check(t, filepath.ToSlash(rel), name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Fatalf("only %d files were looked at", seen)
	}
}

func check(t *testing.T, file, name string) {
	t.Helper()
	for _, r := range rules {
		if !strings.HasPrefix(file, r.folder+"/") || strings.HasPrefix(name, "hinomi/"+r.folder) || strings.HasPrefix(file, "internal/store/storetest/") {
			continue
		}
		for _, d := range r.deny {
			if !strings.HasPrefix(name, d) || allowed(name, r.except) {
				continue
			}
			t.Errorf("%s imports %s: %s", file, name, r.why)
		}
	}
}

func allowed(name string, except []string) bool {
	// The JSON form of attributes is part of the stores' contract.
	return name == "hinomi/internal/store/attrs" || slices.Contains(except, name)
}
