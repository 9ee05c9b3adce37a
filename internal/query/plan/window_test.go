package plan

import (
	"math/rand/v2"
	"testing"
)

// TestWindower compares with the definition: window k is
// (Start+k·Step-Range, Start+k·Step].
func TestWindower(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a := Aggregate{Start: 100, Step: 1 + rnd.Int64N(20), Range: 1 + rnd.Int64N(60)}
		a.End = a.Start + rnd.Int64N(100)
		w := newWindower(a)
		for range 300 {
			ts := rnd.Int64N(300)
			first, last := 1, 0
			for k := range a.Steps() {
				if end := a.Start + int64(k)*a.Step; ts > end-a.Range && ts <= end {
					if first > last {
						first = k
					}
					last = k
				}
			}
			if f, l := w.at(ts); f != first || l != last {
				t.Fatalf("%+v ts %d: %d..%d, want %d..%d", a, ts, f, l, first, last)
			}
			lo, hi := a.alike(ts)
			if ts < lo || ts > hi {
				t.Fatalf("%+v ts %d is not in [%d, %d]", a, ts, lo, hi)
			}
			for other := max(lo, 0); other <= min(hi, 300); other++ {
				if f, l := w.at(other); (f > l) != (first > last) || f <= l && (f != first || l != last) {
					t.Fatalf("%+v: %d and %d are not of the same windows", a, ts, other)
				}
			}
		}
	}
}
