package plan

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestWeightedRows gives rows whole weights and compares with as many copies of
// them. Frames have few rows, so that some are weighed as a whole; the rows come
// in two halves that are joined.
func TestWeightedRows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	m, rows := seed(400)
	colW := store.ColumnRef{Scope: store.Attr, Name: "w"}
	for i, r := range rows {
		weight := 1.0
		if i > 100 {
			weight = float64(1 + rnd.IntN(3))
		}
		r[colW] = store.Float(weight)
	}
	m.UnitRows = 3
	asWhole := 0
	weigh := func() Weights {
		return func(f *Frame) ([]float64, float64) {
			w := f.Cols[4].Floats
			for _, x := range w {
				if x != w[0] {
					return w, 0
				}
			}
			asWhole++
			return nil, w[0]
		}
	}
	for _, op := range []Op{Count, Sum, Avg, Min, Max, Stdvar} {
		for _, rng := range []int64{7, 50, 250, 333} {
			a := Aggregate{Keys: []int{1, 2}, Value: 3, Op: op, Weigh: weigh, Start: 100, End: 900, Step: 50, Range: rng}
			halves := [2]*partial{newPartial(a), newPartial(a)}
			n := 0
			_, _, err := Each(context.Background(), m, model.ScopeAll(),
				Scan{From: a.Start - rng + 1, To: a.End + 1, Columns: []store.ColumnRef{colTime, colA, colB, colV, colW}}, nil, func(f *Frame) error {
					n++
					return halves[n%2].add(f)
				})
			if err != nil {
				t.Fatal(err)
			}
			if err := halves[0].join(halves[1]); err != nil {
				t.Fatal(err)
			}
			for i, key := range halves[0].groups.groups {
				for k, got := range halves[0].acc.values(i) {
					end := a.Start + int64(k)*a.Step
					var copies []float64
					for _, r := range rows {
						if ts := r[colTime].Int; ts > end-rng && ts <= end && r[colA] == key[0] && r[colB] == key[1] {
							for range int(r[colW].Flt) {
								copies = append(copies, r[colV].Flt)
							}
						}
					}
					if want := naive(op, copies); math.Abs(got-want) > 1e-9 || IsAbsent(got) != IsAbsent(want) {
						t.Fatalf("op %d range %d key %v window %d: got %v, want %v", op, rng, key, k, got, want)
					}
				}
			}
		}
	}
	if asWhole == 0 {
		t.Error("no frame was weighed as a whole")
	}
}
