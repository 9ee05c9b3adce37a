package rules

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

//go:embed shipped/*.yml
var shipped embed.FS

// Shipped begins the names of the files that come with Hinomi.
const Shipped = "hinomi:"

// maxFileBytes bounds a rule file; no real one comes near.
const maxFileBytes = 16 << 20

// Set is checked rule files. It holds their contents: what was checked is what
// runs, whatever happens to the files meanwhile.
type Set struct {
	names  []string
	groups map[string]*rulefmt.RuleGroups
}

// Files are the names of the files, shipped ones first.
func (s *Set) Files() []string { return slices.Clone(s.names) }

// Load reads and checks the files that match the globs, and the shipped ones if
// wanted. All errors are returned together, each as file:line:column.
func Load(p parser.Parser, withShipped bool, globs []string) (*Set, error) {
	s := &Set{groups: map[string]*rulefmt.RuleGroups{}}
	var errs []error
	if withShipped {
		files, err := fs.Glob(shipped, "shipped/*.yml")
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			content, err := shipped.ReadFile(f)
			if err != nil {
				return nil, err
			}
			errs = append(errs, s.add(p, Shipped+strings.TrimPrefix(f, "shipped/"), content))
		}
	}
	for _, glob := range globs {
		files, err := filepath.Glob(glob)
		if err != nil {
			errs = append(errs, fmt.Errorf("rules.files %q: %w", glob, err))
			continue
		}
		if len(files) == 0 && !strings.ContainsAny(glob, "*?[") {
			errs = append(errs, fmt.Errorf("rules.files: %s does not exist", glob))
		}
		for _, f := range files {
			if _, twice := s.groups[f]; twice {
				continue
			}
			content, err := read(f)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, s.add(p, f, content))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read the rule file: %w", err)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("rule file %s is larger than %d bytes", name, maxFileBytes)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the rule file: %w", err)
	}
	return content, nil
}

func (s *Set) add(p parser.Parser, name string, content []byte) error {
	groups, errs := rulefmt.Parse(content, false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s:%w", name, err)
	}
	s.names = append(s.names, name)
	s.groups[name] = groups
	return errors.Join(errs...)
}

// loader gives the rule manager the files of a set.
type loader struct {
	parser parser.Parser
	set    *Set
}

func (l *loader) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	groups, ok := l.set.groups[name]
	if !ok {
		return nil, []error{fmt.Errorf("rule file %s was not checked", name)}
	}
	return groups, nil
}

func (l *loader) Parse(query string) (parser.Expr, error) { return l.parser.ParseExpr(query) }
