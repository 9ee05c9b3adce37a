// Package columnar is Hinomi's record engine: wide rows with a time, kept as
// WAL -> memtable -> Parquet segments per time partition. FORMAT.md describes
// the files. It knows nothing about logs or spans: a Schema says which fixed
// columns there are, everything else is a dynamic attribute.
package columnar

import (
	"fmt"
	"strings"

	"hinomi/internal/store"
)

// Field is one fixed column.
type Field struct {
	Name string
	Kind store.Kind // String, Bytes, Int, Float or Bool
	// Delta stores integers as differences, for times.
	Delta bool
	// Plain stores strings without a dictionary, for mostly distinct text.
	Plain bool
	// Words makes the words of a text searchable by index.
	Words bool
	// Exact makes whole values searchable by index, for ids.
	Exact bool
}

// Schema describes a table. It is fixed for the life of the table: new fields
// may be added at the end in a later version, none may change its kind.
type Schema struct {
	Name   string
	Fields []Field
	// Time is the Int field that partitions, prunes and expires rows.
	Time string
	// SortBy is the order of rows in a segment: at most one String or Bytes
	// field and then Time. Empty means Time alone.
	SortBy string
	// Derived computes further Intrinsic columns out of one fixed column.
	Derived map[string]Derivation
}

// Derivation maps every value of the From column to a string.
type Derivation struct {
	From string
	Map  func(store.Value) string
	// Stored keeps the values in merged segments, for a Map that is worth it. It
	// must be a function of the value alone, for ever.
	Stored bool
}

// Index returns the position of a fixed column, or -1.
func (s *Schema) Index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

func (s *Schema) validate() error {
	i := s.Index(s.Time)
	if i < 0 || s.Fields[i].Kind != store.KindInt {
		return fmt.Errorf("schema %s: time column %q must be an Int field", s.Name, s.Time)
	}
	if s.SortBy != "" && s.Index(s.SortBy) < 0 {
		return fmt.Errorf("schema %s: sort column %q is not a field", s.Name, s.SortBy)
	}
	if s.Index(store.ColProduct) < 0 {
		return fmt.Errorf("schema %s: every table needs the %q column for scopes", s.Name, store.ColProduct)
	}
	return nil
}

// Dynamic columns are called attr.<key> and carry their type in the name
// unless they are strings, so that one name has one type in every segment.
const (
	attrPrefix = "attr."
	// restColumn holds the attributes of a row that have no column of their own
	// as a JSON object (see package attrs); empty when there are none.
	restColumn = "attrs_rest"
)

var kindSuffix = map[store.Kind]string{
	store.KindString: "",
	store.KindInt:    ":int",
	store.KindFloat:  ":float",
	store.KindBool:   ":bool",
}

// attrColumn names the column of an attribute, or "" when it has to go to the
// rest because its key could be mistaken for another's typed column.
func attrColumn(key string, kind store.Kind) string {
	suffix, ok := kindSuffix[kind]
	if !ok {
		return ""
	}
	if kind == store.KindString && strings.ContainsRune(key, ':') {
		for _, s := range kindSuffix {
			if s != "" && strings.HasSuffix(key, s) {
				return ""
			}
		}
	}
	return attrPrefix + key + suffix
}

// parseAttrColumn undoes attrColumn.
func parseAttrColumn(column string) (key string, kind store.Kind, ok bool) {
	key, ok = strings.CutPrefix(column, attrPrefix)
	if !ok {
		return "", 0, false
	}
	for k, s := range kindSuffix {
		if s == "" {
			continue
		}
		if base, found := strings.CutSuffix(key, s); found {
			return base, k, true
		}
	}
	return key, store.KindString, true
}
