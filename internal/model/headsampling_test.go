package model

import "testing"

func TestHeadProbability(t *testing.T) {
	// From the definition: the threshold is rejected out of 2^56.
	for state, want := range map[string]float64{
		"": 1, "vendor=x": 1, "ot=th:8": 0.5, "a=b,ot=rv:1;th:c": 0.25, "ot=th:0": 1, "ot=th:zz": 1, "ot=th:fff": 1.0 / 4096, "ot=th:123456789abcdef": 1,
	} {
		if got := HeadProbability(state); got != want {
			t.Errorf("%q: %g, want %g", state, got, want)
		}
	}
}
