// Package store holds the contracts between Hinomi's parts and its stores, and
// nothing else: no I/O, no engine. Implementations live in the folders below.
//
// Conventions that hold for every contract here:
//   - times are Unix nanoseconds in int64; ranges are [From, To): From is
//     inclusive, To is exclusive;
//   - every call takes a model.Scope and never reaches data outside of it;
//   - every method may be called from many goroutines at once;
//   - a write that returned nil is on disk and fsynced;
//   - errors are, or wrap, the sentinels of errors.go.
package store

import (
	"context"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
)

// WriteResult tells what became of one request's records.
type WriteResult struct {
	Stored   int                     // rows now durable
	Rejected map[RejectReason]int    // rows refused for good, by reason
	Example  map[RejectReason]string // one readable message per reason
	Stamped  int                     // stored rows without a time of their own, which got that of their arrival
}

// RejectReason is a stable, low-cardinality name for why a row was refused.
type RejectReason string

// Why a row can be refused for good. The request's other rows are stored.
const (
	RejectTooOld     RejectReason = "too_old"      // older than the retention
	RejectTooNew     RejectReason = "too_new"      // further in the future than MaxFuture
	RejectOutOfScope RejectReason = "out_of_scope" // product not writable with this credential
	RejectTooLarge   RejectReason = "too_large"    // one row over the row size limit
	RejectMalformed  RejectReason = "malformed"    // not decodable or violates its protocol
	// RejectDuplicate is a metric sample whose series already has another value at this time.
	RejectDuplicate RejectReason = "duplicate"
	// RejectUnsupported is valid telemetry of a kind that the store does not keep, such as delta temporality.
	RejectUnsupported RejectReason = "unsupported"
)

// Reject counts n rows refused for reason.
func (r *WriteResult) Reject(reason RejectReason, n int, example string) {
	if n == 0 {
		return
	}
	if r.Rejected == nil {
		r.Rejected, r.Example = map[RejectReason]int{}, map[RejectReason]string{}
	}
	r.Rejected[reason] += n
	if r.Example[reason] == "" {
		r.Example[reason] = example
	}
}

// RejectedTotal is the number of rows refused for any reason.
func (r WriteResult) RejectedTotal() int {
	n := 0
	for _, c := range r.Rejected {
		n += c
	}
	return n
}

// Scanner reads columns of records. Batches are delivered one at a time (fn is
// never called concurrently) and are valid only until fn returns. fn stops the
// scan without error by returning ErrStop. The statistics are returned with
// every error too, so that a partial answer can say what it covers.
type Scanner interface {
	Scan(ctx context.Context, scope model.Scope, req ScanRequest, fn func(*Batch) error) (ScanStats, error)
	// Columns lists the attribute columns that exist in [from, to): the keys a
	// user can filter on. It may name columns whose values lie just outside of
	// the range, never omits one inside.
	Columns(ctx context.Context, scope model.Scope, from, to int64) ([]ColumnInfo, error)
}

// LogStore keeps log records. See LogColumns for its columns.
type LogStore interface {
	Scanner
	// AppendLogs stores every record of ld. It may change ld. Rows refused for
	// good are counted in the result; an error means that no row is
	// acknowledged and (if Retryable) the sender should send all of it again.
	// A store that is Receipts remembers a request that ctx names (WithRequestID).
	AppendLogs(ctx context.Context, scope model.Scope, ld plog.Logs) (WriteResult, error)
}

// TraceStore keeps spans. See SpanColumns for its columns.
type TraceStore interface {
	Scanner
	// AppendTraces stores every span of td; as AppendLogs.
	AppendTraces(ctx context.Context, scope model.Scope, td ptrace.Traces) (WriteResult, error)
	// Trace returns all stored spans of one trace with everything they were
	// sent with. from and to bound the search; both 0 search everything.
	// ErrNotFound when there is no span.
	Trace(ctx context.Context, scope model.Scope, id [16]byte, from, to int64) (ptrace.Traces, ScanStats, error)
}
