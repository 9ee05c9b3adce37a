package plan

import (
	"context"
	"math"
	"slices"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Op is what an aggregation computes for each group and window.
type Op uint8

// Operations. Count and Bytes count rows and the bytes of a text column; the
// others read a Float column.
const (
	Count Op = iota
	Bytes
	Sum
	Avg
	Min
	Max
	Stdvar
	Stddev
	First
	Last
	Quantile
	Increase // of a counter, resets compensated
)

// Aggregate groups rows by key columns and folds the rows of each window.
// Window k is (Start+k·Step-Range, Start+k·Step], for every k with
// Start+k·Step <= End. Step may be 0 when Start equals End.
type Aggregate struct {
	Keys        []int // columns of the frame; none is one group
	Time        int   // column with the rows' time
	Value       int   // column that Op reads; ignored by Count
	Op          Op
	Param       float64 // the quantile
	Start, End  int64
	Step, Range int64
	// Weigh, if set, makes what weighs rows for Count, Sum, Avg, Stdvar and Stddev,
	// once for each worker of the scan. The other operations weigh nothing.
	Weigh       func() Weights
	SeriesLimit int // 0 is no limit
	// SampleLimit bounds the values kept by Quantile, First, Last and Increase; 0 is
	// no limit. Beyond it a quantile is computed from sketches, which the limit bounds.
	SampleLimit int
	// Fork, if set, makes the stages of a further worker of the scan. Without it
	// stages run for one frame at a time.
	Fork func() []Stage
}

// Steps is the number of windows.
func (a Aggregate) Steps() int {
	if a.Step <= 0 || a.End < a.Start {
		return 1
	}
	return int((a.End-a.Start)/a.Step) + 1
}

// Group is one series of the result: its key and a value per window, Absent
// where no row fell into it.
type Group struct {
	Key    []store.Value
	Values []float64
}

// absentBits is a NaN that no arithmetic makes.
const absentBits = 0x7ff4_0000_0000_0bad

// Absent is the value of a window without rows. Compare with IsAbsent.
func Absent() float64 { return math.Float64frombits(absentBits) }

// IsAbsent tells whether v is Absent.
func IsAbsent(v float64) bool { return math.Float64bits(v) == absentBits }

// Result is what an aggregation found.
type Result struct {
	Groups  []Group
	Stats   store.ScanStats
	Partial bool // the budget ended the scan early
	// Approximate tells that quantiles are from sketches, see SketchError.
	Approximate bool
}

// RunAggregate executes scan, stages and aggregation. Statistics come with
// every error too.
func RunAggregate(ctx context.Context, src store.Scanner, scope model.Scope, s Scan, stages []Stage, a Aggregate) (Result, error) {
	first := newPartial(a)
	parts := []*partial{first}
	var in inScan
	if len(stages) == 0 || a.Fork != nil {
		// Every worker of the scan counts for itself.
		in.worker = func() func(*store.Batch) error {
			p, stages := first, stages
			if p.used {
				p = newPartial(a)
				parts = append(parts, p)
				if len(stages) > 0 {
					stages = a.Fork()
				}
			}
			p.used = true
			var f Frame
			return func(b *store.Batch) error { return f.through(ctx, b, stages, p.add) }
		}
	}
	if a.Op == Count && len(stages) == 0 && !slices.Contains(a.Keys, a.Time) {
		in.alike = a.alike
	}
	var res Result
	var err error
	res.Stats, res.Partial, err = runWorkers(ctx, src, scope, s, nil, stages, first.add, in)
	if err != nil {
		return res, err
	}
	for _, p := range parts[1:] {
		if err := first.join(p); err != nil {
			return res, err
		}
	}
	if k, ok := first.acc.(*keeper); ok {
		if err := k.bound(); err != nil {
			return res, err
		}
		res.Approximate = k.approximate()
	}
	for i, key := range first.groups.groups {
		res.Groups = append(res.Groups, Group{Key: key, Values: first.acc.values(i)})
	}
	return res, nil
}
