package plan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

var (
	colTime = store.Col(store.ColTime)
	colA    = store.ColumnRef{Scope: store.Attr, Name: "a"}
	colB    = store.ColumnRef{Scope: store.Attr, Name: "b"}
	colV    = store.ColumnRef{Scope: store.Attr, Name: "v"}
)

func seed(n int) (*storetest.Memory, []storetest.Row) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var rows []storetest.Row
	for range n {
		r := storetest.Row{colTime: store.Int(rnd.Int64N(1000)), colV: store.Float(float64(rnd.IntN(50)))}
		if rnd.IntN(5) > 0 {
			r[colA] = store.Str(fmt.Sprint("a", rnd.IntN(3)))
		}
		if rnd.IntN(2) > 0 {
			r[colB] = store.Int(rnd.Int64N(2))
		}
		rows = append(rows, r)
	}
	m := storetest.New()
	m.Add(rows...)
	return m, rows
}

func naive(op Op, vals []float64) float64 {
	if len(vals) == 0 {
		return Absent()
	}
	sum := 0.0
	for _, v := range vals {
		sum += v
	}
	switch op {
	case Count:
		return float64(len(vals))
	case Sum:
		return sum
	case Avg:
		return sum / float64(len(vals))
	case Min:
		return slices.Min(vals)
	case Max:
		return slices.Max(vals)
	case Stdvar:
		mean, m2 := sum/float64(len(vals)), 0.0
		for _, v := range vals {
			m2 += (v - mean) * (v - mean)
		}
		return m2 / float64(len(vals))
	case Quantile:
		s := slices.Sorted(slices.Values(vals))
		return quantile(0.9, s)
	}
	return math.NaN()
}

// TestAggregate compares every operation with a direct evaluation, for windows
// shorter than, equal to and longer than the step.
func TestAggregate(t *testing.T) {
	m, rows := seed(400)
	for _, op := range []Op{Count, Sum, Avg, Min, Max, Stdvar, Quantile} {
		for _, rng := range []int64{7, 50, 250, 333} {
			a := Aggregate{Keys: []int{1, 2}, Value: 3, Op: op, Param: 0.9, Start: 100, End: 900, Step: 50, Range: rng}
			res, err := RunAggregate(context.Background(), m, model.ScopeAll(),
				Scan{From: a.Start - rng + 1, To: a.End + 1, Columns: []store.ColumnRef{colTime, colA, colB, colV}}, nil, a)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range res.Groups {
				for k, got := range g.Values {
					end := a.Start + int64(k)*a.Step
					var vals []float64
					for _, r := range rows {
						if ts := r[colTime].Int; ts > end-rng && ts <= end && r[colA] == g.Key[0] && r[colB] == g.Key[1] {
							vals = append(vals, r[colV].Flt)
						}
					}
					if want := naive(op, vals); math.Abs(got-want) > 1e-9 || IsAbsent(got) != IsAbsent(want) {
						t.Fatalf("op %d range %d key %v window %d: got %v, want %v", op, rng, g.Key, k, got, want)
					}
				}
			}
			if len(res.Groups) != 12 {
				t.Errorf("%d groups, want 12", len(res.Groups))
			}
		}
	}
}

func TestSeriesLimit(t *testing.T) {
	m, _ := seed(100)
	_, err := RunAggregate(context.Background(), m, model.ScopeAll(), Scan{From: 0, To: 1000, Columns: []store.ColumnRef{colTime, colA}},
		nil, Aggregate{Keys: []int{1}, Start: 1000, End: 1000, Range: 1000, SeriesLimit: 2})
	if !errors.Is(err, ErrSeriesLimit) {
		t.Fatal(err)
	}
}

func TestBudgetGivesPartialAnswer(t *testing.T) {
	m, _ := seed(100)
	res, err := RunAggregate(context.Background(), m, model.ScopeAll(),
		Scan{From: 0, To: 1000, Columns: []store.ColumnRef{colTime}, Budget: store.Budget{Rows: 20}},
		nil, Aggregate{Start: 1000, End: 1000, Range: 1001})
	if err != nil || !res.Partial || res.Groups[0].Values[0] != 32 {
		t.Fatal(res, err)
	}
}

func TestCancel(t *testing.T) {
	m, _ := seed(100)
	ctx, cancel := context.WithCancel(context.Background())
	_, _, err := Each(ctx, m, model.ScopeAll(), Scan{From: 0, To: 1000, Columns: []store.ColumnRef{colTime}}, nil, func(*Frame) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestTop(t *testing.T) {
	m, rows := seed(300)
	var want []int64
	for _, r := range rows {
		if r[colV].Flt > 10 {
			want = append(want, r[colTime].Int)
		}
	}
	slices.Sort(want)
	for _, newest := range []bool{false, true} {
		got, stats, _, err := RunTop(context.Background(), m, model.ScopeAll(),
			Scan{From: 0, To: 1000, Columns: []store.ColumnRef{colTime, colV}}, nil, Top[float64]{N: 20, Newest: newest,
				Row: func(f *Frame, r int) (float64, bool, error) { v := f.Cols[1].Floats[r]; return v, v > 10, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if newest {
			slices.Reverse(want)
		}
		for i, e := range got {
			if e.Ts != want[i] || len(got) != 20 {
				t.Fatalf("newest %v: entry %d of %d at %d, want %d", newest, i, len(got), e.Ts, want[i])
			}
		}
		if stats.UnitsPruned == 0 || stats.RowsScanned > 100 {
			t.Errorf("read too much for 20 rows: %+v", stats)
		}
	}
}

func TestDistinct(t *testing.T) {
	m, rows := seed(300)
	got, _, _, err := Distinct(context.Background(), m, model.ScopeAll(), Scan{From: 0, To: 1000, Columns: []store.ColumnRef{colA}}, 0)
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	total := int64(0)
	for _, g := range got {
		total += g.Rows
	}
	if total != int64(len(rows)) {
		t.Error(total)
	}
}

func TestFoldLimit(t *testing.T) {
	m, _ := seed(100)
	_, err := RunAggregate(context.Background(), m, model.ScopeAll(), Scan{From: 0, To: 1000, Columns: []store.ColumnRef{colTime, colA, colV}},
		nil, Aggregate{Keys: []int{1}, Value: 2, Op: Avg, Start: 0, End: maxFolds, Step: 1, Range: 1})
	if !errors.Is(err, ErrSampleLimit) {
		t.Fatal(err)
	}
}
