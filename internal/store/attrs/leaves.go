package attrs

import (
	"fmt"

	jsoniter "github.com/json-iterator/go"

	"hinomi/internal/store"
)

// EachLeaf is Each for the values inside of nested objects: path are the keys that
// lead to a value, valid until fn returns. Arrays are values. Objects nested deeper
// than AppendMap writes them arrive as KindString with their JSON text.
func EachLeaf(object string, fn func(path []string, v store.Value) bool) error {
	if object == "" || object == "{}" {
		return nil
	}
	it := api.BorrowIterator([]byte(object))
	defer api.ReturnIterator(it)
	eachLeaf(it, nil, fn)
	if it.Error != nil && it.Error.Error() != "EOF" {
		return fmt.Errorf("attributes are not a JSON object: %w", it.Error)
	}
	return nil
}

func eachLeaf(it *jsoniter.Iterator, path []string, fn func(path []string, v store.Value) bool) bool {
	return it.ReadMapCB(func(it *jsoniter.Iterator, key string) bool {
		here := append(path, key)
		if it.WhatIsNext() != jsoniter.ObjectValue || len(here) > maxDepth {
			return fn(here, readScalar(it))
		}
		raw := it.SkipAndReturnBytes()
		inner := api.BorrowIterator(raw)
		defer api.ReturnIterator(inner)
		if _, ok := tagged(string(raw), bytesTag); ok {
			return fn(here, readScalar(inner))
		}
		if _, ok := tagged(string(raw), floatTag); ok {
			return fn(here, readScalar(inner))
		}
		return eachLeaf(inner, here, fn)
	})
}
