// Package export writes stored logs and spans to one stream that other programs
// read: Parquet, CSV or JSON lines. Rows go out as the store delivers them: days
// follow each other only where the caller asks for day after day.
package export

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Signals that can be exported.
const (
	Logs   = "logs"
	Traces = "traces"
)

// Formats of an export.
const (
	Parquet = "parquet" // one file, zstd; times and durations are INT64 nanoseconds
	CSV     = "csv"     // with a header; RFC 3339 times
	JSONL   = "jsonl"   // an object for each line; attributes are objects
)

// ErrUnknown is when a signal or a format has no such name.
var ErrUnknown = errors.New("unknown")

// Request says what to export.
type Request struct {
	Signal   string
	Format   string
	From, To int64      // Unix ns, [From, To)
	Where    store.Pred // nil: all rows
}

// Validate checks the names.
func (r Request) Validate() error {
	if r.Signal != Logs && r.Signal != Traces {
		return fmt.Errorf("%w signal %q: use logs or traces", ErrUnknown, r.Signal)
	}
	if !slices.Contains([]string{Parquet, CSV, JSONL}, r.Format) {
		return fmt.Errorf("%w format %q: use parquet, csv or jsonl", ErrUnknown, r.Format)
	}
	if r.From >= r.To {
		return fmt.Errorf("the range from %s to %s is empty", time.Unix(0, r.From).UTC().Format(time.RFC3339), time.Unix(0, r.To).UTC().Format(time.RFC3339))
	}
	return nil
}

// kind is how a column is written.
type kind uint8

const (
	text   kind = iota
	number      // integer
	nanos       // Unix ns
	id          // bytes, written in hexadecimal
	object      // JSON text: an object or array, "" when there is none
)

type column struct {
	name string
	kind kind
}

var logColumns = []column{
	{store.ColTime, nanos}, {store.ColObserved, nanos}, {store.ColProduct, text}, {store.ColService, text}, {store.ColStream, text},
	{store.ColLevel, text}, {store.ColSeverity, number}, {store.ColSevText, text}, {store.ColBody, text}, {store.ColEvent, text},
	{store.ColTraceID, id}, {store.ColSpanID, id}, {store.ColFlags, number}, {store.ColAttrs, object}, {store.ColResource, object}, {store.ColScopeInf, object},
}

var spanColumns = []column{
	{store.ColTime, nanos}, {store.ColDuration, number}, {store.ColProduct, text}, {store.ColService, text}, {store.ColName, text},
	{store.ColTraceID, id}, {store.ColSpanID, id}, {store.ColParentID, id}, {store.ColKind, number}, {store.ColStatus, number}, {store.ColStatusMsg, text},
	{store.ColTraceState, text}, {store.ColFlags, number}, {store.ColAttrs, object}, {store.ColEvents, object}, {store.ColLinks, object},
	{store.ColResource, object}, {store.ColScopeInf, object},
}

func columnsOf(signal string) []column {
	if signal == Traces {
		return spanColumns
	}
	return logColumns
}

// encoder writes batches in one format. A batch's columns are those of the signal.
type encoder interface {
	batch(b *store.Batch) error
	// close writes what ends the file; it does not close the stream.
	close() error
}

// Write exports the rows to w and returns how many, and what could not be read.
// An error means that w has only a part. Memory does not grow with the rows.
func Write(ctx context.Context, s store.Scanner, scope model.Scope, r Request, w io.Writer) (store.ScanStats, error) {
	if err := r.Validate(); err != nil {
		return store.ScanStats{}, err
	}
	cols := columnsOf(r.Signal)
	var enc encoder
	switch r.Format {
	case Parquet:
		enc = newParquet(r.Signal, cols, w)
	case CSV:
		enc = newCSV(cols, w)
	default:
		enc = newJSONL(cols, w)
	}
	refs := make([]store.ColumnRef, len(cols))
	for i, c := range cols {
		refs[i] = store.Col(c.name)
	}
	stats, err := s.Scan(ctx, scope, store.ScanRequest{From: r.From, To: r.To, Where: r.Where, Columns: refs, Order: store.OldestFirst}, enc.batch)
	if err != nil {
		return stats, err
	}
	return stats, enc.close()
}

func hexOf(v *store.Vec, i int) string { return hex.EncodeToString([]byte(v.Str(i))) }

// intOf is the integer of row i, 0 when there is none.
func intOf(v *store.Vec, i int) int64 {
	if v.Null(i) {
		return 0
	}
	return v.Ints[i]
}

// timeText is a time in RFC 3339 with nanoseconds, "" for 0, which means none.
func timeText(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}
