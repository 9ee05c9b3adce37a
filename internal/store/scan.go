package store

import (
	"regexp"
	"time"
)

// Order is the order in which a scan visits its units (a row group of a
// segment or a block of the memtable). Rows inside of one batch are sorted the
// same way, but batches of different units may overlap in time: whoever needs a
// total order keeps a heap and uses ScanRequest.Skip to stop early.
type Order uint8

// Orders of a scan.
const (
	AnyOrder Order = iota
	OldestFirst
	NewestFirst
)

// ScanRequest asks for Columns of the rows in [From, To) that satisfy Where.
type ScanRequest struct {
	From, To int64
	Where    Pred // nil: all rows
	Columns  []ColumnRef
	Order    Order
	// Skip, if set, is asked before each unit with its time bounds (both
	// inclusive); true leaves the unit unread, without affecting the answer's
	// completeness. It makes "the newest 100" cheap.
	Skip func(minTs, maxTs int64) bool
	// Limit, if set, is how many of the first rows in Order are of use: of one
	// batch's rows those beyond the first Limit may be left out, and then do not
	// count as matched. It needs an Order.
	Limit int
	// Worker, if set, is called once for each worker of the scan and returns what
	// it calls instead of the scan's callback: for one batch at a time, but
	// beside other workers. Whoever aggregates keeps a state for each and joins
	// them when Scan has returned. A store without workers ignores it.
	Worker func() func(*Batch) error
	// Alike, if set, gives the interval (both inclusive) around a time in which
	// the rows need not be told apart by time: of rows that are equal in the other
	// columns one may come for all, with the time of any, see Batch.Counts. It needs
	// AnyOrder and is called by several workers at once.
	Alike  func(ts int64) (lo, hi int64)
	Budget Budget
}

// Budget bounds one scan; zero fields mean no bound.
type Budget struct {
	Rows  int64         // rows examined
	Bytes int64         // uncompressed column bytes decoded
	Time  time.Duration // since the scan began
}

// ScanStats says what a scan read and what it could not.
type ScanStats struct {
	RowsScanned  int64 // rows whose predicate columns were examined
	RowsMatched  int64
	BytesScanned int64 // uncompressed column bytes decoded
	UnitsScanned int   // row groups and memtable blocks read
	UnitsPruned  int   // left unread thanks to time bounds, statistics, filters
	Segments     int   // segments that overlap the range
	Quarantined  int   // damaged units in the range whose rows are missing here
	Unreachable  int   // units whose object store or directory does not answer now, missing here too
	Duration     time.Duration
}

// Add sums o into s.
func (s *ScanStats) Add(o ScanStats) {
	s.RowsScanned += o.RowsScanned
	s.RowsMatched += o.RowsMatched
	s.BytesScanned += o.BytesScanned
	s.UnitsScanned += o.UnitsScanned
	s.UnitsPruned += o.UnitsPruned
	s.Segments += o.Segments
	s.Quarantined += o.Quarantined
	s.Unreachable += o.Unreachable
	s.Duration += o.Duration
}

// Incomplete tells whether rows are missing that the range has.
func (s ScanStats) Incomplete() bool { return s.Quarantined > 0 || s.Unreachable > 0 }

// Missing counts a unit whose rows are missing: for now, or because they are damaged.
func (s *ScanStats) Missing(forNow bool) {
	if forNow {
		s.Unreachable++
	} else {
		s.Quarantined++
	}
}

// Pred is a predicate over one row: And, Or, Not, Cmp, Match, Contains, TextEq,
// In, Exists, True. A row whose column is null satisfies no Cmp, Match, Contains
// or In, but does satisfy the Not of one.
type Pred interface{ pred() }

// CmpOp compares a column with a constant.
type CmpOp uint8

// Comparisons.
const (
	Eq CmpOp = iota
	Ne
	Lt
	Le
	Gt
	Ge
)

type (
	// And is satisfied when all are; an empty And is true.
	And []Pred
	// Or is satisfied when any is; an empty Or is false.
	Or []Pred
	// Not negates.
	Not struct{ P Pred }
	// Cmp compares. Int and Float compare numerically with each other; other
	// kinds only with their own kind (a row of another kind does not satisfy
	// it, not even Ne). Text compares bytes.
	Cmp struct {
		Col ColumnRef
		Op  CmpOp
		Val Value
	}
	// Match is a regular expression over the text of String and Bytes columns;
	// numbers and booleans are rendered as Value.String does. Not anchored:
	// anchor the expression where the language demands it.
	Match struct {
		Col ColumnRef
		Re  *regexp.Regexp
	}
	// Contains looks for a substring, rendered as for Match.
	Contains struct {
		Col  ColumnRef
		Sub  string
		Fold bool // ASCII case-insensitive
	}
	// TextEq compares the column's rendering (Value.String) with a text, as
	// LogQL label filters do; an absent column renders as "". So unlike Cmp it
	// is satisfied by a null row when Text is "".
	TextEq struct {
		Col  ColumnRef
		Text string
	}
	// In is satisfied by String and Bytes rows whose value is one of Texts. It is
	// the Or of their equalities at the price of one.
	In struct {
		Col   ColumnRef
		Texts []string
	}
	// Exists is satisfied by rows that have a value.
	Exists struct{ Col ColumnRef }
	// True is satisfied by every row.
	True struct{}
)

func (And) pred()      {}
func (Or) pred()       {}
func (Not) pred()      {}
func (Cmp) pred()      {}
func (Match) pred()    {}
func (Contains) pred() {}
func (TextEq) pred()   {}
func (In) pred()       {}
func (Exists) pred()   {}
func (True) pred()     {}
