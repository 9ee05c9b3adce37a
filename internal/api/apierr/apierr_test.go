package apierr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStatus(t *testing.T) {
	fault := errors.New("no such function")
	for _, c := range []struct {
		err  error
		want int
	}{
		{BadRequest("give a number, not %q", "x"), http.StatusBadRequest},
		{&Error{http.StatusTeapot, context.Canceled}, http.StatusTeapot},
		{fmt.Errorf("compile: %w", fault), http.StatusBadRequest},
		{store.ErrNotFound, http.StatusNotFound},
		{fmt.Errorf("scan: %w", context.Canceled), ClientClosed},
		{context.DeadlineExceeded, http.StatusGatewayTimeout},
		{store.ErrNotReady, http.StatusServiceUnavailable},
		{errors.New("a bug"), http.StatusInternalServerError},
	} {
		wrapped := fmt.Errorf("answer: %w", c.err)
		if got := Status(wrapped, func(err error) bool { return errors.Is(err, fault) }); got != c.want {
			t.Errorf("%v: %d, want %d", wrapped, got, c.want)
		}
	}
}
