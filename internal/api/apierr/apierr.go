// Package apierr chooses the HTTP status of an error for the query APIs, so that
// they agree on it.
package apierr

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"hinomi/internal/store"
)

// ClientClosed is the status for a client that went away: nginx's, which Loki uses too.
const ClientClosed = 499

// Error is an error with the status to answer with.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what the status was given to.
func (e *Error) Unwrap() error { return e.Err }

// BadRequest is an error of the request.
func BadRequest(format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

// Status chooses the status for an error of any layer. atFault tells whether it is
// one of the query language that the request is to blame for.
func Status(err error, atFault func(error) bool) int {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case atFault(err):
		return http.StatusBadRequest
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, context.Canceled):
		return ClientClosed
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case store.Retryable(err):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
