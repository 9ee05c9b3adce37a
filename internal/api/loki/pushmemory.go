package loki

import (
	"bytes"
	"errors"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"

	"hinomi/internal/api/apierr"
	"hinomi/internal/memory"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

const (
	// retryAfter is how many seconds later a sender should try again.
	retryAfter = "5"
	// lineBytes and pairBytes are about what a line and a pair of labels or metadata
	// take decoded, besides their texts: on the wire they may have two bytes.
	lineBytes = 400
	pairBytes = 150
)

// noMemory tells whether err is about the memory of a push.
func noMemory(err error) bool {
	return errors.Is(err, memory.ErrTooLarge) || errors.Is(err, store.ErrOverloaded)
}

// refused counts a push for which there is no memory now, or never will be, and is the
// answer to it.
func (a *API) refused(w http.ResponseWriter, err error) error {
	a.o.Malformed(sourcePush, model.Logs, err)
	if errors.Is(err, memory.ErrTooLarge) {
		return &apierr.Error{Code: http.StatusRequestEntityTooLarge, Err: err}
	}
	if store.Retryable(err) {
		w.Header().Set("Retry-After", retryAfter)
	}
	return err
}

// decodedBytes is about what a push takes while it is decoded and stored.
func decodedBytes(body []byte, isJSON bool) int64 {
	n := int64(len(body)) * (memory.Spread + 1)
	if isJSON {
		return n + int64(bytes.Count(body, []byte{'['}))*lineBytes + int64(bytes.Count(body, []byte{':'}))*pairBytes
	}
	// What is malformed is found by the decoder.
	_ = fields(body, func(num protowire.Number, stream []byte, _ uint64) error {
		return fields(stream, func(num protowire.Number, entry []byte, _ uint64) error {
			if num != 2 {
				return nil
			}
			n += lineBytes
			return fields(entry, func(num protowire.Number, _ []byte, _ uint64) error {
				if num == 3 {
					n += pairBytes
				}
				return nil
			})
		})
	})
	return n
}
