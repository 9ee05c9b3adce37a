package pattern

import (
	"slices"

	jsoniter "github.com/json-iterator/go"
)

// messageKeys are where structured logs keep their sentence, best first.
var messageKeys = []string{"msg", "message", "event", "error", "err"}

// maxKeys bounds the keys that represent an object without a message.
const maxKeys = 32

// appendJSON appends the skeleton of an object's message, or its keys in order.
// It is false when text is no JSON object.
func appendJSON(dst []byte, text string) ([]byte, bool) {
	it := jsoniter.ConfigDefault.BorrowIterator([]byte(text))
	defer jsoniter.ConfigDefault.ReturnIterator(it)
	best, message := len(messageKeys), ""
	var keys []string
	it.ReadMapCB(func(it *jsoniter.Iterator, key string) bool {
		if len(keys) < maxKeys {
			keys = append(keys, key)
		}
		if at := slices.Index(messageKeys, key); at >= 0 && at < best && it.WhatIsNext() == jsoniter.StringValue {
			best, message = at, it.ReadString()
			return true
		}
		it.Skip()
		return true
	})
	if it.Error != nil && it.Error.Error() != "EOF" || len(keys) == 0 {
		return dst, false
	}
	if message != "" {
		return appendMasked(dst, message), true
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(append(dst, '"'), k...), `": <*>`...)
	}
	return append(dst, '}'), true
}
