package store

import "errors"

var (
	// ErrNotReady is when the store still recovers its files.
	ErrNotReady = errors.New("store is still opening")
	// ErrClosed is when the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrNotFound is when the asked-for thing does not exist in the scope.
	ErrNotFound = errors.New("not found")
	// ErrStop is returned by a scan callback that has seen enough.
	ErrStop = errors.New("stop the scan")
	// ErrBudget is when a query used up its time, row or byte budget. What was
	// delivered until then is right but incomplete.
	ErrBudget = errors.New("query budget used up")
	// ErrMemory is when queries have no memory left. Retryable.
	ErrMemory = errors.New("queries have used up their share of limits.memory: ask for less at once, try again later, or raise it")
	// ErrOverloaded is when the memory for unsaved rows is full. Retryable.
	ErrOverloaded = errors.New("store is overloaded, send again later")
	// ErrNoSpace is when the disk is full. Retryable.
	ErrNoSpace = errors.New("disk is full, free space or lower the retention")
	// ErrStorage is when the disk failed a write or a sync. Retryable: nothing
	// of the request is acknowledged.
	ErrStorage = errors.New("storage failed")
)

// Retryable tells whether the sender should send the same request again.
func Retryable(err error) bool {
	for _, e := range []error{ErrNotReady, ErrClosed, ErrMemory, ErrOverloaded, ErrNoSpace, ErrStorage} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
