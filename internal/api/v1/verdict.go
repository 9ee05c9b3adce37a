package v1

import (
	"cmp"
	"slices"
)

// When a service is at risk or broken. The shipped alert rules are stricter
// about how long something lasts; these say how it is at this moment.
const (
	riskErrorShare   = 0.02
	brokenErrorShare = 0.05
	// slowFactor and slowByMs: p99 is slow when it is this much above an hour ago,
	// both relatively and in milliseconds, because small numbers wobble.
	slowFactor = 2.0
	slowByMs   = 100.0
	// minFailures is how many failures within the window make a share worth a
	// word: one or two are no trend, whatever share of few requests they are.
	minFailures = 3.0
	// minUsual is how many values of a range make a median to compare with.
	minUsual = 5
	// mainShare is how much of the failures one operation has for the verdict to name it.
	mainShare = 0.5
	// badDependencyShare is from which share of failing calls the verdict names a dependency.
	badDependencyShare = 0.05
)

// culprit names where most failures of a service are.
type culprit struct {
	operation       string
	dependency      string
	dependencyShare float64
}

// judge sets state and verdict of s from everything else in it.
func judge(s *Service, seenServing, serving bool, c culprit) {
	worst := worstAlert(s.Alerts)
	v := Verdict{Alert: worst.Name}
	usual, compared := usualP99(s)
	switch {
	case s.Now.ErrorShare != nil && *s.Now.ErrorShare >= riskErrorShare &&
		*s.Now.Rate**s.Now.ErrorShare*window.Seconds() >= minFailures:
		s.State = Risk
		if *s.Now.ErrorShare >= brokenErrorShare {
			s.State = Broken
		}
		v.Code, v.ErrorShare = "errors", *s.Now.ErrorShare
		v.Since = since(s.Spark, s.Spark.ErrorShare, riskErrorShare)
		v.Operation, v.Dependency, v.DependencyShare = c.operation, c.dependency, c.dependencyShare
	case isSlow(s.Now.P99, usual):
		s.State = Risk
		v.Code, v.P99, v.P99Before, v.Compared = "slow", *s.Now.P99, *usual, compared
		v.Since = since(s.Spark, s.Spark.P99, max(*usual*slowFactor, *usual+slowByMs))
		v.Dependency, v.DependencyShare = c.dependency, c.dependencyShare
	case worst.Name != "":
		s.State = Risk
		v.Code, v.Since = "alert", worst.Since
	case !seenServing:
		s.State, v.Code = Unknown, "noSpans"
	case !serving:
		s.State, v.Code = Unknown, "noTraffic"
		v.Since = lastValue(s.Spark)
	default:
		s.State, v.Code = OK, "ok"
	}
	if worst.Severity == "critical" {
		s.State = Broken
	}
	if s.Now.Rate != nil {
		v.Rate = *s.Now.Rate
	}
	if v.P99 == 0 && s.Now.P99 != nil {
		v.P99 = *s.Now.P99
	}
	s.Verdict = v
}

func isSlow(now, usual *float64) bool {
	return now != nil && usual != nil && *now >= *usual*slowFactor && *now >= *usual+slowByMs
}

// usualP99 is what p99 is compared with: an hour before, or in the first hour
// of a service the median of what there is.
func usualP99(s *Service) (usual *float64, compared string) {
	if s.Before.P99 != nil {
		return s.Before.P99, "hourAgo"
	}
	var values []float64
	for _, v := range s.Spark.P99 {
		if v != nil {
			values = append(values, *v)
		}
	}
	if len(values) < minUsual {
		return nil, ""
	}
	slices.Sort(values)
	return &values[len(values)/2], "range"
}

// since is the time of the first of the latest values that are all at least
// limit, or 0 when the newest value is not.
func since(s Spark, values []*float64, limit float64) int64 {
	at := int64(0)
	for i := len(values) - 1; i >= 0; i-- {
		if values[i] == nil && at == 0 {
			continue // the newest step is not complete yet
		}
		if values[i] == nil || *values[i] < limit {
			break
		}
		at = s.Start + int64(i)*s.Step
	}
	return at
}

// lastValue is the time of the newest request that the sparkline shows.
func lastValue(s Spark) int64 {
	for i := len(s.Rate) - 1; i >= 0; i-- {
		if s.Rate[i] != nil && *s.Rate[i] > 0 {
			return s.Start + int64(i)*s.Step
		}
	}
	return 0
}

func severityRank(severity string) int {
	switch severity {
	case "critical":
		return 0
	case "warning":
		return 1
	}
	return 2
}

// byUrgency orders alerts: firing first, then by severity, then the oldest.
func byUrgency(a, b Alert) int {
	return cmp.Or(
		cmp.Compare(a.State, b.State), // "firing" sorts before "pending"
		cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)),
		cmp.Compare(a.Since, b.Since),
		cmp.Compare(a.Name, b.Name),
	)
}

func worstAlert(alerts []Alert) Alert {
	var worst Alert
	for _, a := range alerts {
		if worst.Name == "" || byUrgency(a, worst) < 0 {
			worst = a
		}
	}
	return worst
}
