package columnar

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"hinomi/internal/store"
)

// maxPredDepth bounds the nesting of a stored predicate; no query comes near.
const maxPredDepth = 256

// predJSON is a predicate as deletion requests keep it. Exactly one member is
// set besides what it needs.
type predJSON struct {
	Op     string     `json:"op"` // and, or, not, true, exists, eq, ne, lt, le, gt, ge, match, contains, text, in
	Scope  uint8      `json:"scope,omitempty"`
	Name   string     `json:"name,omitempty"`
	Kind   uint8      `json:"kind,omitempty"`
	Value  string     `json:"value,omitempty"` // quoted as in Go: it may hold any byte
	Values []string   `json:"values,omitempty"`
	Fold   bool       `json:"fold,omitempty"`
	Of     []predJSON `json:"of,omitempty"`
}

func cmpNames() []string { return []string{"eq", "ne", "lt", "le", "gt", "ge"} }

// encodePred describes a predicate so that decodePred makes the same.
func encodePred(p store.Pred) (predJSON, error) {
	leaf := func(op string, c store.ColumnRef) predJSON {
		return predJSON{Op: op, Scope: uint8(c.Scope), Name: strconv.Quote(c.Name)}
	}
	list := func(op string, ps []store.Pred) (predJSON, error) {
		out := predJSON{Op: op}
		for _, child := range ps {
			c, err := encodePred(child)
			if err != nil {
				return out, err
			}
			out.Of = append(out.Of, c)
		}
		return out, nil
	}
	switch p := p.(type) {
	case nil, store.True:
		return predJSON{Op: "true"}, nil
	case store.And:
		return list("and", p)
	case store.Or:
		return list("or", p)
	case store.Not:
		return list("not", []store.Pred{p.P})
	case store.Cmp:
		if int(p.Op) >= len(cmpNames()) {
			return predJSON{}, fmt.Errorf("comparison %d is not known", p.Op)
		}
		out := leaf(cmpNames()[p.Op], p.Col)
		out.Kind = uint8(p.Val.Kind)
		switch p.Val.Kind {
		case store.KindString, store.KindBytes:
			out.Value = strconv.Quote(p.Val.Str)
		case store.KindInt, store.KindBool:
			out.Value = strconv.FormatInt(p.Val.Int, 10)
		case store.KindFloat:
			out.Value = strconv.FormatFloat(p.Val.Flt, 'g', -1, 64)
		default:
			return predJSON{}, fmt.Errorf("a comparison with a value of kind %d cannot be kept", p.Val.Kind)
		}
		return out, nil
	case store.Match:
		out := leaf("match", p.Col)
		out.Value = strconv.Quote(p.Re.String())
		return out, nil
	case store.Contains:
		out := leaf("contains", p.Col)
		out.Value, out.Fold = strconv.Quote(p.Sub), p.Fold
		return out, nil
	case store.TextEq:
		out := leaf("text", p.Col)
		out.Value = strconv.Quote(p.Text)
		return out, nil
	case store.In:
		out := leaf("in", p.Col)
		for _, s := range p.Texts {
			out.Values = append(out.Values, strconv.Quote(s))
		}
		return out, nil
	case store.Exists:
		return leaf("exists", p.Col), nil
	}
	return predJSON{}, fmt.Errorf("a predicate of type %T cannot be kept", p)
}

var errPred = errors.New("malformed predicate")

func decodePred(p predJSON, depth int) (store.Pred, error) {
	if depth > maxPredDepth {
		return nil, errPred
	}
	switch p.Op {
	case "true":
		return store.True{}, nil
	case "and", "or", "not":
		list := make([]store.Pred, 0, len(p.Of))
		for _, c := range p.Of {
			child, err := decodePred(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, child)
		}
		switch {
		case p.Op == "and":
			return store.And(list), nil
		case p.Op == "or":
			return store.Or(list), nil
		case len(list) == 1:
			return store.Not{P: list[0]}, nil
		}
		return nil, errPred
	}
	name, err := strconv.Unquote(p.Name)
	if err != nil || p.Scope > uint8(store.Stream) {
		return nil, errPred
	}
	col := store.ColumnRef{Scope: store.ColumnScope(p.Scope), Name: name}
	for op, n := range cmpNames() {
		if n == p.Op {
			v, err := decodeValue(p)
			return store.Cmp{Col: col, Op: store.CmpOp(op), Val: v}, err
		}
	}
	switch p.Op {
	case "exists":
		return store.Exists{Col: col}, nil
	case "in":
		in := store.In{Col: col}
		for _, q := range p.Values {
			s, err := strconv.Unquote(q)
			if err != nil {
				return nil, errPred
			}
			in.Texts = append(in.Texts, s)
		}
		return in, nil
	}
	text, err := strconv.Unquote(p.Value)
	if err != nil {
		return nil, errPred
	}
	switch p.Op {
	case "match":
		re, err := regexp.Compile(text)
		return store.Match{Col: col, Re: re}, err
	case "contains":
		return store.Contains{Col: col, Sub: text, Fold: p.Fold}, nil
	case "text":
		return store.TextEq{Col: col, Text: text}, nil
	}
	return nil, fmt.Errorf("%w: %q", errPred, p.Op)
}

func decodeValue(p predJSON) (v store.Value, err error) {
	v.Kind = store.Kind(p.Kind)
	switch v.Kind {
	case store.KindString, store.KindBytes:
		v.Str, err = strconv.Unquote(p.Value)
	case store.KindInt, store.KindBool:
		v.Int, err = strconv.ParseInt(p.Value, 10, 64)
	case store.KindFloat:
		v.Flt, err = strconv.ParseFloat(p.Value, 64)
	default:
		err = errPred
	}
	return v, err
}

// marshalPred is encodePred as JSON.
func marshalPred(p store.Pred) (json.RawMessage, error) {
	e, err := encodePred(p)
	if err != nil {
		return nil, err
	}
	return json.Marshal(e)
}

// unmarshalPred undoes marshalPred.
func unmarshalPred(data []byte) (store.Pred, error) {
	var e predJSON
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return nil, fmt.Errorf("%w: %w", errPred, err)
	}
	return decodePred(e, 0)
}
