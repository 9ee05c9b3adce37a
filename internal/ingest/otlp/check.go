package otlp

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"hinomi/internal/model"
)

// maxNesting is how deep lists and maps in attribute values and bodies may nest
// in each other. The decoder calls itself for every level, so that a body of 10
// MB of nothing but nesting would overflow the stack, which ends a Go process.
// Protobuf's own decoders refuse more than 100 levels of messages.
const maxNesting = 100

// maxDecodedBytes bounds what the decoder makes of one request. An empty record
// takes two bytes on the wire and some two hundred in memory, so that 20 MB of
// them would be gigabytes. 20 MB of the smallest useful attributes fit.
const (
	maxDecodedBytes = 256 << 20
	valueBytes      = 50
	messageBytes    = 200
)

// anyValue, list and pairs are what nests: a value, a list of values, a list
// of pairs; key is a pair of a name and a value.
var anyValue, list, pairs, keyValue = &shape{value: true, bytes: valueBytes}, &shape{bytes: valueBytes}, &shape{bytes: valueBytes}, &shape{bytes: valueBytes}

// shape says which length-delimited fields of a message lead to values.
type shape struct {
	value  bool
	bytes  int        // about what one takes decoded
	fields [16]*shape // by field number
}

func shaped(fields map[int]*shape) *shape {
	s := &shape{bytes: messageBytes}
	for n, f := range fields {
		s.fields[n] = f
	}
	return s
}

// requests are the shapes of the three export requests (opentelemetry-proto
// 1.9: common.proto, resource.proto, logs.proto, trace.proto, metrics.proto).
var requests = func() map[model.Signal]*shape {
	anyValue.fields[5], anyValue.fields[6] = list, pairs
	list.fields[1], pairs.fields[1], keyValue.fields[2] = anyValue, keyValue, anyValue
	resource := shaped(map[int]*shape{1: keyValue})
	scope := shaped(map[int]*shape{3: keyValue})
	request := func(record *shape) *shape {
		return shaped(map[int]*shape{1: shaped(map[int]*shape{1: resource, 2: shaped(map[int]*shape{1: scope, 2: record})})})
	}
	exemplar := shaped(map[int]*shape{7: keyValue})
	points := func(attributes, exemplars int) *shape {
		p := shaped(map[int]*shape{attributes: keyValue})
		if exemplars != 0 {
			p.fields[exemplars] = exemplar
		}
		return shaped(map[int]*shape{1: p})
	}
	return map[model.Signal]*shape{
		model.Logs:   request(shaped(map[int]*shape{5: anyValue, 6: keyValue})),
		model.Traces: request(shaped(map[int]*shape{9: keyValue, 11: shaped(map[int]*shape{3: keyValue}), 13: shaped(map[int]*shape{4: keyValue})})),
		model.Metrics: request(shaped(map[int]*shape{
			5: points(7, 5), 7: points(7, 5), 9: points(9, 8), 10: points(1, 11), 11: points(7, 0), 12: keyValue,
		})),
	}
}()

// check refuses a request whose values nest too deep or that would grow too much.
// It reads tags and lengths only; a message that is no protobuf is left to the
// decoder.
func check(signal model.Signal, message []byte) error {
	left := maxDecodedBytes
	switch ok := walk(requests[signal], message, 0, &left); {
	case left < 0:
		return fmt.Errorf("the request takes more than %d MB decoded: send smaller batches", maxDecodedBytes>>20)
	case !ok:
		return fmt.Errorf("a value nests more than %d lists or maps: send flatter attributes and bodies", maxNesting)
	}
	return nil
}

// walk is false when message is too deep or left, the bytes that it may take
// decoded, are used up.
func walk(s *shape, message []byte, depth int, left *int) bool {
	if *left -= s.bytes; *left < 0 {
		return false
	}
	if s.value {
		depth++
		if depth > maxNesting {
			return false
		}
	}
	for len(message) > 0 {
		tag, n := uint64(message[0]), 1
		if tag >= 0x80 {
			if tag, n = binary.Uvarint(message); n <= 0 {
				return true
			}
		}
		message = message[n:]
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(message); n <= 0 {
				return true
			}
		case 1:
			n = 8
		case 5:
			n = 4
		case 2:
			size, k := uint64(0), 1
			if len(message) > 0 && message[0] < 0x80 {
				size = uint64(message[0])
			} else if size, k = binary.Uvarint(message); k <= 0 {
				return true
			}
			if size > uint64(len(message)-k) {
				return true
			}
			if number := tag >> 3; number < uint64(len(s.fields)) && s.fields[number] != nil {
				if !walk(s.fields[number], message[k:k+int(size)], depth, left) {
					return false
				}
			}
			n = k + int(size)
		default:
			return true
		}
		if n > len(message) {
			return true
		}
		message = message[n:]
	}
	return true
}

// checkJSON is check for JSON, whose decoder bounds nesting itself. Every message
// begins with a brace; braces in texts count too, which only makes it stricter.
func checkJSON(body []byte) error {
	if bytes.Count(body, []byte{'{'}) > maxDecodedBytes/messageBytes {
		return fmt.Errorf("the request takes more than %d MB decoded: send smaller batches", maxDecodedBytes>>20)
	}
	return nil
}
