package logql

import (
	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// Kind says which part of a Result is set.
type Kind string

// Kinds, in the words of Loki's resultType.
const (
	Streams Kind = "streams"
	Matrix  Kind = "matrix"
	Vector  Kind = "vector"
	Scalar  Kind = "scalar"
)

// Entry is one log line.
type Entry struct {
	Ts   int64 // Unix ns
	Line string
	// Metadata are the structured metadata, Parsed what the pipeline added.
	Metadata, Parsed labels.Labels
}

// Stream are lines with the same labels, sorted as asked for. Labels are the
// stream's own; with Metadata and Parsed of an entry they are all its labels.
type Stream struct {
	Labels  labels.Labels
	Entries []Entry
}

// Series is a labelled row of values, one per step; plan.IsAbsent where none.
type Series struct {
	Labels labels.Labels
	Values []float64
}

// Result is the answer to a query.
type Result struct {
	Kind    Kind
	Streams []Stream
	// Series belong to Matrix and Vector (one value each).
	Series      []Series
	Scalar      float64
	Start, Step int64 // time of Values[0] and their distance, ns
	Stats       store.ScanStats
	Warnings    []string
	Partial     bool
}

// usedUp is the warning of an answer that a budget ended.
const usedUp = "the query's budget of time, rows or bytes was used up: the answer is incomplete, narrow the selector or the time range"

// add sums statistics and notes that a budget ended a scan early or that data was unreadable.
func (r *Result) add(stats store.ScanStats, partial bool) {
	r.Stats.Add(stats)
	if partial && !r.Partial {
		r.Partial = true
		r.Warnings = append(r.Warnings, usedUp)
	}
	if stats.Quarantined > 0 {
		r.Warnings = append(r.Warnings, "some damaged parts of the store could not be read: the answer is incomplete")
	}
	if stats.Unreachable > 0 {
		r.Warnings = append(r.Warnings, "some old rows are in an object store or directory that does not answer now: they are missing here, try again later")
	}
}

// compact drops series without any value.
func compact(in []Series) []Series {
	out := in[:0]
	for _, s := range in {
		for _, v := range s.Values {
			if !plan.IsAbsent(v) {
				out = append(out, s)
				break
			}
		}
	}
	return out
}
