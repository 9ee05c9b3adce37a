package model

import (
	"strconv"
	"strings"
)

// HeadProbability is the probability at which a span was sampled where its trace
// began: 1 minus the rejection threshold in the tracestate's "ot=th:…", which has
// 56 bits without trailing zeros (OpenTelemetry, "TraceState: Probability
// Sampling"). 1 when it says nothing, or nothing valid.
func HeadProbability(state string) float64 {
	const digits, whole = 14, 1 << 56
	for member := range strings.SplitSeq(state, ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(member), "ot=")
		if !ok {
			continue
		}
		for field := range strings.SplitSeq(value, ";") {
			th, ok := strings.CutPrefix(field, "th:")
			if !ok || th == "" || len(th) > digits {
				continue
			}
			if n, err := strconv.ParseUint(th+strings.Repeat("0", digits-len(th)), 16, 64); err == nil {
				return float64(whole-n) / whole
			}
		}
	}
	return 1
}
