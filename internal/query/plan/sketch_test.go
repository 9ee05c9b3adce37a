package plan

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// TestSketch compares with the exact quantile of values of many sizes.
func TestSketch(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 9))
	shapes := map[string]func() float64{
		"durations": func() float64 { return math.Exp(rnd.NormFloat64()*2 + 3) },
		"tiny":      func() float64 { return rnd.Float64() * 1e-290 },
		"huge":      func() float64 { return rnd.Float64() * 1e300 },
		"negative":  func() float64 { return -1 - rnd.ExpFloat64() },
		"few":       func() float64 { return float64(rnd.IntN(3)) },
	}
	for name, next := range shapes {
		for range 20 {
			a, b := sketch{}, sketch{}
			var vals []float64
			for range 1 + rnd.IntN(3000) {
				v := next()
				vals = append(vals, v)
				if rnd.IntN(2) == 0 {
					a.add(v)
				} else {
					b.add(v)
				}
			}
			a.merge(b)
			slices.Sort(vals)
			for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.999, 1} {
				got, want := a.quantile(q), quantile(q, vals)
				if math.Abs(got-want) > SketchError*1.0001*math.Abs(want) {
					t.Fatalf("%s: quantile %v of %d values is %v, want %v", name, q, len(vals), got, want)
				}
			}
		}
	}
	s := sketch{}
	for _, v := range []float64{math.Inf(-1), -2, 0, 3, math.Inf(1)} {
		s.add(v)
	}
	if s.quantile(0) != math.Inf(-1) || s.quantile(0.5) != 0 || s.quantile(1) != math.Inf(1) || s.quantile(2) != math.Inf(1) || s.quantile(-1) != math.Inf(-1) {
		t.Error("infinities are not where they belong")
	}
}

// TestQuantileBeyondTheSampleLimit turns to sketches in the middle of a scan.
func TestQuantileBeyondTheSampleLimit(t *testing.T) {
	m, _ := seed(6000)
	for _, rng := range []int64{50, 150, 77} {
		a := Aggregate{Value: 1, Op: Quantile, Param: 0.9, Start: 100, End: 900, Step: 50, Range: rng}
		scan := Scan{From: a.Start - rng + 1, To: a.End + 1, Columns: []store.ColumnRef{colTime, colV}}
		exact, err := RunAggregate(context.Background(), m, model.ScopeAll(), scan, nil, a)
		if err != nil || exact.Approximate {
			t.Fatal(exact.Approximate, err)
		}
		a.SampleLimit = 2000
		res, err := RunAggregate(context.Background(), m, model.ScopeAll(), scan, nil, a)
		if err != nil || !res.Approximate || len(res.Groups) != len(exact.Groups) {
			t.Fatal(res.Approximate, len(res.Groups), err)
		}
		for i, g := range res.Groups {
			for k, got := range g.Values {
				if want := exact.Groups[i].Values[k]; math.Abs(got-want) > SketchError*1.0001*want {
					t.Fatalf("range %d: %v at %d is %v, want %v", rng, g.Key, k, got, want)
				}
			}
		}
	}
}
