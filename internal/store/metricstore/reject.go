package metricstore

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// ErrTooNew is when a sample is further than MaxFuture ahead of the clock. It
// is an out-of-bounds error to Prometheus' own handlers, which answer 400.
var ErrTooNew = fmt.Errorf("%w: the timestamp is more than %s in the future, check the sender's clock",
	storage.ErrOutOfBounds, MaxFuture)

// Rejected tells why one sample was refused for good. ok is false for an error
// that concerns the whole request instead (see store.Retryable).
func Rejected(err error) (reason store.RejectReason, ok bool) {
	var histogramErr histogram.Error
	switch {
	case errors.Is(err, model.ErrOutOfScope):
		return store.RejectOutOfScope, true
	case errors.Is(err, ErrTooNew):
		return store.RejectTooNew, true
	case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfOrderSample):
		return store.RejectTooOld, true
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return store.RejectDuplicate, true
	case errors.As(err, &histogramErr):
		return store.RejectMalformed, true
	case err == nil, store.Retryable(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "", false
	default:
		// What the TSDB refuses otherwise is a label set that it cannot keep
		// (empty, duplicate names).
		return store.RejectMalformed, true
	}
}

// storageError types an error of a log write.
func storageError(action string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %s: %w", store.ErrNoSpace, action, err)
	}
	return fmt.Errorf("%w: %s: %w", store.ErrStorage, action, err)
}
