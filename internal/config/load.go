package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds a configuration file; no real one comes near.
const maxFileBytes = 8 << 20

// Load reads a file over the defaults. Path "" gives the defaults. ${NAME} in
// the file is replaced by the environment variable outside of the sections
// that do so themselves (ingest uses the Collector's ${env:NAME}).
func Load(path string) (*Config, error) {
	c, err := Parse(Default)
	if err != nil {
		return nil, fmt.Errorf("embedded defaults: %w", err)
	}
	if path == "" {
		return c, c.Validate()
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	if err := over(c, data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.Dir = filepath.Dir(path)
	// Rule files are named relative to the file that names them.
	for i, f := range c.Rules.Files {
		if !filepath.IsAbs(f) {
			c.Rules.Files[i] = filepath.Join(filepath.Dir(path), f)
		}
	}
	relativeTiers(c.Dir, c.Logs.Tiers)
	relativeTiers(c.Dir, c.Traces.Tiers)
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse reads a whole configuration without defaults.
func Parse(data []byte) (*Config, error) {
	c := &Config{}
	return c, over(c, data)
}

// over decodes data on top of c: keys that data has replace those of c.
func over(c *Config, data []byte) error {
	// A section that is replaced must not keep entries of the default one.
	var top map[string]yaml.Node
	if err := yaml.Unmarshal(data, &top); err == nil {
		if _, ok := top["ingest"]; ok {
			c.Ingest = nil
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err := dec.Decode(c)
	if errors.Is(err, io.EOF) {
		return nil // An empty file is the defaults.
	}
	if err != nil {
		return hint(err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document: keep only one")
	}
	return nil
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type config\.(\w+)`)

// hint rewrites yaml's message about an unknown key and proposes the nearest.
func hint(err error) error {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return err
	}
	var lines []string
	for _, line := range te.Errors {
		m := unknownField.FindStringSubmatch(line)
		if m == nil {
			lines = append(lines, line)
			continue
		}
		text := unknownField.ReplaceAllString(line, "unknown key $1")
		if near := nearest(m[1], keysOf(m[2])); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
		}
		lines = append(lines, text)
	}
	return errors.New(strings.Join(lines, "; "))
}

// keysOf lists the YAML keys of one of this package's structs.
func keysOf(name string) []string {
	var keys []string
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Config]().PkgPath() {
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if t.Name() == name {
				keys = append(keys, strings.Split(f.Tag.Get("yaml"), ",")[0])
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	return keys
}

// nearest returns the candidate with the least edit distance, "" when none is
// near enough to be a typing mistake.
func nearest(word string, candidates []string) string {
	best, dist := "", 1+len(word)/2
	for _, c := range candidates {
		if d := distance(word, c); d < dist {
			best, dist = c, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost++
			}
			prev = row[j+1]
			row[j+1] = min(cost, row[j]+1, prev+1)
		}
	}
	return row[len(b)]
}
